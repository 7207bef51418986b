"""What agents ask leave for: where it is seen, which keys answer it, and which never do."""

import time

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec
from deia_tui.ui.app import ConsoleOptions
from deia_tui.ui.dialogs.approvals import ApprovalsDialog
from deia_tui.ui.orders import READ_ONLY
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def asking(*bot_ids: str) -> tuple[ScriptedHive, list[str]]:
    """These bots ask leave, in this order; BOT-001 is idle."""
    hive = ScriptedHive()
    hive.run("BOT-001", *bot_ids)
    requests = [hive.wants(bot_id, hive.ask(bot_id, f"work of {bot_id}"), f"rm -r {bot_id}/") for bot_id in bot_ids]
    return hive, requests


def answered(request_id: str, outcome: str, note: str = "") -> cmd.AnswerPermission:
    return cmd.AnswerPermission(request_id=request_id, outcome=outcome, note=note)  # type: ignore[arg-type]


def queue(screen: Screen) -> ApprovalsDialog | None:
    top = screen.app.screen
    return top if isinstance(top, ApprovalsDialog) else None


async def test_who_asks_stands_first_and_says_for_what() -> None:
    hive, _ = asking("BOT-002")
    async with shown(hive) as screen:
        await screen.sees("? 1 ask", "asks: Bash: rm -r BOT-002/", "p Requests")
        rows = [line for line in screen.lines() if "BOT-00" in line[:100]]
        assert "BOT-002" in rows[0]


async def test_a_request_is_announced_once_and_rings() -> None:
    hive, _ = asking()
    hive.run("BOT-002")
    async with shown(hive) as screen:
        bells: list[None] = []
        screen.app._announcer._ring = lambda: bells.append(None)
        hive.wants("BOT-002", hive.ask("BOT-002", "work"), "rm -r build/")
        await screen.sees("BOT-002 asks: Bash: rm -r build/ – p shows it")
        hive.alert(None, "something else")
        await screen.sees("something else")
        assert len(bells) == 1


async def test_the_queue_is_answered_key_by_key_and_closes_when_nothing_is_left() -> None:
    hive, (first, second, third) = asking("BOT-002", "BOT-003", "BOT-004")
    async with shown(hive) as screen:
        await screen.press("p")
        await screen.sees("BOT-002 (shell) asks: Bash: rm -r BOT-002/", "while it works on: work of BOT-002")
        await screen.press("a")
        await screen.gave(answered(first, "allow_once"))
        await screen.sees("allowed  BOT-002")
        await screen.press("a")  # the next one was not seen yet
        await screen.sees("This request is over: allowed.")
        await screen.press("j", "A")
        await screen.gave(answered(second, "allow_always"))
        await screen.misses("allowed  BOT-002")
        await screen.press("j", "d")
        await screen.gave(answered(third, "reject_once"))
        await screen.until(lambda: queue(screen) is None)
        assert len(hive.given) == 3


async def test_it_is_denied_with_a_word() -> None:
    hive, (request,) = asking("BOT-002")
    async with shown(hive) as screen:
        await screen.press("p", "D")
        await screen.write("use trash-put, and ask a A d first")
        await screen.press("a", "d", "enter")
        await screen.gave(answered(request, "reject_once", "use trash-put, and ask a A d firstad"))


async def test_a_word_is_taken_back_by_escape() -> None:
    hive, _ = asking("BOT-002")
    async with shown(hive) as screen:
        await screen.press("p", "D")
        await screen.write("no")
        await screen.press("escape")
        await screen.until(lambda: queue(screen) is not None and screen.app.focused is queue(screen)._table)  # type: ignore[union-attr]
        await screen.press("escape")
        await screen.until(lambda: queue(screen) is None)
        assert not hive.given


async def test_the_cursor_stays_on_its_request_when_others_come_and_go() -> None:
    hive, (first, second) = asking("BOT-002", "BOT-003")
    async with shown(hive) as screen:
        await screen.press("p", "j")
        await screen.sees("BOT-003 (shell) asks:")
        hive.permitted("BOT-002", first, "allow_once", by="policy")
        await screen.until(lambda: queue(screen) is not None and list(queue(screen)._table.keys) == [second])  # type: ignore[union-attr]
        hive.permitted("BOT-003", second, "expired")
        await screen.sees("answered  BOT-003")
        await screen.press("a")
        await screen.sees("This request is over: answered.")
        assert not hive.given


async def test_one_opens_the_queue_at_the_bot_one_stands_on() -> None:
    hive, _ = asking("BOT-002", "BOT-003")
    async with shown(hive) as screen:
        await screen.press("j", "a")
        await screen.sees("BOT-003 (shell) asks:")
        assert not hive.given


async def test_the_chat_shows_the_request_with_its_keys_and_they_answer_it() -> None:
    hive, (request,) = asking("BOT-002")
    async with shown(hive) as screen:
        await screen.sees("? asks  Bash: rm -r BOT-002/", "a allow once · A always · d deny", " left")
        await screen.press("tab")
        await screen.until(lambda: "a Allow once" in screen.lines()[-1])
        await screen.press("d")
        await screen.gave(answered(request, "reject_once"))
        await screen.sees("✖ denied  Bash: rm -r BOT-002/")
        await screen.until(lambda: "Allow once" not in screen.lines()[-1])


async def test_keys_answer_nothing_while_one_writes() -> None:
    hive, _ = asking("BOT-002")
    async with shown(hive) as screen:
        await screen.press("enter", "a", "A", "d", "D", "p")
        assert screen.app._main.hive._chat.input.value == "aAdDp"
        assert not hive.given


async def test_a_request_that_cannot_be_seen_is_shown_before_it_is_answered() -> None:
    hive, _ = asking("BOT-002")
    message = hive.ask("BOT-002", "more")
    hive.answer("BOT-002", message, "line\n" * 100)
    async with shown(hive) as screen:
        await screen.sees("line")
        await screen.press("tab", "a")
        await screen.until(lambda: queue(screen) is not None)
        assert not hive.given


async def test_only_what_the_agent_takes_is_offered() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    request = hive.wants("BOT-001", hive.ask("BOT-001", "w"), "x", kinds=("allow_always", "reject_always"))
    async with shown(hive) as screen:
        await screen.sees("A always · d deny")
        assert "allow once" not in screen.text()
        await screen.press("p", "a")
        await screen.sees("This agent cannot be allowed it just once")
        await screen.press("d")
        await screen.gave(answered(request, "reject_always"))


async def test_a_read_only_console_answers_nothing() -> None:
    hive, _ = asking("BOT-002")
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await screen.press("p", "a")
        await screen.sees(READ_ONLY[:40])
        await screen.press("D", "escape", "tab", "a")
        assert not hive.given


async def test_nothing_to_answer_is_said() -> None:
    hive, _ = asking()
    async with shown(hive) as screen:
        await screen.press("p")
        await screen.sees("No agent asks for leave.")


async def test_a_long_input_is_folded_in_the_chat_and_scrolls_in_the_queue() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    text = "\n".join(f"input {number}" for number in range(60))
    hive.wants("BOT-001", hive.ask("BOT-001", "w"), "write a file", tool="Write", input=text)
    async with shown(hive) as screen:
        await screen.sees("input 7", "… 52 more lines: o opens them")
        await screen.press("p")
        await screen.sees("Write: write a file", "input 0")
        await screen.press("tab", "G")
        await screen.sees("input 59")


async def test_the_queue_is_of_use_in_small_terminals() -> None:
    for size in ((80, 24), (60, 20)):
        hive, (first, *_) = asking(*(f"BOT-{number:03d}" for number in range(2, 30)))
        async with shown(hive, size=size) as screen:
            await screen.press("p")
            await screen.sees("AGE   LEFT", "BOT-002 (shell) asks:", "a allow once")
            await screen.press("a")
            await screen.gave(answered(first, "allow_once"))


async def test_a_bot_that_asks_for_two_things_asks_until_both_are_answered() -> None:
    hive, (first,) = asking("BOT-002")
    message = hive.bot("BOT-002").message_id
    assert message is not None
    second = hive.wants("BOT-002", message, "rm -r other/")
    async with shown(hive) as screen:
        hive.permitted("BOT-002", first, "allow_once")
        await screen.sees("? 1 ask", "asks: Bash: rm -r other/")
        hive.permitted("BOT-002", second, "reject_once")
        await screen.sees("● busy")


# Risky text


async def test_risky_text_is_sent_only_after_a_question_and_the_draft_is_kept() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", agent=AgentSpec(name="claude", kind="claude"))
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("sudo rm -rf /srv/data")
        await screen.press("enter")
        await screen.sees("Send this to BOT-001?", "is risky: sudo rm -rf /srv/data")
        await screen.press("enter")  # on Cancel
        await screen.until(lambda: screen.app._main.hive._chat.input.value == "sudo rm -rf /srv/data")
        assert not hive.given
        await screen.press("enter")
        await screen.sees("Send this to BOT-001?")
        await screen.press("right", "enter")
        await screen.gave(cmd.SendMessage(bot_id="BOT-001", text="sudo rm -rf /srv/data"))


async def test_a_shell_that_asks_itself_is_not_asked_about_before() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("sudo rm -rf /srv/data")
        await screen.press("enter")
        await screen.gave(cmd.SendMessage(bot_id="BOT-001", text="sudo rm -rf /srv/data"))


async def test_prose_about_risky_things_is_sent_at_once() -> None:
    hive, _ = asking()
    async with shown(hive) as screen:
        await screen.press("enter")
        await screen.write("why is rm so dangerous, and what does sudo do?")
        await screen.press("enter")
        await screen.until(lambda: hive.given)


# What else a bot waits for


async def test_a_paused_provider_is_told_in_the_list_and_above_the_input() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", agent=AgentSpec(name="claude", kind="claude", provider="anthropic"))
    async with shown(hive) as screen:
        now = time.time()
        hive.record(ev.ProviderPaused(at=now, provider="anthropic", until=now + 900, reason="429", by="BOT-001"))
        await screen.sees("claude  anthropic paused · ", "A message waits: anthropic paused · ")
        hive.record(ev.ProviderResumed(at=now, provider="anthropic", reason="answers again"))
        await screen.misses("paused")


async def test_trouble_is_told_beside_the_work() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    hive.ask("BOT-001", "count")
    async with shown(hive) as screen:
        hive.record(ev.AgentDegraded(at=time.time(), bot_id="BOT-001", run=1, reason="retry 2 of 5", source_seq=9))
        await screen.sees("retry 2 of 5 · count", "BOT-001 has trouble: retry 2 of 5")
