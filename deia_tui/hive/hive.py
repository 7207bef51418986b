"""The supervisor: keepers of bots, the record of what happened, and four ways to deal with it (open, submit, snapshot,
subscribe) beside the read queries. It decides nothing about a bot; its keeper does."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Literal, Self, assert_never

import httpx

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotSpec, BotState, ExitRecord
from deia_tui.core.client import ChatTurn, Launchable, Recorded
from deia_tui.core.errors import BotUnreachable, CommandRejected, StoreError
from deia_tui.core.state import BotView, HiveState, Snapshot
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
from deia_tui.hive.keeper import Keeper, Surroundings
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.leavings import forget_run
from deia_tui.hive.monitor import Monitor
from deia_tui.hive.record import Record
from deia_tui.hive.restore import breaker_of, life_of
from deia_tui.hive.scribe import Scribe
from deia_tui.settings import Catalogue
from deia_tui.store.queries import Loaded
from deia_tui.store.store import Store

Mode = Literal["console", "background", "serve"]
STARTS_PER_CORE = 2
STOP_SLACK_S = 5.0
"""How much longer than its grace period a bot may take to stop before the end of the supervisor kills it."""


class Hive:
    """A hive that nobody else supervises (hold its HiveLock). `catalogue` reads hive.toml and templates anew."""

    def __init__(self, folder: Folder, catalogue: Callable[[], Catalogue], *, mode: Mode, version: str) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._settings = catalogue().settings
        self._mode: Mode = mode
        self._version = version
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._snapshot = Snapshot(state=HiveState(name=self._settings.hive.name, folder=str(folder.root), mode=mode))
        self._keepers: dict[str, Keeper] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._launching = asyncio.Lock()
        self._closing = asyncio.Event()
        self._opened = False
        self._leave_bots = True

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Supervise while the context is entered; bots live on afterwards unless `CloseHive` said otherwise."""
        process = self._settings.process
        self._engine = LocalEngine(self._folder, ports=(process.first_port, process.last_port))
        self._store = await Store.open(self._folder)
        try:
            async with httpx.AsyncClient(limits=_NO_LIMITS, trust_env=False) as http:
                loaded = await self._store.load()
                self._around = self._surroundings(loaded, http)
                self._node: asyncio.Queue[NodeLost | NodeFound | Sampled] = asyncio.Queue()
                found = await self._engine.open(self._listen)
                chores = [
                    asyncio.create_task(self._attend(), name="engine"),
                    asyncio.create_task(self._scribe.keep_files(), name="scribe"),
                ]
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
            case cmd.StopBot(bot_id=bot_id):
                return await self._rest(bot_id, lc.Stop())
            case cmd.KillBot(bot_id=bot_id):
                return await self._rest(bot_id, lc.Kill())
            case cmd.RestartBot(bot_id=bot_id):
                return await self._restart(self._keeper(bot_id))
            case cmd.StopAll():
                return await self._stop_all()
            case cmd.InterruptBot(bot_id=bot_id):
                return await self._interrupt(bot_id)
            case cmd.SendMessage(bot_id=bot_id):
                return [await self._keeper(bot_id).send(command)]
            case cmd.ClearAlert(alert_id=alert_id):
                return await self._clear(alert_id)
            case cmd.CloseHive(leave_bots=leave_bots):
                self.close(leave_bots)
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

    def close(self, leave_bots: bool | None = None) -> None:
        """Ask for the end of the supervisor: `closed` returns. None leaves it to `on_term` what becomes of the bots."""
        self._leave_bots = self._settings.hive.on_term == "leave" if leave_bots is None else leave_bots
        self._closing.set()

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

    async def launchables(self) -> Sequence[Launchable]:
        return launching.launchables(self._read_catalogue(), self._around.env)

    # Opening and closing

    def _surroundings(self, loaded: Loaded, http: httpx.AsyncClient) -> Surroundings:
        state = HiveState(
            name=self._settings.hive.name,
            folder=str(self._folder.root),
            pid=os.getpid(),
            mode=self._mode,
            bots=loaded.bots,
            alerts=loaded.alerts,
        )
        snapshot = Snapshot(seq=loaded.seq, state=state)
        record = Record(self._store, snapshot, next_alert_id=loaded.next_alert_id, publish=self._publish)
        self._monitor = Monitor(record, self._settings)
        self._scribe = Scribe(self._folder, self._store, record, registry_version=loaded.registry_version)
        record.listen(self._scribe.note)
        return Surroundings(
            folder=self._folder,
            settings=self._settings,
            record=record,
            engine=self._engine,
            launcher=Launcher(self._engine, slots=STARTS_PER_CORE * (os.cpu_count() or 1)),
            http=http,
            env=launching.agent_environment(os.environ),
        )

    async def _begin(self, loaded: Loaded, found: NodeFound) -> None:
        at = time.time()
        await self._record.add(
            ev.HiveOpened(at=at, pid=os.getpid(), mode=self._mode, version=self._version),
            ev.HostStarted(at=at, pid=found.pid),
        )
        live = {placed.bot_id: placed for placed in found.runs}
        ended = {(end.bot_id, end.run): end for end in found.ended}
        for view in loaded.bots.values():
            await self._restore(view, loaded, live.pop(view.bot_id, None), ended.pop((view.bot_id, view.run), None))
        for stranger in live.values():
            self._engine.kill(stranger.bot_id, stranger.run)
        for end in ended.values():
            forget_run(self._folder, self._engine, end.bot_id, end.run)
        self._opened = True
        await self._autostart()

    async def _restore(self, view: BotView, loaded: Loaded, placed: Placed | None, ended: Ended | None) -> None:
        """Take up a bot where the former supervisor left it."""
        policy = self._settings.life_policy(view.spec)
        life = life_of(view, policy, loaded.exits.get(view.bot_id, ()))
        last = loaded.runs.get(view.bot_id)
        keeper = Keeper(
            view.spec,
            life,
            self._around,
            breaker=breaker_of(view, self._settings.breaker_policy()),
            waiting=await self._store.pending(view.bot_id),
            in_hand=await self._store.open_messages(view.bot_id, view.run),
        )
        thought_live = isinstance(life.state, _WITH_PROCESS)
        if placed is not None and (placed.run != view.run or not thought_live):
            self._engine.kill(placed.bot_id, placed.run)
            placed = None
        if placed is not None:
            await self._record.add(
                ev.BotAdopted(
                    at=time.time(),
                    bot_id=view.bot_id,
                    run=placed.run,
                    pid=placed.pid,
                    start_ticks=placed.start_ticks,
                    port=placed.port,
                )
            )
            keeper.adopt(placed, after=last.last_seq if last is not None else 0)
        elif ended is not None:
            keeper.put(ended)
        elif thought_live:
            keeper.put(_unseen(view.bot_id, view.run))
        self._keep(keeper)
        if placed is not None and isinstance(life.state, lc.Stopping) and life.state.then != "policy":
            await keeper.wish(lc.Restart() if life.state.then == "restart" else lc.Stop())

    async def _autostart(self) -> None:
        declared = self._read_catalogue()
        for bot_id, section in declared.settings.bots.items():
            view = self._record.state.bots.get(bot_id)
            if section.autostart and (view is None or view.state in (BotState.STOPPED, BotState.EXITED)):
                await self._launch(cmd.LaunchBots(what="", bot_id=bot_id, wait=False))

    async def _end(self, chores: Sequence[asyncio.Task[None]]) -> None:
        if not self._leave_bots:
            await self._stop_for_good()
        await _cancel(self._keeping.values())
        await _cancel(chores)
        live = self._leave_bots and bool(self._with_process())
        with contextlib.suppress(StoreError):  # what cannot be stored must not keep anybody from leaving
            await self._record.add(ev.HiveClosed(at=time.time(), reason="bots left" if live else "no bot runs"))
        await self._engine.close(retire=not live)
        await self._scribe.close()

    async def _stop_for_good(self) -> None:
        """Stop what runs, and what was just being launched. What cannot be stopped on record, on a full disk, is killed
        all the same: the next supervisor learns of its end from the host."""
        keepers = self._keepers.values()
        patience_s = STOP_SLACK_S + max((keeper.life.policy.grace_period_s for keeper in keepers), default=0.0)
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(keeper.settled() for keeper in keepers))
                await self._stop_all()
        for keeper in self._with_process():
            self._engine.kill(keeper.bot_id, keeper.life.run)

    def _with_process(self) -> list[Keeper]:
        return [keeper for keeper in self._keepers.values() if isinstance(keeper.life.state, _WITH_PROCESS)]

    # Commands

    async def _launch(self, command: cmd.LaunchBots) -> cmd.Outcome:
        catalogue = self._read_catalogue()
        async with self._launching:  # the next plan must know of these bots
            specs = launching.plan(command, catalogue, self._record.state.bots, self._around.env)
            keepers = [self._keepers.get(spec.bot_id) or self._new_keeper(spec) for spec in specs]
            await asyncio.gather(*(keeper.wish(lc.Launch(), spec) for keeper, spec in zip(keepers, specs, strict=True)))
        if command.wait:
            await asyncio.gather(*(self._up(keeper) for keeper in keepers))
        return [spec.bot_id for spec in specs]

    async def _restart(self, keeper: Keeper) -> cmd.Outcome:
        await keeper.wish(lc.Restart())
        await self._up(keeper)
        return []

    async def _up(self, keeper: Keeper) -> None:
        """Until it runs; raises CommandRejected when it does not come up."""
        life = await keeper.until(lambda life: not isinstance(life.state, lc.Starting | lc.Stopping))
        if not isinstance(life.state, lc.Running):
            view = self._record.state.bots[keeper.bot_id]
            reason = view.reason or str(view.exit or "it ended")
            raise CommandRejected(
                f"{keeper.bot_id} does not come up ({view.state}: {reason}): see 'deia-tui logs {keeper.bot_id}'.",
                status=500,
            )

    async def _rest(self, bot_id: str, input: lc.Stop | lc.Kill) -> cmd.Outcome:
        keeper = self._keeper(bot_id)
        await keeper.wish(input)
        await keeper.until(lambda life: not isinstance(life.state, lc.Stopping))
        return []

    async def _stop_all(self) -> cmd.Outcome:
        running = [bot_id for bot_id, keeper in self._keepers.items() if not isinstance(keeper.life.state, lc.Off)]
        answers = await asyncio.gather(*(self._rest(bot_id, lc.Stop()) for bot_id in running), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, CommandRejected):
                raise answer
        return running

    async def _interrupt(self, bot_id: str) -> cmd.Outcome:
        try:
            await self._keeper(bot_id).interrupt()
        except BotUnreachable as error:
            raise CommandRejected(f"{bot_id} does not answer ({error}): K kills it.", status=504) from error
        return []

    async def _clear(self, alert_id: int) -> cmd.Outcome:
        for alert in self._record.state.alerts:
            if alert.alert_id == alert_id and alert.cleared_at is None:
                cleared = ev.AlertCleared(
                    at=time.time(), alert_id=alert_id, bot_id=alert.bot_id, reason="cleared by hand"
                )
                await self._record.add(cleared)
                return []
        raise CommandRejected(f"There is no open alert {alert_id}.", status=404)

    # Keepers

    def _keeper(self, bot_id: str) -> Keeper:
        keeper = self._keepers.get(bot_id)
        if keeper is None:
            raise CommandRejected(launching.unknown_bot(bot_id, self._keepers), status=404)
        return keeper

    def _new_keeper(self, spec: BotSpec) -> Keeper:
        life = lc.Life(policy=self._settings.life_policy(spec))
        breaker = breaker_of(BotView(bot_id=spec.bot_id, spec=spec), self._settings.breaker_policy())
        keeper = Keeper(spec, life, self._around, breaker=breaker)
        self._keep(keeper)
        return keeper

    def _keep(self, keeper: Keeper) -> None:
        self._keepers[keeper.bot_id] = keeper
        self._keeping[keeper.bot_id] = asyncio.create_task(keeper.keep(), name=f"keeper {keeper.bot_id}")

    # What the engine says

    def _listen(self, event: EngineEvent) -> None:
        match event:
            case Placed() | NotPlaced() | Ended():
                keeper = self._keepers.get(event.bot_id)
                if keeper is not None:
                    keeper.put(event)
            case Sampled() | NodeLost() | NodeFound():
                self._node.put_nowait(event)

    async def _attend(self) -> None:
        while True:
            event = await self._node.get()
            match event:
                case Sampled():
                    with contextlib.suppress(StoreError):  # the next second says it again
                        await self._monitor.take(event)
                    await self._scribe.note_samples(event)
                case NodeLost(pid=pid, reason=reason):
                    await self._record.insist(ev.HostLost(at=time.time(), pid=pid, reason=reason))
                case NodeFound():
                    await self._meet(event)

    async def _meet(self, found: NodeFound) -> None:
        """A new host: what it does not know of has ended unseen; what the former could not tell, it tells now."""
        await self._record.insist(ev.HostStarted(at=time.time(), pid=found.pid))
        known = {(run.bot_id, run.run): run for run in found.runs}
        ended = {(end.bot_id, end.run) for end in found.ended}
        for end in found.ended:
            self._listen(end)
        for bot_id, keeper in self._keepers.items():
            run = (bot_id, keeper.life.run)
            if (placed := known.get(run)) is not None:
                keeper.put(placed)
                keeper.insist()
            elif run not in ended and isinstance(keeper.life.state, _WITH_PROCESS):
                keeper.put(_unseen(*run))

    @property
    def _record(self) -> Record:
        return self._around.record

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        for wake in self._wakes:
            wake()

    def _read_catalogue(self) -> Catalogue:
        return launching.read(self._catalogue)


_WITH_PROCESS = lc.Starting | lc.Running | lc.Stopping
_NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5.0)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _unseen(bot_id: str, run: int) -> Ended:
    """The end of a run that nobody saw: nothing is guessed."""
    return Ended(bot_id, run, ExitRecord(at=time.time()), ())
