"""Writes down for other tools what was committed: log lines at once, registry and status board once a second."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import psutil

from deia_tui.core import projection
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.metrics import Metrics, Window
from deia_tui.core.metricsreport import DAY_S
from deia_tui.core.state import HiveState
from deia_tui.core.work.view import NO_WORK
from deia_tui.engine.protocol import Sampled
from deia_tui.folder import Folder
from deia_tui.hive.record import Record
from deia_tui.store import projections
from deia_tui.store.journal import Journal
from deia_tui.store.store import Store
from deia_tui.store.threads import in_thread

EVERY_S = 1.0
AT_LEAST_EVERY_S = 10.0
HEARTBEAT_S = 30.0
OWED = 400
"""Of so many of the newest events log lines may be missing after a kill; journals are milliseconds behind."""


class Scribe:
    """Trouble with the disk becomes an alert, and is told again when it is over."""

    def __init__(self, folder: Folder, store: Store, record: Record, *, registry_version: int) -> None:
        self._folder = folder
        self._store = store
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(
            folder, state=record.state, registry_version=registry_version, on_problem=self._complain
        )
        self._total_memory_mb = psutil.virtual_memory().total / 1e6
        self._complaints: set[asyncio.Task[None]] = set()
        self._failing = frozenset[str]()
        self._heartbeats: dict[str, tuple[dict[str, Any], float]] = {}
        """What each bot's file says, and when it was written (monotonic)."""

    async def catch_up(self) -> None:
        """Write what a supervisor that was killed had committed, but not told yet."""
        self._journal.catch_up(await self._store.events(limit=OWED, newest=True))

    def note(self, recorded: Sequence[Recorded]) -> None:
        self._journal.add(recorded)

    async def note_samples(self, sampled: Sampled) -> None:
        bots = self._record.state.bots
        windows = self._journal.add_samples(sampled.at, bots, sampled.bots, total_memory_mb=self._total_memory_mb)
        with contextlib.suppress(StoreError):  # telemetry may be lost; that the disk is full, state.db says
            await self._store.add_samples(sampled.at, sampled.bots)
            await self._store.add_windows(windows)

    @property
    def metrics(self) -> Metrics:
        return self._journal.metrics

    async def windows(self) -> list[Window]:
        """How the bots did in the last day, up to now."""
        now = time.time()
        return [*await self._store.windows(since=now - DAY_S), *self.metrics.current(now, self._record.state.bots)]

    async def keep_files(self) -> None:
        """Until cancelled: registry, status board and heartbeats, when something changed and at least so often."""
        written: HiveState | None = None
        written_at = 0.0
        while True:
            state = self._record.state
            if state is not written or time.monotonic() - written_at >= AT_LEAST_EVERY_S:
                await self._write_files()
                written, written_at = state, time.monotonic()
            await asyncio.sleep(EVERY_S)

    async def close(self) -> None:
        await self._write_files()
        await in_thread(lambda _: self._journal.close())

    async def _write_files(self) -> None:
        version = self._journal.registry_version
        heartbeats = self._due_heartbeats()
        try:
            await projections.write(self._folder, self._record.snapshot, registry_version=version, now=time.time())
            await projections.write_heartbeats(self._folder, heartbeats)
        except StoreError as error:
            await self._tell("snapshots", str(error))
        else:
            written_at = time.monotonic()
            self._heartbeats.update({bot_id: (content, written_at) for bot_id, content in heartbeats.items()})
            await self._tell("snapshots", "")

    def _due_heartbeats(self) -> dict[str, dict[str, Any]]:
        """Those that say something new, or were not written for a while."""
        snapshot, due = self._record.snapshot, time.monotonic() - HEARTBEAT_S + AT_LEAST_EVERY_S
        contents: dict[str, dict[str, Any]] = {}
        for bot in snapshot.state.bots.values():
            task_id = snapshot.work.bots.get(bot.bot_id, NO_WORK).running
            content = projection.heartbeat(bot, snapshot.state, task_id=task_id, now=time.time())
            former, written_at = self._heartbeats.get(bot.bot_id, (None, 0.0))
            if former is None or written_at < due or {**former, "last_heartbeat": content["last_heartbeat"]} != content:
                contents[bot.bot_id] = content
        return contents

    def _complain(self, sentence: str) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._begin_telling, sentence)

    def _begin_telling(self, sentence: str) -> None:
        task = self._loop.create_task(self._tell("journals", sentence))
        self._complaints.add(task)
        task.add_done_callback(self._complaints.discard)

    async def _tell(self, which: str, sentence: str) -> None:
        """What is wrong with these files, or "" that nothing is; one alert stands for all of them."""
        if bool(sentence) == (which in self._failing):
            return
        failing = self._failing | {which} if sentence else self._failing - {which}
        wanted = _disk(sentence) if sentence else Clear(None, "disk", "files can be written again")
        if (failing and not sentence) or await self._alert(wanted):
            self._failing = failing

    async def _alert(self, wanted: Raise | Clear) -> bool:
        """False when the store has the same trouble and cannot take it."""
        try:
            await self._record.alert([wanted])
        except StoreError:
            return False
        return True


def _disk(sentence: str) -> Raise:
    return Raise(None, "disk", "critical", sentence, "free space or mend the folder; lines are kept meanwhile")
