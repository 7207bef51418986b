"""A real hive in a temporary folder: its host, its bots and its database, supervised by the test's own event loop."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from deia_tui.core import events as ev
from deia_tui.core.commands import SendMessage
from deia_tui.core.state import BotView, HiveState
from deia_tui.folder import Folder
from deia_tui.hive.hive import Hive
from deia_tui.identity import wait_for_end
from deia_tui.settings import load

QUICK = """
[restart]
backoff_base_s = 0.05
backoff_max_s = 0.1
"""
COOLS_SOON = """
[breaker]
cooldown_s = 0.3
"""
STOPS_SOON = """
[process]
work_grace_s = 0.1
"""
PROBED_OFTEN = """
[liveness]
period_s = 0.2
timeout_s = 0.3
"""
"""Only for tests of the probe: on a busy machine a healthy bot may take longer."""


class HiveInTest:
    """Opens and closes supervisors on one folder, and waits for what should happen."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        self.folder.create()
        self.configure("")
        self.hive: Hive | None = None
        self.host_pid: int | None = None
        self.bots_left = False

    def configure(self, toml: str) -> None:
        quick = {"[restart]": QUICK, "[process]": STOPS_SOON, "[breaker]": COOLS_SOON}
        self.folder.hive_toml.write_text("".join(more for table, more in quick.items() if table not in toml) + toml)

    @contextlib.asynccontextmanager
    async def supervised(self, *, leave_bots: bool = False) -> AsyncIterator[Hive]:
        hive = Hive(self.folder, lambda: load(self.folder), mode="serve", version="test")
        async with hive.open():
            self.hive = hive
            try:
                yield hive
            finally:
                self.hive = None
                self.host_pid = hive.snapshot().state.host_pid
                self.bots_left = leave_bots
                hive.close(leave_bots)

    @property
    def state(self) -> HiveState:
        assert self.hive is not None
        return self.hive.snapshot().state

    def bot(self, bot_id: str = "BOT-001") -> BotView:
        return self.state.bots[bot_id]

    def log(self, name: str) -> list[dict[str, Any]]:
        """The rows of a hive-wide log."""
        path = self.folder.logs / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def until(self, reached: Callable[[], object], *, timeout_s: float = 20.0) -> None:
        """Wait for something that will be true; fails with the state of the bots."""
        deadline = time.monotonic() + timeout_s
        while not reached():
            assert time.monotonic() < deadline, f"never reached; bots: {dict(self.state.bots)}"
            await asyncio.sleep(0.005)

    async def ask(self, bot_id: str, text: str) -> tuple[str, ev.TurnEnded]:
        """Send a message and wait for its answer."""
        assert self.hive is not None
        after = self.hive.snapshot().seq
        [message_id] = await self.hive.submit(SendMessage(bot_id=bot_id, text=text))
        return await self.answer(bot_id, message_id, after)

    async def answer(self, bot_id: str, message_id: str, after: int = 0) -> tuple[str, ev.TurnEnded]:
        assert self.hive is not None
        deadline = time.monotonic() + 20
        while True:
            events = [entry.event for entry in await self.hive.events(bot_id=bot_id, after=after, limit=5000)]
            for event in events:
                if isinstance(event, ev.TurnEnded) and event.message_id == message_id:
                    pieces = [e.text for e in events if isinstance(e, ev.OutputAdded) and e.message_id == message_id]
                    return "".join(pieces), event
            assert time.monotonic() < deadline, f"no answer: {events}"
            await asyncio.sleep(0.01)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[HiveInTest]:
    lab = HiveInTest(tmp_path)
    yield lab
    if lab.bots_left:
        async with lab.supervised():
            pass
    if lab.host_pid is not None:
        assert await asyncio.to_thread(wait_for_end, lab.host_pid), "the host outlives its hive"
