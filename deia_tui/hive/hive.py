"""The supervisor: keepers of bots, the record of what happened, and four ways to deal with it (open, submit, snapshot,
subscribe) beside the read queries. It decides nothing about a bot; its keeper does."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from sqlite3 import sqlite_version
from types import MappingProxyType
from typing import Literal, Self, assert_never

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.alerts import PAUSED, Clear, Raise
from deia_tui.core.bots import OFF, WITH_ALL, BotSpec, BotState
from deia_tui.core.client import ChatTurn, Launchable, Recorded, TaskDetail
from deia_tui.core.costs import Cost
from deia_tui.core.errors import BotUnreachable, CommandRejected, StoreError
from deia_tui.core.letters import Letter
from deia_tui.core.state import HiveState, Snapshot
from deia_tui.core.tasks import Task, TaskState
from deia_tui.engine.local import LocalEngine
from deia_tui.engine.protocol import (
    Ended,
    EngineEvent,
    NodeFound,
    NodeLost,
    NotPlaced,
    Placed,
    Sampled,
)
from deia_tui.folder import Folder
from deia_tui.hive import launching
from deia_tui.hive.accounts import Accounts
from deia_tui.hive.bell import Bell
from deia_tui.hive.chores import Chores
from deia_tui.hive.clock import Clock
from deia_tui.hive.guard import guard
from deia_tui.hive.hosts import Hosts
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.lock import HiveLock
from deia_tui.hive.monitor import Monitor
from deia_tui.hive.providers import Providers
from deia_tui.hive.record import Record
from deia_tui.hive.roster import Roster
from deia_tui.hive.scribe import Scribe
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.takeover import machine_restarted, take_over
from deia_tui.hive.upkeep import Upkeep
from deia_tui.hive.work import Work
from deia_tui.hive.worktrees import Worktrees
from deia_tui.preflight import Preflight
from deia_tui.settings import Catalogue, agent_named
from deia_tui.store.queries import Loaded
from deia_tui.store.store import Store

Mode = Literal["console", "background", "serve"]
STARTS_PER_CORE = 2


class Hive:
    """A hive that nobody else supervises (hold its HiveLock). `catalogue` reads hive.toml and templates anew."""

    def __init__(
        self,
        folder: Folder,
        catalogue: Callable[[], Catalogue],
        *,
        mode: Mode,
        version: str,
        lock: HiveLock | None = None,
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._settings = catalogue().settings
        self._agents = self._settings.agents
        self._mode: Mode = mode
        self._version = version
        self._lock = lock
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._snapshot = Snapshot(state=HiveState(name=self._settings.hive.name, folder=str(folder.root), mode=mode))
        self._clock = Clock()
        self._preflight = Preflight()
        self._launching = asyncio.Lock()
        self._closing = asyncio.Event()
        self._opened = False
        self._early: list[EngineEvent] = []
        self._leave_bots = True
        self.closing_reason = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Supervise while the context is entered; bots live on afterwards unless `CloseHive` said otherwise."""
        process = self._settings.process
        self._engine = LocalEngine(self._folder, ports=(process.first_port, process.last_port))
        still_ours = self._lock.still_held if self._lock is not None else lambda: True
        self._store = await Store.open(self._folder, still_ours=still_ours)
        try:
            loaded = await self._store.load()
            self._around = self._surroundings(loaded)
            self._roster = Roster(self._around)
            self._hosts = Hosts(self._around, self._roster, self._monitor, self._scribe)
            found = await self._engine.open(self._listen)
            chores = Chores(self._record)
            for work in (self._clock.beat, self._guard_lock, self._hosts.attend, self._scribe.keep_files):
                chores.begin(work.__qualname__, work)
            self._work = Work(self._around, self._roster, self._store, await self._store.open_work())
            for tended in (self._upkeep, self._around.providers, self._around.accounts):
                chores.begin(f"{type(tended).__name__}.tend", tended.tend)
            try:
                await self._begin(loaded, found)
                yield self
            finally:
                await self._end(chores)
        finally:
            await self._store.close()

    async def submit(self, command: cmd.Command) -> cmd.Outcome:
        if not self._opened:
            raise CommandRejected("The supervisor is still starting: try again in a moment.", status=503)
        match command:
            case cmd.LaunchBots():
                return await self._launch(command)
            case cmd.StopBot(bot_id=bot_id, drain=drain):
                return await self._rest(bot_id, lc.Stop("drained" if drain else "stopped"))
            case cmd.KillBot(bot_id=bot_id):
                return await self._rest(bot_id, lc.Kill())
            case cmd.RestartBot(bot_id=bot_id):
                return await self._restart(bot_id)
            case cmd.StopAll(drain=drain):
                return await self._roster.stop_all(drain=drain)
            case cmd.InterruptBot(bot_id=bot_id):
                return await self._interrupt(bot_id)
            case cmd.SendMessage(bot_id=bot_id):
                return [await self._roster.get(bot_id).send(command)]
            case cmd.AnswerPermission():
                return await self._answer(command)
            case _ if isinstance(command, cmd.WorkCommand):
                return await self._work.submit(command)
            case cmd.ClearAlert(alert_id=alert_id):
                return await self._clear(alert_id)
            case cmd.CloseHive(leave_bots=leave_bots, reason=reason):
                self.close(leave_bots, reason)
                return []
            case _:
                assert_never(command)

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes = (*self._wakes, wake)

        def stop() -> None:
            self._wakes = tuple(other for other in self._wakes if other is not wake)

        return stop

    def close(self, leave_bots: bool | None = None, reason: str = "") -> None:
        """Ask for the end of the supervisor: `closed` returns. None leaves it to `on_term` what becomes of the bots."""
        self._leave_bots = self._settings.hive.on_term == "leave" if leave_bots is None else leave_bots
        self.closing_reason = reason
        self._closing.set()

    def lose_console(self, reason: str) -> None:
        """The screen is gone: supervise on in the background."""
        self._mode = "background"
        if self._lock is not None:
            self._lock.say(self._mode)
        if self._opened:
            self._telling = asyncio.create_task(self._record.insist(ev.ConsoleLost(at=time.time(), reason=reason)))

    async def closed(self) -> None:
        """Until somebody asked for the end of the supervisor."""
        await self._closing.wait()

    # Read queries

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> Sequence[ChatTurn]:
        return await self._store.chat(bot_id, before=before, limit=limit)

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> Sequence[Recorded]:
        return await self._store.events(bot_id=bot_id, after=after, limit=limit, newest=newest)

    def bearer(self, token: str) -> str | None:
        """The bot that has this token for the API; None for one of nobody that runs."""
        return self._roster.bearer(token)

    async def costs(self, *, since_day: str, bot_id: str | None = None) -> Sequence[Cost]:
        """What was used since a day (2026-01-31, UTC), that day included."""
        if bot_id is not None:
            self._roster.get(bot_id)
        return await self._store.costs(since_day=since_day, bot_id=bot_id)

    async def tasks(
        self, *, states: Collection[TaskState] = (), bot_id: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Task]:
        return await self._store.tasks(states=states, bot_id=bot_id, offset=offset, limit=limit)

    async def task(self, task_id: str) -> TaskDetail:
        return await self._work.task(task_id)

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Letter]:
        return await self._store.letters(bot_id=bot_id, partner=partner, offset=offset, limit=limit)

    async def launchables(self, *, look: bool = False) -> Sequence[Launchable]:
        catalogue = self._read_catalogue()
        agents = launching.agents(catalogue, self._around.env_of)
        ready = await asyncio.to_thread(self._preflight.look if look else self._preflight.known, agents)
        return launching.launchables(catalogue, ready, self._around.env_of, self._record.state.bots)

    # Opening and closing

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
        record = Record(self._store, snapshot, next_alert_id=loaded.next_alert_id, publish=self._publish)
        self._monitor = Monitor(record, self._settings)
        self._scribe = Scribe(self._folder, self._store, record, registry_version=loaded.registry_version)
        self._upkeep = Upkeep(self._folder, self._store, record, self._settings)
        record.listen(self._scribe.note)
        env = launching.agent_environment(os.environ)
        worktrees = Worktrees(self._folder, env, record.alert)
        slots = STARTS_PER_CORE * (os.cpu_count() or 1)
        launcher = Launcher(self._engine, worktrees, slots=slots, listen=self._listen)
        bell = Bell()
        return Surroundings(
            folder=self._folder,
            settings=self._settings,
            record=record,
            engine=self._engine,
            launcher=launcher,
            worktrees=worktrees,
            env_of=lambda name: launching.agent_environment(os.environ, agent_named(name, self._agents)),
            clock=self._clock,
            bell=bell,
            providers=Providers(record, self._clock, bell, loaded.pauses),
            accounts=Accounts(self._folder, record),
        )

    async def _begin(self, loaded: Loaded, found: NodeFound) -> None:
        await self._scribe.catch_up()
        at = time.time()
        await self._record.add(
            ev.HiveOpened(at=at, pid=os.getpid(), mode=self._mode, version=self._version, sqlite=sqlite_version),
            ev.HostStarted(at=at, pid=found.pid),
        )
        await take_over(self._roster, self._around, self._store, loaded, found)
        self._opened = True
        for event in self._early:
            self._listen(event)
        await self._tell_of_missing(bot.spec for bot in self._record.state.bots.values() if bot.state not in OFF)
        await self._autostart(rebooted=machine_restarted(loaded))

    async def _autostart(self, *, rebooted: bool) -> None:
        """What is declared so starts with the hive; a bot that was stopped alone stays off until the next reboot."""
        declared = self._read_catalogue()
        for bot_id, section in declared.settings.bots.items():
            view = self._record.state.bots.get(bot_id)
            due = view is None or (view.state is BotState.STOPPED and (rebooted or view.reason in WITH_ALL))
            if section.autostart and due:
                await self._launch(cmd.LaunchBots(what="", bot_id=bot_id, wait=False))

    async def _end(self, chores: Chores) -> None:
        if not self._leave_bots:
            await self._roster.stop_for_good()
        await self._roster.leave()
        await self._around.launcher.close()
        await chores.end()
        live = self._leave_bots and bool(self._roster.with_process())
        if self._lock is None or self._lock.still_held():  # otherwise the store has another writer by now
            reason = self.closing_reason or ("bots left" if live else "no bot runs")
            with contextlib.suppress(StoreError):  # what cannot be stored must not keep anybody from leaving
                await self._record.add(ev.HiveClosed(at=time.time(), reason=reason))
        await self._engine.close(retire=not live)
        await self._scribe.close()

    # Commands

    async def _launch(self, command: cmd.LaunchBots) -> cmd.Outcome:
        catalogue = self._read_catalogue()
        async with self._launching:  # the next plan must know of these bots
            specs = launching.plan(command, catalogue, self._record.state.bots, self._around.env_of)
            keepers = await self._roster.launch(specs)
        await self._tell_of_missing(specs)
        if command.wait:
            await asyncio.gather(*(self._roster.up(keeper) for keeper in keepers))
        return [spec.bot_id for spec in specs]

    async def _tell_of_missing(self, specs: Iterable[BotSpec]) -> None:
        """An agent that is to get a variable from a supervisor that does not have it runs without, but not silently."""
        for name in {spec.agent.name for spec in specs} & self._agents.keys():
            missing = launching.missing_variables(os.environ, self._agents[name])
            text = f"agent '{name}' gets no {', '.join(missing)}: not set where this supervisor was started"
            action = f"set it under [agents.{name}] env, or start the supervisor with it; then restart the bots"
            wish = Raise(None, f"env {name}", "warning", text, action) if missing else Clear(None, f"env {name}", "set")
            with contextlib.suppress(StoreError):
                await self._record.alert([wish])

    async def _restart(self, bot_id: str) -> cmd.Outcome:
        keeper = self._roster.get(bot_id)
        await keeper.wish(lc.Restart())
        await self._roster.up(keeper)
        return []

    async def _rest(self, bot_id: str, input: lc.Stop | lc.Kill) -> cmd.Outcome:
        await self._roster.rest(self._roster.get(bot_id), input)
        return []

    async def _interrupt(self, bot_id: str) -> cmd.Outcome:
        try:
            await self._roster.get(bot_id).interrupt()
        except BotUnreachable as error:
            raise CommandRejected(f"{bot_id} does not answer ({error}): K kills it.", status=504) from error
        return []

    async def _answer(self, command: cmd.AnswerPermission) -> cmd.Outcome:
        for approval in self._record.state.approvals:
            if approval.request.request_id == command.request_id:
                try:
                    await self._roster.get(approval.bot_id).answer(command)
                except BotUnreachable as error:
                    raise CommandRejected(f"{approval.bot_id} does not answer ({error}).", status=504) from error
                return []
        raise CommandRejected("This request is not open: it was answered, or its turn is over.", status=404)

    async def _clear(self, alert_id: int) -> cmd.Outcome:
        for alert in self._record.state.alerts:
            if alert.alert_id == alert_id and alert.cleared_at is None:
                cleared = ev.AlertCleared(
                    at=time.time(), alert_id=alert_id, bot_id=alert.bot_id, reason="cleared by hand"
                )
                await self._record.add(cleared)
                if alert.kind.startswith(PAUSED):
                    self._around.providers.lift(alert.kind.removeprefix(PAUSED))
                return []
        raise CommandRejected(f"There is no open alert {alert_id}.", status=404)

    # What the engine says

    def _listen(self, event: EngineEvent) -> None:
        if not self._opened:  # not every bot has its keeper yet
            self._early.append(event)
            return
        match event:
            case Placed() | NotPlaced() | Ended():
                keeper = self._roster.find(event.bot_id)
                if keeper is not None:
                    keeper.put(event)
            case Sampled() | NodeLost() | NodeFound():
                self._hosts.put(event)

    async def _guard_lock(self) -> None:
        if self._lock is not None:
            reason = await guard(self._lock, self._record)
            self.close(True, reason)

    @property
    def _record(self) -> Record:
        return self._around.record

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        for wake in self._wakes:
            wake()

    def _read_catalogue(self) -> Catalogue:
        """As its files are now; what agents get in their environment is as they were when last read.

        Bots of an agent that is gone from there live on, and start again with what it had.
        """
        found = launching.read(self._catalogue)
        self._agents = {**self._agents, **found.settings.agents}
        return found
