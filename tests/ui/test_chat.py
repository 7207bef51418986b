"""Talking to a bot: streaming, addressing, drafts, refusals."""

import time

from textual import events

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.breaker import Phase
from deia_tui.ui.app import ConsoleOptions
from deia_tui.ui.orders import READ_ONLY
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def two_bots(*, auto: bool = False) -> ScriptedHive:
    hive = ScriptedHive(auto=auto)
    hive.run("BOT-001", "BOT-002")
    return hive


def written(screen: Screen) -> str:
    return screen.app._main.hive._chat.input.value


async def test_a_message_goes_to_the_selected_bot_and_its_answer_comes_back() -> None:
    hive = two_bots(auto=True)
    async with shown(hive) as screen:
        await screen.press("j", "enter")
        await screen.write("hello")
        await screen.press("enter")
        await screen.gave(cmd.SendMessage(bot_id="BOT-002", text="hello"))
        await screen.sees("you", "You said:")
        assert written(screen) == ""


async def test_an_answer_is_seen_while_it_grows() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        message = hive.ask("BOT-001", "count")
        hive.answer("BOT-001", message, "one t")
        await screen.sees("answering…", "one t")
        hive.answer("BOT-001", message, "wo three\nfo", "ur")
        await screen.sees("one two three", "four")
        hive.finish("BOT-001", message)
        await screen.misses("answering…")
        assert "".join(line[104:] for line in screen.lines()).count("one two three") == 1


async def test_an_address_overrides_the_selection_for_one_message() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.sees("To BOT-001")
        await screen.write("@BOT-002 over there")
        await screen.sees("To BOT-002")
        await screen.press("enter")
        await screen.gave(cmd.SendMessage(bot_id="BOT-002", text="over there"))
        await screen.sees("To BOT-001")


async def test_a_refused_message_stays_in_the_input_with_the_reason() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("@NOBODY hi")
        await screen.press("enter")
        await screen.sees("There is no bot 'NOBODY'.")
        assert written(screen) == "@NOBODY hi"
        assert not hive.given


async def test_every_bot_has_its_draft() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("for one")
        await screen.press("escape", "j", "enter")
        assert written(screen) == ""
        await screen.write("for two")
        await screen.press("escape", "k", "enter")
        assert written(screen) == "for one"


async def test_pasted_lines_arrive_as_lines_and_come_back_as_such() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        assert screen.app.focused is not None
        screen.app.focused.post_message(events.Paste("def f():\r\n    return 1\r\n"))  # as terminals send them
        await screen.sees("def f():⏎    return 1", "To BOT-001 · 2 lines")
        await screen.press("ctrl+j", "x", "enter")
        lines = cmd.SendMessage(bot_id="BOT-001", text="def f():\n    return 1\nx")
        await screen.gave(lines)
        assert written(screen) == ""
        await screen.press("up", "enter")
        await screen.until(lambda: hive.given == [lines, lines])


async def test_arrows_bring_back_what_was_sent() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        for text in ("first", "second"):
            await screen.write(text)
            await screen.press("enter")
        await screen.write("draft")
        await screen.press("up", "up")
        assert written(screen) == "first"
        await screen.press("down", "down")
        assert written(screen) == "draft"


async def test_keys_are_letters_while_one_writes() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.press("s", "K", "q", "space", "slash", "question_mark", "colon")
        assert written(screen) == "sKq /?:"
        assert not hive.given


async def test_an_open_breaker_shows_above_all_that_the_bot_is_unavailable() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        now = time.time()
        hive.record(
            ev.BreakerChanged(
                at=now,
                bot_id="BOT-001",
                from_phase=Phase.CLOSED,
                to_phase=Phase.OPEN,
                reason="5 failures",
                retry_at=now + 500,
                failure_rate=1.0,
                success_rate=0.0,
                consecutive_failures=5,
            )
        )
        await screen.sees("Bot Unavailable (recovering) · ", "⊘ BOT-001")


async def test_older_turns_come_when_one_scrolls_to_the_top() -> None:
    hive = two_bots()
    for number in range(1, 61):
        hive.finish("BOT-001", hive.ask("BOT-001", f"question-{number}-"))
    async with shown(hive) as screen:
        chat = screen.app._main.hive._chat
        await screen.until(lambda: chat.view.transcript is not None and len(chat.view.transcript.turns) == 30)
        chat.view.focus()
        await screen.press("g")
        await screen.until(lambda: chat.view.transcript is not None and len(chat.view.transcript.turns) == 60)
        await screen.press("g")
        await screen.sees("question-1-")
        await screen.press("G")
        await screen.sees("question-60-")


async def test_wide_characters_stay_inside_the_pane() -> None:
    hive = two_bots()
    async with shown(hive, size=(120, 40)) as screen:
        message = hive.ask("BOT-001", "漢字")
        hive.answer("BOT-001", message, "漢字" * 80 + " 🐝 " + "x" * 200 + "\nend-of-answer\n")
        await screen.sees("end-of-answer")
        widths = {
            len(strip.text) <= strip.cell_length == 120 for strip in screen.app.screen._compositor.render_strips()
        }
        assert widths == {True}


async def test_a_message_elsewhere_is_confirmed_in_a_sentence() -> None:
    hive = two_bots(auto=True)
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("@BOT-002 over there")
        await screen.press("enter")
        await screen.sees("Sent to BOT-002.")


async def test_sending_shows_the_end_again() -> None:
    hive = two_bots(auto=True)
    message = hive.ask("BOT-001", "count")
    hive.answer("BOT-001", message, *[f"line {number:03d}\n" for number in range(200)])
    hive.finish("BOT-001", message)
    async with shown(hive) as screen:
        view = screen.app._main.hive._chat.view
        await screen.until(lambda: len(view.lines) > 200)
        view.focus()
        await screen.press("g")
        await screen.sees("line 000", "G follows again")
        await screen.press("enter")
        await screen.write("what now")
        await screen.press("enter")
        await screen.sees("You said:")


async def test_the_wheel_moves_the_view_and_comes_back_to_the_end() -> None:
    hive = two_bots()
    message = hive.ask("BOT-001", "count")
    hive.answer("BOT-001", message, *[f"line {number:03d}\n" for number in range(200)])
    async with shown(hive) as screen:
        view = screen.app._main.hive._chat.view
        await screen.until(lambda: len(view.lines) > 200)
        top = view.top
        view.scroll_view(-3)
        assert (view.top, view.following, view.cursor) == (top - 3, False, top - 3 + view.body_height - 1)
        hive.answer("BOT-001", message, "one more\n")
        await screen.until(lambda: any("one more" in view.text_of(index) for index in range(len(view.lines))))
        assert view.top == top - 3
        view.scroll_view(30)
        assert view.following
        await screen.sees("one more")


async def test_copying_takes_the_newest_answer() -> None:
    hive = two_bots(auto=True)
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("copy me")
        await screen.press("enter")
        await screen.sees("You said:")
        screen.app._main.hive._chat.view.focus()
        await screen.press("y")
        await screen.until(lambda: screen.app.clipboard == "You said:\ncopy me")


def interrupt(hive: ScriptedHive, bot_id: str, message: str) -> None:
    hive.record(
        ev.TurnEnded(
            at=time.time(),
            bot_id=bot_id,
            run=1,
            message_id=message,
            status="interrupted",
            error="the bot ended (SIGKILL) before it was done",
            duration_s=0.0,
        )
    )


async def test_a_message_that_was_cut_is_sent_again_by_a_key_and_only_once() -> None:
    hive = two_bots()
    async with shown(hive) as screen:
        message = hive.ask("BOT-001", "count\n  to ten")
        hive.answer("BOT-001", message, "one two\n")
        await screen.sees("one two")
        assert "Send again" not in screen.lines()[-1]
        interrupt(hive, "BOT-001", message)
        await screen.sees("one two", "the bot ended (SIGKILL) before it was done", "e sends it again")
        await screen.until(lambda: "e Send again" in screen.lines()[-1])
        assert not hive.given
        await screen.press("e")
        await screen.gave(cmd.SendMessage(bot_id="BOT-001", text="count\n  to ten"))
        await screen.sees("Sent again to BOT-001.", "waiting…")
        await screen.misses("e sends it again")
        await screen.until(lambda: "Send again" not in screen.lines()[-1])
        await screen.press("e")
        await screen.sees("Every message here was answered, or still may be.")
        assert len(hive.given) == 1


async def test_the_cut_message_one_looks_at_is_sent_again() -> None:
    hive = two_bots()
    for number in (1, 2):
        message = hive.ask("BOT-001", f"question {number}")
        hive.answer("BOT-001", message, "line\n" * 60)
        interrupt(hive, "BOT-001", message)
    async with shown(hive) as screen:
        view = screen.app._main.hive._chat.view
        await screen.until(lambda: len(view.lines) > 120)
        view.focus()
        await screen.press("g", "e")
        await screen.gave(cmd.SendMessage(bot_id="BOT-001", text="question 1"))
        await screen.press("G", "e")
        await screen.gave(cmd.SendMessage(bot_id="BOT-001", text="question 2"))


async def test_a_read_only_console_sends_nothing_again() -> None:
    hive = two_bots()
    interrupt(hive, "BOT-001", hive.ask("BOT-001", "count"))
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await screen.sees("e sends it again")
        await screen.press("e")
        await screen.sees(READ_ONLY[:40])
        assert not hive.given
