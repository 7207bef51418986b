"""Takes the pictures in `screenshots/`: the real console on the demo, with more bots. `make screenshots`."""

import asyncio
import itertools
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from deia_tui import __version__
from deia_tui.core.bots import Activity, BotState
from deia_tui.core.client import HiveClient
from deia_tui.core.commands import AddTask, LaunchBots, RestartBot, SendLetter, SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.core.state import HiveState
from deia_tui.demo.hive import CAST, converse, temporary_hive
from deia_tui.hive.hive import Hive
from deia_tui.hive.lock import HiveLock
from deia_tui.hive.thread import HiveThread
from deia_tui.main import supervise
from deia_tui.settings import load
from deia_tui.ui.app import ConsoleApp, ConsoleOptions, Leaving

FOLDER = Path(__file__).parent.parent / "screenshots"
LARGE, MEDIUM, SMALL = (190, 46), (110, 32), (80, 24)
PATIENCE_S = 600.0
REVIEWING_S = (1.7, 4.0)
"""So long after it was asked for a review CODER uses tools."""
HISTORY_S = 60.0
ENOUGH = 15
CROWD = (
    "mend the retry of payments",
    "review the new search",
    "mend the clock of the audit log",
    "tidy up after the release",
    "review the change of the parser",
    "mend the export to CSV",
    "review the limits of uploads",
    "tidy up the branches that are merged",
    "mend the sorting of orders",
    "review the retention of logs",
)
"""What the other bots are asked, each again and again."""
TASKS = tuple(text for text in CROWD if not text.startswith("tidy"))
"""What needs no leave."""
LETTERS = (
    "The parser is done: take the branch parse-2.",
    "Which clock do the tests use? I would pass it in.",
    "Please review tests/login before the release.",
    "Wall time. I change it now.",
    "The export has a column too many since yesterday.",
    "Thank you, all is green here.",
)


async def pictures() -> None:
    with temporary_hive() as folder, HiveLock(folder, "console"):

        async def supervise_here(present: Callable[[Hive], None]) -> None:
            hive = Hive(folder, lambda: load(folder), mode="console", version=__version__)
            present(hive)
            await supervise(hive, folder, company=with_more)

        thread = HiveThread(supervise_here)
        app = ConsoleApp(thread, options=ConsoleOptions(throwaway=True), on_shown=thread.start)
        async with app.run_test(size=LARGE) as pilot:
            await until(thread, lambda state: len(state.bots) > len(CROWD) + len(CAST))
            await go_to(pilot, "CODER")
            await until(thread, EverythingAtOnce())
            await asyncio.sleep(0.5)
            picture(app, "console")
            for key, name in (("w", "work"), ("m", "messages")):
                await pilot.press(key)
                await asyncio.sleep(2)
                picture(app, name)
            await pilot.press("h")
            await pilot.press("question_mark")
            await asyncio.sleep(1)
            picture(app, "help")
            await pilot.press("escape")
            await pilot.resize_terminal(*MEDIUM)
            await pilot.press("p")
            await asyncio.sleep(1)
            picture(app, "requests")
            await pilot.press("escape")
            await pilot.resize_terminal(*SMALL)
            await pilot.press("g")
            await asyncio.sleep(1)
            picture(app, "small")
            app.exit(Leaving.STOP)
        await asyncio.to_thread(thread.close, leave_bots=False)


async def with_more(client: HiveClient) -> None:
    """The demo, and a bot for everything in CROWD."""
    bot_ids = await client.submit(LaunchBots(what="acp", count=len(CROWD)))
    asking = map(partial(keep_asking, client), bot_ids, CROWD)
    writing = (keep_working(client, bot_ids), keep_writing(client, bot_ids))
    await asyncio.gather(converse(client), keep_crashing(client), *asking, *writing)


async def keep_working(client: HiveClient, bot_ids: Sequence[str]) -> None:
    """So much that some always waits, beside the work of the demo."""
    for place in itertools.count():
        text, to = TASKS[place % len(TASKS)], bot_ids[place % 5]
        with suppress(CommandRejected):  # too much waits for that bot already
            await client.submit(AddTask(text=text, to=to, priority=(1, 2, 2, 3)[place % 4], sender="ann"))
        while client.snapshot().work.waiting > ENOUGH:
            await asyncio.sleep(0.5)


async def keep_writing(client: HiveClient, bot_ids: Sequence[str]) -> None:
    for place in itertools.count():
        from_bot, to_bot = bot_ids[place % 3], bot_ids[(place * 2 + 1) % 4]
        if from_bot != to_bot:
            text = LETTERS[place % len(LETTERS)]
            await client.submit(SendLetter(from_bot=from_bot, to_bot=to_bot, text=text))
        await asyncio.sleep(12)


async def keep_crashing(client: HiveClient) -> None:
    """Start it again whenever CODER begins, so that it is in backoff when CODER is in the middle of its work."""
    last: str | None = None
    while True:
        coder = client.snapshot().state.bots["CODER"]
        if coder.message_id != last and coder.message_id:
            await client.submit(RestartBot(bot_id="CRASHER"))
        last = coder.message_id
        await asyncio.sleep(0.2)


async def keep_asking(client: HiveClient, bot_id: str, text: str) -> None:
    while True:
        bot = client.snapshot().state.bots[bot_id]
        if bot.state is BotState.RUNNING and bot.activity is Activity.IDLE and not bot.queued:
            await asyncio.sleep(random.uniform(0, 4))
            await client.submit(SendMessage(bot_id=bot_id, text=text, sender="demo"))
        await asyncio.sleep(1)


async def until(thread: HiveThread, reached: Callable[[HiveState], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached(thread.snapshot().state):
        if time.monotonic() > deadline:
            raise SystemExit("The demo did not get that far: is the machine very busy?")
        await asyncio.sleep(0.05)


class EverythingAtOnce:
    """A crashed bot in backoff, a runaway, an open breaker, requests, and an agent that uses tools."""

    def __init__(self) -> None:
        self._asked, self._asked_at = "", 0.0

    def __call__(self, state: HiveState) -> bool:
        coder = state.bots["CODER"]
        if coder.message_id and coder.message_id != self._asked:
            self._asked, self._asked_at = coder.message_id, time.monotonic()
        first_s, last_s = REVIEWING_S
        is_using = coder.task.startswith("review") and first_s < time.monotonic() - self._asked_at < last_s
        return is_using and in_trouble(state)


def in_trouble(state: HiveState) -> bool:
    kinds = {alert.kind for alert in state.alerts if alert.cleared_at is None}
    is_backing_off = (state.bots["CRASHER"].due_at or 0) - time.time() > 1
    lasts_s = time.time() - state.bots["SLOW"].since
    return is_backing_off and {"memory", "breaker"} <= kinds and len(state.approvals) > 1 and lasts_s > HISTORY_S


async def go_to(pilot: Pilot[Leaving], bot_id: str) -> None:
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
