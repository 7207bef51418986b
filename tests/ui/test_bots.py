"""The table of bots: order, cursor, filter, marks, words for empty states."""

import time

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.state import Series, Telemetry
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def gave_up(hive: ScriptedHive, bot_id: str) -> None:
    hive.record(ev.BotGaveUp(at=time.time(), bot_id=bot_id, reason="6 exits in 600 s"))


def order(screen: Screen) -> list[str]:
    return list(screen.app._main.hive._bots.table.keys)


def cursor(screen: Screen) -> str | None:
    return screen.app._main.hive._bots.table.cursor


async def test_an_empty_hive_says_what_to_do() -> None:
    async with shown(ScriptedHive()) as screen:
        await screen.sees("No bots yet – press l to launch one")


async def test_before_the_supervisor_it_says_that_it_starts() -> None:
    hive = ScriptedHive(opened=False)
    async with shown(hive) as screen:
        await screen.sees("starting…")
        hive.open()
        await screen.sees("No bots yet")


async def test_bots_that_need_attention_come_first() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002", "BOT-003")
    hive.ask("BOT-002", "work")
    gave_up(hive, "BOT-003")
    async with shown(hive) as screen:
        await screen.until(lambda: order(screen) == ["BOT-003", "BOT-002", "BOT-001"])
        assert "✖ fatal" in screen.line("6 exits in 600 s")
        assert "● busy" in screen.line("  BOT-002") or "● busy" in screen.line("BOT-002")


async def test_the_cursor_follows_its_bot_when_the_order_changes() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002", "BOT-003")
    async with shown(hive) as screen:
        await screen.press("j")
        assert cursor(screen) == "BOT-002"
        gave_up(hive, "BOT-003")
        await screen.until(lambda: order(screen)[0] == "BOT-003")
        assert cursor(screen) == "BOT-002"
        await screen.sees("Chat · BOT-002", "Log · BOT-002")


async def test_the_keys_people_know_move_the_cursor() -> None:
    hive = ScriptedHive()
    hive.run(*[f"BOT-{number:03d}" for number in range(1, 101)])
    async with shown(hive) as screen:
        await screen.press("G")
        assert cursor(screen) == "BOT-100"
        await screen.sees("BOT-100")
        await screen.press("k", "up")
        assert cursor(screen) == "BOT-098"
        await screen.press("g")
        assert cursor(screen) == "BOT-001"
        await screen.press("pagedown", "pageup")
        assert cursor(screen) == "BOT-001"


async def test_a_filter_narrows_the_list_while_it_is_typed() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002")
    hive.run("WORKER-1", template="worker")
    hive.ask("BOT-002", "fix login")
    async with shown(hive) as screen:
        await screen.press("slash")
        await screen.write("worker")
        await screen.until(lambda: order(screen) == ["WORKER-1"])
        await screen.sees("1 of 3 shown")
        await screen.press("escape")
        await screen.until(lambda: len(order(screen)) == 3)
        await screen.press("slash")
        await screen.write("busy login")
        await screen.until(lambda: order(screen) == ["BOT-002"])
        await screen.press("enter", "escape")
        await screen.until(lambda: len(order(screen)) == 3)


async def test_a_filter_without_a_match_says_so() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    async with shown(hive) as screen:
        await screen.press("slash")
        await screen.write("nobody")
        await screen.sees("No bot has these words")


async def test_one_key_for_all_marked_bots() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002", "BOT-003")
    async with shown(hive) as screen:
        await screen.press("v", "v")
        await screen.sees("2 marked")
        await screen.press("s")
        await screen.gave(cmd.StopBot(bot_id="BOT-001"))
        await screen.gave(cmd.StopBot(bot_id="BOT-002"))
        assert cmd.StopBot(bot_id="BOT-003") not in hive.given
        await screen.misses("2 marked")


async def test_escape_takes_the_marks_away() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002")
    async with shown(hive) as screen:
        await screen.press("v", "v")
        await screen.sees("2 marked")
        await screen.press("escape")
        await screen.misses("2 marked")


async def test_a_refused_order_is_said_in_a_sentence() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    async with shown(hive) as screen:
        await screen.press("s")
        await screen.gave(cmd.StopBot(bot_id="BOT-001"))
        await screen.sees("stopped")
        await screen.press("i")
        await screen.sees("BOT-001 does not run.")


async def test_cpu_and_memory_appear_within_the_second() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    async with shown(hive) as screen:
        series = Series(cpu=(10.0, 50.0, 87.0), memory_mb=(250.0,) * 10)
        hive.measure(Telemetry(taken=1, bots={"BOT-001": series}, cpu_percent=12, memory_percent=34))
        await screen.sees("▂▅▇  87 ", " 250", "cpu 12 %", "mem 34 %")


async def test_freezing_holds_the_view_and_not_the_work() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    async with shown(hive) as screen:
        await screen.press("space")
        await screen.sees("FROZEN")
        hive.run("BOT-002")
        await screen.until(lambda: screen.app.shown.seq == hive.snapshot().seq)
        assert order(screen) == ["BOT-001"]
        await screen.press("space")
        await screen.until(lambda: order(screen) == ["BOT-001", "BOT-002"])
        await screen.misses("FROZEN")
