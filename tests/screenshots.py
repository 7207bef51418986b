"""Takes the pictures in `screenshots/`: the real console on the real demo. `make screenshots`."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from deia_tui import __version__
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.state import HiveState
from deia_tui.demo.hive import converse, temporary_hive
from deia_tui.hive.hive import Hive
from deia_tui.hive.lock import HiveLock
from deia_tui.hive.thread import HiveThread
from deia_tui.main import supervise
from deia_tui.settings import load
from deia_tui.ui.app import ConsoleApp, ConsoleOptions, Leaving

FOLDER = Path(__file__).parent.parent / "screenshots"
LARGE, SMALL = (190, 46), (80, 24)
PATIENCE_S = 60.0


async def pictures() -> None:
    with temporary_hive() as folder, HiveLock(folder, "console"):

        async def supervise_here(present: Callable[[Hive], None]) -> None:
            hive = Hive(folder, lambda: load(folder), mode="console", version=__version__)
            present(hive)
            await supervise(hive, folder, company=converse)

        thread = HiveThread(supervise_here)
        app = ConsoleApp(thread, options=ConsoleOptions(throwaway=True), on_shown=thread.start)
        async with app.run_test(size=LARGE) as pilot:
            await until(thread, backing_off)
            await go_to(pilot, thread, "WORKER")
            await until(thread, lambda state: state.bots["WORKER"].message_id is not None)
            await asyncio.sleep(1.5)
            picture(app, "backoff")
            await until(thread, in_trouble)
            await go_to(pilot, thread, "SLOW")
            await asyncio.sleep(6)
            picture(app, "console")
            await pilot.press("l")
            await asyncio.sleep(1)
            picture(app, "launch")
            await pilot.press("escape")
            await pilot.press("question_mark")
            await asyncio.sleep(1)
            picture(app, "help")
            await pilot.press("escape")
            await pilot.resize_terminal(*SMALL)
            await asyncio.sleep(2)
            picture(app, "small")
            app.exit(Leaving.STOP)
        await asyncio.to_thread(thread.close, leave_bots=False)


def backing_off(state: HiveState) -> bool:
    return any(bot.state is BotState.BACKOFF and (bot.due_at or 0) - time.time() > 1.5 for bot in state.bots.values())


def in_trouble(state: HiveState) -> bool:
    """Fatal, runaway and an open breaker at once."""
    kinds = {alert.kind for alert in state.alerts if alert.cleared_at is None}
    return {"fatal", "memory", "breaker"} <= kinds and state.bots["FLAKY"].breaker is Phase.OPEN


async def until(thread: HiveThread, reached: Callable[[HiveState], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached(thread.snapshot().state):
        if time.monotonic() > deadline:
            raise SystemExit("The demo did not get that far: is the machine very busy?")
        await asyncio.sleep(0.05)


async def go_to(pilot: Pilot[Leaving], thread: HiveThread, bot_id: str) -> None:
    """Select a bot as an operator would: filter for it, then show all again."""
    await pilot.press("slash", *bot_id.lower(), "enter")
    await asyncio.sleep(0.5)
    await pilot.press("escape")
    await asyncio.sleep(0.5)


def picture(app: ConsoleApp, name: str) -> None:
    svg = app.export_screenshot(title="deia-tui")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))
    print(f"screenshots/{name}.svg")


if __name__ == "__main__":
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    os.environ.pop("NO_COLOR", None)
    asyncio.run(pictures())
