"""Panes, sizes, zoom and focus; alerts; what is drawn again and what is not."""

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.ui.app import ConsoleOptions
from deia_tui.ui.theme import Ground, Ink
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def three_bots() -> ScriptedHive:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002", "BOT-003")
    return hive


def seen(screen: Screen) -> list[str]:
    return [pane for pane in ("bots", "chat", "log", "alerts") if screen.app.screen.query_one(f"#{pane}").is_on_screen]


@pytest.mark.parametrize(
    ("size", "panes"),
    [
        ((200, 50), ["bots", "chat", "log", "alerts"]),
        ((110, 30), ["bots", "chat", "log", "alerts"]),
        ((109, 30), ["bots", "log"]),
        ((80, 24), ["bots", "log"]),
        ((71, 24), ["bots"]),
        ((60, 20), ["bots"]),
    ],
)
async def test_every_size_shows_what_fits(size: tuple[int, int], panes: list[str]) -> None:
    async with shown(three_bots(), size=size) as screen:
        await screen.until(lambda: seen(screen) == panes)
        await screen.sees("BOT-001", "? Help", "q Quit", "idle")
        assert all(len(line) <= size[0] for line in screen.lines())


@pytest.mark.parametrize("size", [(60, 20), (40, 10), (12, 4), (3, 2), (1, 1)])
async def test_a_tiny_terminal_is_no_crash_and_growing_brings_everything_back(size: tuple[int, int]) -> None:
    hive = three_bots()
    async with shown(hive, size=size) as screen:
        await screen.press("j", "enter", "escape", "tab", "tab", "question_mark", "escape", "l", "escape")
        hive.alert("BOT-002", "something")
        await screen.pilot.resize_terminal(200, 50)
        await screen.until(lambda: len(seen(screen)) == 4)
        await screen.sees("BOT-003", "something")


async def test_below_the_smallest_size_a_line_says_so() -> None:
    async with shown(three_bots(), size=(59, 19)) as screen:
        await screen.sees("Small terminal", "BOT-001")


async def test_in_one_column_the_pane_below_is_the_one_last_used() -> None:
    async with shown(three_bots(), size=(80, 24)) as screen:
        await screen.press("exclamation_mark")
        await screen.until(lambda: seen(screen) == ["bots", "alerts"])
        await screen.press("escape", "enter")
        await screen.until(lambda: seen(screen) == ["bots", "chat"])
        await screen.sees("To BOT-001", "esc Leave")


async def test_zoom_shows_one_pane_and_escape_brings_the_others_back() -> None:
    async with shown(three_bots()) as screen:
        await screen.press("tab", "z")
        await screen.until(lambda: seen(screen) == ["chat"])
        await screen.press("escape")
        await screen.until(lambda: len(seen(screen)) == 4)


async def test_tab_goes_around() -> None:
    async with shown(three_bots()) as screen:
        focused = []
        for _ in range(4):
            await screen.press("tab")
            focused.append(screen.app.focused.id if screen.app.focused else None)
        assert focused == ["chat-view", "log", "alerts", "bot-table"]
        await screen.press("shift+tab")
        assert screen.app.focused is not None
        assert screen.app.focused.id == "alerts"


async def test_a_size_that_changed_behind_a_dialog_counts() -> None:
    async with shown(three_bots(), size=(200, 50)) as screen:
        await screen.press("question_mark")
        await screen.sees("Help")
        await screen.pilot.resize_terminal(80, 24)
        await screen.press("escape")
        await screen.until(lambda: seen(screen) == ["bots", "log"])


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20)])
async def test_a_long_alert_keeps_its_action_and_is_shown_in_full_at_the_cursor(size: tuple[int, int]) -> None:
    hive = ScriptedHive()
    hive.run("BOT-002")
    hive.alert("BOT-002", "it is " + "very " * 14 + "unwell", action="r starts it again once the cause is mended")
    async with shown(hive, size=size) as screen:
        if size[0] == 200:
            assert "the cause is mended" in screen.text()
        await screen.press("exclamation_mark")
        await screen.until(lambda: "unwell r starts it again once the cause is mended" in whole(screen))


def whole(screen: Screen) -> str:
    """The alerts pane as one line."""
    pane = screen.app._main.hive._alerts.region
    lines = [line[pane.x : pane.right] for line in screen.lines()[pane.y : pane.bottom]]
    return " ".join(" ".join(lines).replace("│", " ").split())


async def test_alerts_are_announced_listed_and_cleared() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        number = hive.alert("BOT-002", "memory is high", level="critical", action="r restarts it")
        await screen.sees("BOT-002: memory is high", "BOT-002  memory is high   r restarts it", "1 open", "1 alert")
        await screen.press("exclamation_mark", "x")
        await screen.gave(cmd.ClearAlert(alert_id=number))
        await screen.sees("✓")
        await screen.misses("1 open")


async def test_an_order_in_the_alerts_goes_to_the_bot_of_the_alert() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        hive.alert("BOT-003", "memory is high", action="r restarts it")
        await screen.sees("memory is high")
        await screen.press("v", "exclamation_mark")
        await screen.until(lambda: screen.app.focused is screen.app._main.hive._alerts)
        await screen.press("r")
        await screen.gave(cmd.RestartBot(bot_id="BOT-003"))
        assert cmd.RestartBot(bot_id="BOT-001") not in hive.given


async def test_an_order_in_the_chat_goes_to_its_bot_whatever_is_marked() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        await screen.press("v", "tab")
        await screen.sees("Chat · BOT-002", "1 marked")
        await screen.press("s")
        await screen.gave(cmd.StopBot(bot_id="BOT-002"))
        assert cmd.StopBot(bot_id="BOT-001") not in hive.given
        assert "1 marked" in screen.text()


async def test_without_alerts_their_pane_says_so() -> None:
    async with shown(ScriptedHive()) as screen:
        await screen.sees("No alerts – all is well")


async def test_a_line_that_is_cut_ends_in_an_ellipsis() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        hive.alert("BOT-002", "x" * 300)
        await screen.sees("xxx…")


async def test_the_log_has_words_not_names_of_events() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        hive.record(ev.ProbeRecovered(at=0.0, bot_id="BOT-001", run=1))
        await screen.sees("probe ok")


@pytest.mark.parametrize(
    ("size", "tabs", "pane", "least"),
    [((60, 20), 2, "log", 16), ((60, 20), 3, "alerts", 16), ((80, 24), 3, "alerts", 7)],
)
async def test_a_pane_without_its_neighbour_takes_its_room(
    size: tuple[int, int], tabs: int, pane: str, least: int
) -> None:
    async with shown(three_bots(), size=size) as screen:
        await screen.press(*["tab"] * tabs)
        await screen.until(lambda: screen.app.screen.query_one(f"#{pane}").size.height >= least)


async def test_read_only_can_be_switched_while_it_runs() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        await screen.press("R")
        await screen.sees(" read-only ")
        await screen.press("s")
        await screen.sees("This console is read-only")
        assert not hive.given
        await screen.press("R", "s")
        await screen.gave(cmd.StopBot(bot_id="BOT-001"))


async def test_digits_jump_to_the_alerting_bots() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        hive.alert("BOT-002", "older")
        hive.alert("BOT-003", "newer")
        await screen.sees("older", "newer")
        await screen.press("2")
        await screen.sees("Chat · BOT-002")
        await screen.press("1")
        await screen.sees("Chat · BOT-003")


async def test_the_log_follows_until_one_goes_up() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        message = hive.ask("BOT-001", "count")
        hive.answer("BOT-001", message, *[f"line {number:03d}\n" for number in range(200)])
        await screen.sees("following", "output  line 199")
        screen.app._main.hive._log.focus()
        await screen.press("k")
        await screen.sees("G follows again")
        await screen.press("y")
        await screen.until(lambda: screen.app.clipboard.endswith("line 198"))
        hive.answer("BOT-001", message, *[f"more {number:03d}\n" for number in range(50)])
        await screen.until(lambda: len(screen.app._main.hive._log.lines) > 250)
        assert "output  more 049" not in screen.text()
        await screen.press("G")
        await screen.sees("output  more 049", "following")


async def test_the_log_keeps_the_newest_two_thousand_lines() -> None:
    hive = three_bots()
    async with shown(hive) as screen:
        message = hive.ask("BOT-001", "flood")
        hive.answer("BOT-001", message, "\n".join(f"line {number}" for number in range(5000)) + "\nend-of-flood\n")
        await screen.sees("end-of-flood")
        assert len(screen.app._main.hive._log.lines) == 2000


async def test_ascii_draws_with_ascii_only() -> None:
    hive = three_bots()
    hive.ask("BOT-001", "漢字 – done…")
    async with shown(hive, options=ConsoleOptions(ascii=True)) as screen:
        await screen.sees("BOT-001", "* busy")
        assert screen.text().isascii()
        for dialog in ("question_mark", "l", "K", "q"):
            await screen.press(dialog)
            assert screen.text().isascii()
            await screen.press("escape")


async def test_without_colours_the_cursor_is_reversed() -> None:
    async with shown(three_bots()) as screen:
        screen.app.no_color = True
        table = screen.app._main.hive._bots.table
        table.notify_style_update()
        assert table.inks.style(Ink.TEXT, Ground.CURSOR).reverse


async def test_only_rows_that_changed_are_drawn_again() -> None:
    hive = ScriptedHive()
    hive.run(*[f"BOT-{number:03d}" for number in range(1, 21)])
    async with shown(hive) as screen:
        table = screen.app._main.hive._bots.table
        await screen.until(lambda: len(table._drawn) > 20)
        drawn = list(table._drawn)
        hive.ask("BOT-001", "work")
        await screen.until(lambda: any("work" in str(line.rest) for line in table._drawn))
        changed = [y for y, (old, new) in enumerate(zip(drawn, table._drawn, strict=True)) if old != new]
        assert changed == [1]


async def test_text_in_the_chat_can_be_selected_with_the_mouse_and_copied() -> None:
    hive = three_bots()
    hive.answer("BOT-001", hive.ask("BOT-001", "question"), "alpha beta\ngamma delta\n")
    async with shown(hive) as screen:
        await screen.sees("gamma delta")
        view = screen.app._main.hive._chat.view
        first = next(y for y in range(view.total()) if "alpha" in view.text_of(y))
        await screen.pilot.mouse_down(view, offset=(2 + 6, 1 + first))
        await screen.pilot.hover(view, offset=(2 + 4, 1 + first + 1))
        await screen.pilot.mouse_up(view, offset=(2 + 5, 1 + first + 1))
        view.focus()
        await screen.press("y")
        await screen.until(lambda: screen.app.clipboard == "beta\ngamma")
