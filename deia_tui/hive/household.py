"""The parts of a hive from its opening to its end: put together of what the store remembers, at work meanwhile, and
left so that the next supervisor finds everything."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from sqlite3 import sqlite_version
from types import MappingProxyType
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.errors import StoreError
from deia_tui.core.state import HiveState, Snapshot
from deia_tui.engine.local import LocalEngine
from deia_tui.engine.protocol import Ended, EngineEvent, NodeFound, NodeLost, NotPlaced, Placed, Sampled
from deia_tui.folder import Folder
from deia_tui.hive import launching
from deia_tui.hive.accounts import Accounts
from deia_tui.hive.bell import Bell
from deia_tui.hive.chores import Chores
from deia_tui.hive.clock import Clock
from deia_tui.hive.declarations import Declarations
from deia_tui.hive.guard import guard
from deia_tui.hive.hosts import Hosts
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.lock import HiveLock
from deia_tui.hive.monitor import Monitor
from deia_tui.hive.providers import Providers
from deia_tui.hive.record import Record
from deia_tui.hive.recruiter import Recruiter
from deia_tui.hive.roster import Roster
from deia_tui.hive.scribe import Scribe
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.takeover import machine_restarted, take_over
from deia_tui.hive.upkeep import Upkeep
from deia_tui.hive.work.work import Work
from deia_tui.hive.worktrees import Worktrees
from deia_tui.store.queries import Loaded
from deia_tui.store.store import Store

Mode = Literal["console", "background", "serve"]
STARTS_PER_CORE = 2


class Departure:
    """The end of a supervisor: whether somebody asked for it, why, and whether its bots live on."""

    def __init__(self) -> None:
        self.leave_bots = True
        self.reason = ""
        self._asked = asyncio.Event()

    def ask(self, *, leave_bots: bool, reason: str) -> None:
        self.leave_bots = leave_bots
        self.reason = reason
        self._asked.set()

    async def asked(self) -> None:
        """Until somebody asked."""
        await self._asked.wait()


class Household:
    """Its parts are there once it is being opened, and may be used once it `is_open`: then every bot has its keeper."""

    store: Store
    around: Surroundings
    roster: Roster
    recruiter: Recruiter
    work: Work

    def __init__(
        self,
        folder: Folder,
        declarations: Declarations,
        *,
        mode: Mode,
        version: str,
        lock: HiveLock | None,
        publish: Callable[[Snapshot], None],
    ) -> None:
        self.is_open = False
        self.departure = Departure()
        self._folder = folder
        self._declarations = declarations
        self._settings = declarations.settings
        self._mode = mode
        self._version = version
        self._lock = lock
        self._publish = publish
        self._clock = Clock()
        self._early: list[EngineEvent] = []

    @property
    def record(self) -> Record:
        return self.around.record

    def unopened(self) -> HiveState:
        """What is known of the hive before its store is read."""
        return HiveState(name=self._settings.hive.name, folder=str(self._folder.root), mode=self._mode)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """At work while the context is entered."""
        process = self._settings.process
        self._engine = LocalEngine(self._folder, ports=(process.first_port, process.last_port))
        still_ours = self._lock.still_held if self._lock is not None else lambda: True
        self.store = await Store.open(self._folder, still_ours=still_ours)
        try:
            loaded = await self.store.load()
            self.around = self._surroundings(loaded)
            self.roster = Roster(self.around)
            self.recruiter = Recruiter(self._declarations, self.record, self.roster)
            self._hosts = Hosts(self.around, self.roster, self._monitor, self.scribe)
            found = await self._engine.open(self._listen)
            chores = Chores(self.record)
            for work in (self._clock.beat, self._guard_lock, self._hosts.attend, self.scribe.keep_files):
                chores.begin(work.__qualname__, work)
            open_work = await self.store.open_work()
            self.scribe.metrics.know(open_work.tasks)
            self.work = Work(self.around, self.roster, self.recruiter, self.store, open_work)
            for tended in (self._upkeep, self.around.providers, self.around.accounts):
                chores.begin(f"{type(tended).__name__}.tend", tended.tend)
            try:
                await self._begin(loaded, found)
                await self.work.begin(chores)
                yield
            finally:
                await self._end(chores)
        finally:
            await self.store.close()

    def lose_console(self, reason: str) -> None:
        """The screen is gone: supervise on in the background."""
        self._mode = "background"
        if self._lock is not None:
            self._lock.say(self._mode)
        if self.is_open:
            self._telling = asyncio.create_task(self.record.insist(ev.ConsoleLost(at=time.time(), reason=reason)))

    def _surroundings(self, loaded: Loaded) -> Surroundings:
        state = HiveState(
            name=self._settings.hive.name,
            folder=str(self._folder.root),
            pid=os.getpid(),
            mode=self._mode,
            bots=loaded.bots,
            alerts=loaded.alerts,
            approvals=loaded.approvals,
            pauses=MappingProxyType(dict(loaded.pauses)),
        )
        snapshot = Snapshot(seq=loaded.seq, state=state)
        record = Record(self.store, snapshot, next_alert_id=loaded.next_alert_id, publish=self._publish)
        self._monitor = Monitor(record, self._settings)
        self.scribe = Scribe(self._folder, self.store, record, registry_version=loaded.registry_version)
        self._upkeep = Upkeep(self._folder, self.store, record, self._settings)
        record.listen(self.scribe.note)
        worktrees = Worktrees(self._folder, launching.agent_environment(os.environ), record.alert)
        slots = STARTS_PER_CORE * (os.cpu_count() or 1)
        bell = Bell()
        return Surroundings(
            folder=self._folder,
            settings=self._settings,
            record=record,
            engine=self._engine,
            launcher=Launcher(self._engine, worktrees, slots=slots, listen=self._listen),
            worktrees=worktrees,
            env_of=self._declarations.env_of,
            clock=self._clock,
            bell=bell,
            providers=Providers(record, self._clock, bell, loaded.pauses),
            accounts=Accounts(self._folder, record),
        )

    async def _begin(self, loaded: Loaded, found: NodeFound) -> None:
        await self.scribe.catch_up()
        at = time.time()
        await self.record.add(
            ev.HiveOpened(at=at, pid=os.getpid(), mode=self._mode, version=self._version, sqlite=sqlite_version),
            ev.HostStarted(at=at, pid=found.pid),
        )
        await take_over(self.roster, self.around, self.store, loaded, found)
        self.is_open = True
        for event in self._early:
            self._listen(event)
        await self.recruiter.begin(rebooted=machine_restarted(loaded))

    async def _end(self, chores: Chores) -> None:
        self.work.end()
        leave_bots = self.departure.leave_bots
        if not leave_bots:
            await self.roster.stop_for_good()
        await self.roster.leave()
        await self.around.launcher.close()
        await chores.end()
        live = leave_bots and bool(self.roster.with_process())
        if self._lock is None or self._lock.still_held():  # otherwise the store has another writer by now
            reason = self.departure.reason or ("bots left" if live else "no bot runs")
            with contextlib.suppress(StoreError):  # what cannot be stored must not keep anybody from leaving
                await self.record.add(ev.HiveClosed(at=time.time(), reason=reason))
        await self._engine.close(retire=not live)
        await self.scribe.close()

    def _listen(self, event: EngineEvent) -> None:
        """To what the engine says."""
        if not self.is_open:  # not every bot has its keeper yet
            self._early.append(event)
            return
        match event:
            case Placed() | NotPlaced() | Ended():
                keeper = self.roster.find(event.bot_id)
                if keeper is not None:
                    keeper.put(event)
            case Sampled() | NodeLost() | NodeFound():
                self._hosts.put(event)

    async def _guard_lock(self) -> None:
        if self._lock is not None:
            reason = await guard(self._lock, self.record)
            self.departure.ask(leave_bots=True, reason=reason)
