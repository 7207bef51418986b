"""The owner of one bot: the only writer of its life, its breaker and its messages in flight.

Whatever concerns the bot comes through one inbox and is taken in order: a wish or a report goes through
`lifecycle.step`, its effects become events, and once those are committed, deeds.
"""

import asyncio
import contextlib
import random
import secrets
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotSpec, BotState
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import BotUnreachable, CommandRejected, StoreError
from deia_tui.core.frames import Frame, decode, to_event
from deia_tui.engine.protocol import Ended, Engine, NotPlaced, Placed, Placement
from deia_tui.folder import Folder
from deia_tui.hive.calls import Calls
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.link import Link
from deia_tui.hive.outbox import Outbox
from deia_tui.hive.record import Record
from deia_tui.settings import Settings
from deia_tui.store.queries import MessageRow

MAX_QUEUED = 10
MAX_TEXT = 1 << 20
STORE_RETRY_S = 1.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all keepers of a hive share."""

    folder: Folder
    settings: Settings
    record: Record
    engine: Engine
    launcher: Launcher
    http: httpx.AsyncClient
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """A human's input; `done` gets the refusal, if it is one."""

    input: lc.Launch | lc.Stop | lc.Kill | lc.Restart
    done: asyncio.Future[None]
    spec: BotSpec | None = None


@dataclass(frozen=True, slots=True)
class Send:
    command: SendMessage
    done: asyncio.Future[str]


@dataclass(frozen=True, slots=True)
class Frames:
    run: int
    frames: Sequence[Frame]
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Probed:
    """`error` is None when `/health` answered."""

    run: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    message_id: str
    reason: str


Item = Wish | Send | Frames | Probed | Undeliverable | Placed | NotPlaced | Ended | lc.Ready | lc.Tick


class Keeper:
    def __init__(
        self,
        spec: BotSpec,
        life: lc.Life,
        around: Surroundings,
        *,
        breaker: brk.Breaker,
        waiting: Sequence[MessageRow] = (),
        open_messages: Sequence[MessageRow] = (),
    ) -> None:
        self.spec = spec
        self.life = life
        self._around = around
        self._calls = Calls(spec.bot_id, breaker)
        self._outbox = Outbox(_queued(row) for row in waiting)
        self._open_messages = {row.message_id for row in open_messages}
        self._inbox: asyncio.Queue[Item] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._link: Link | None = None
        self._run_tasks: list[asyncio.Task[None]] = []
        self._failed_probes = 0
        self._token = ""

    @property
    def bot_id(self) -> str:
        return self.spec.bot_id

    def put(self, item: Item) -> None:
        self._inbox.put_nowait(item)

    async def wish(self, input: lc.Launch | lc.Stop | lc.Kill | lc.Restart, spec: BotSpec | None = None) -> None:
        """Ask for something; returns once it is under way. Raises CommandRejected."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(Wish(input, done, spec))
        await done

    async def send(self, command: SendMessage) -> str:
        """Returns the message's id once it is stored. Raises CommandRejected."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.put(Send(command, done))
        return await done

    async def interrupt(self) -> None:
        """End the answer in progress. Raises CommandRejected or BotUnreachable."""
        if self._link is None or not isinstance(self.life.state, lc.Running):
            raise CommandRejected(f"{self.bot_id} does not run: there is nothing to interrupt.")
        await self._link.post("/interrupt")

    async def until(self, reached: Callable[[lc.Life], bool]) -> lc.Life:
        """Wait for the life of the bot to be as `reached` wants."""
        while not reached(self.life):
            await self._changed.wait()
        return self.life

    async def keep(self) -> None:
        """Take what comes, in order, until cancelled."""
        try:
            while True:
                item = await self._next()
                while not await self._try(item):
                    await asyncio.sleep(STORE_RETRY_S)
        finally:
            await self._drop_run()

    def insist(self) -> None:
        """There is a new host: what was asked of the old one may not have been done."""
        if isinstance(state := self.life.state, lc.Stopping):
            engine, run = self._around.engine, self.life.run
            if state.killed:
                engine.kill(self.bot_id, run)
            else:
                engine.signal(self.bot_id, run, signal.SIGTERM)

    def adopt(self, placed: Placed, after: int) -> None:
        """Take over a run that lives; `after` is its last committed frame."""
        self.life = lc.adopt(self.life, placed.run, time.monotonic())
        self._connect(placed.run, placed.port, placed.token, after)
        self._run_tasks.append(asyncio.create_task(self._await_health(placed.run), name=f"{self.bot_id} health"))

    async def _next(self) -> Item:
        deadline = self.life.deadline
        if deadline is None:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await self._inbox.get()
        except TimeoutError:
            return lc.Tick()

    async def _try(self, item: Item) -> bool:
        """False when the store could not take it and it must be tried again: a report is never lost."""
        try:
            await self._take(item)
        except StoreError as error:
            done = getattr(item, "done", None)
            if done is None:
                return False
            if not done.done():
                done.set_exception(error)
        return True

    async def _take(self, item: Item) -> None:
        match item:
            case Wish():
                await self._take_wish(item)
            case Send(command=command, done=done):
                await _answer(done, self._take_message(command))
            case Frames(run=run, frames=frames, done=done):
                await self._take_frames(run, frames)
                if not done.done():
                    done.set_result(None)
            case Placed(run=run):
                await self._take_placed(item)
            case NotPlaced(run=run, error=error):
                self._around.launcher.release(self.bot_id)
                await self._step(lc.SpawnFailed(run, error))
            case Ended():
                await self._take_ended(item)
            case Probed(run=run, error=error):
                await self._take_probed(run, error)
            case Undeliverable(message_id=message_id, reason=reason):
                await self._end_turns([message_id], "failed", reason, refused=True)
            case lc.Ready() | lc.Tick():
                await self._step(item)

    # Wishes

    async def _take_wish(self, wish: Wish) -> None:
        async def carry_out() -> None:
            self._check(wish.input, time.monotonic())
            before: list[ev.Event] = []
            if isinstance(wish.input, lc.Launch | lc.Restart):
                before += self._calls.reset()
            if isinstance(wish.input, lc.Launch):
                self.spec = wish.spec or self.spec
                self.life = replace(self.life, policy=self._around.settings.life_policy(self.spec))
                before.append(ev.BotLaunched(at=time.time(), bot_id=self.bot_id, spec=self.spec))
            await self._step(wish.input, before)

        await _answer(wish.done, carry_out())

    def _check(self, input: lc.Input, now: float) -> None:
        """Raises CommandRejected, naming the bot and its process, for what cannot be."""
        try:
            lc.step(self.life, input, now)
        except CommandRejected as refusal:
            pid = self._around.record.state.bots[self.bot_id].pid
            raise CommandRejected(f"{self.bot_id}{f' (pid {pid})' if pid else ''}: {refusal}") from None

    async def _take_message(self, command: SendMessage) -> str:
        self._check_message(command)
        message_id = command.message_id or uuid.uuid4().hex
        moves = self._calls.admit(message_id)
        queued = ev.MessageQueued(
            at=time.time(), bot_id=self.bot_id, message_id=message_id, sender=command.sender, text=command.text
        )
        if queued in await self._around.record.add(queued, *moves):
            self._outbox.add(queued)
        elif back := self._calls.withdraw(message_id):
            await self._around.record.add(*back)
        return message_id

    def _check_message(self, command: SendMessage) -> None:
        if not command.text.strip():
            raise CommandRejected("The message is empty: write something.", status=400)
        if len(command.text.encode("utf-8", "replace")) > MAX_TEXT:
            raise CommandRejected("The message is longer than 1 MiB: put it into a file.", status=413)
        match self.life.state:
            case lc.Off(how=how):
                raise CommandRejected(f"{self.bot_id} is {how}: launch it before you write to it.")
            case lc.Stopping(then="stop"):
                raise CommandRejected(f"{self.bot_id} is stopping: launch it again before you write to it.")
        if len(self._outbox) >= MAX_QUEUED:
            raise CommandRejected(
                f"Bot busy, please wait: {MAX_QUEUED} messages wait for {self.bot_id}.", status=429, retry_after_s=5.0
            )

    # Reports

    async def _take_placed(self, placed: Placed) -> None:
        if placed.run != self.life.run:
            return
        spawned = ev.BotSpawned(
            at=time.time(),
            bot_id=self.bot_id,
            run=placed.run,
            pid=placed.pid,
            start_ticks=placed.start_ticks,
            port=placed.port,
        )
        self._connect(placed.run, placed.port, self._token, 0)
        await self._step(lc.Spawned(placed.run), [spawned])

    async def _take_frames(self, run: int, frames: Sequence[Frame]) -> None:
        """Commit what a bot said; a frame that makes no sense is skipped."""
        events: list[ev.Event] = []
        for frame in frames:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                if (event := to_event(self.bot_id, run, frame)) is not None:
                    events.append(event)
        fresh = await self._around.record.add(*events) if events else []
        moves: list[ev.Event] = []
        for event in fresh:
            match event:
                case ev.MessageAccepted(message_id=message_id):
                    self._outbox.remove(message_id)
                    self._open_messages.add(message_id)
                case ev.TurnEnded(message_id=message_id):
                    self._open_messages.discard(message_id)
                    moves += self._calls.ended(event)
        if moves:
            await self._around.record.add(*moves)
        if any(frame["type"] == "ready" for frame in frames):
            await self._step(lc.Ready(run))

    async def _take_ended(self, ended: Ended) -> None:
        """A run is over: first what it still had to say, then its end, then what follows."""
        if ended.run != self.life.run or isinstance(self.life.state, lc.Off | lc.Backoff):
            self._around.engine.forget(self.bot_id, ended.run)
            return
        await self._drop_run()
        self._around.launcher.release(self.bot_id)
        spool = self._around.folder.spool(self.bot_id, ended.run)
        await self._take_frames(ended.run, [f for f in read_spool(spool) if f["type"] != "ready"])
        state = self.life.state
        reason = state.reason if isinstance(state, lc.Stopping) else ""
        exit = replace(ended.exit, reason=reason)
        exited = ev.BotExited(
            at=time.time(), bot_id=self.bot_id, run=ended.run, exit=exit, stderr_tail=ended.stderr_tail
        )
        wanted = isinstance(state, lc.Stopping) and state.then != "policy"
        moves = [] if wanted or exit.clean else self._calls.failed(f"crashed ({reason or exit})")
        lost = self._turns_ended(
            sorted(self._open_messages), "interrupted", f"the bot ended ({exit}) before it was done"
        )
        await self._step(lc.Exited(ended.run, exit, random.random()), [*lost, exited, *moves])
        self._open_messages.clear()
        self._around.engine.forget(self.bot_id, ended.run)
        spool.unlink(missing_ok=True)

    async def _take_probed(self, run: int, error: str | None) -> None:
        if run != self.life.run or not isinstance(self.life.state, lc.Running):
            return
        at = time.time()
        if error is None:
            if self._failed_probes:
                self._failed_probes = 0
                await self._around.record.add(ev.ProbeRecovered(at=at, bot_id=self.bot_id, run=run))
            return
        self._failed_probes += 1
        failed = ev.ProbeFailed(at=at, bot_id=self.bot_id, run=run, streak=self._failed_probes, error=error)
        await self._around.record.add(failed, *self._calls.failed(f"probe: {error}"))
        if self._failed_probes >= self._around.settings.liveness.failure_threshold:
            await self._step(lc.Hung(run))

    async def _end_turns(self, message_ids: Sequence[str], status: str, error: str, *, refused: bool = False) -> None:
        turns = self._turns_ended(message_ids, status, error, refused=refused)
        if turns:
            await self._around.record.add(*turns)

    def _turns_ended(
        self, message_ids: Sequence[str], status: str, error: str, *, refused: bool = False
    ) -> list[ev.Event]:
        """The hive's own verdict on messages no bot will answer, and what it means for the breaker."""
        events: list[ev.Event] = []
        for message_id in message_ids:
            turn = ev.TurnEnded(
                at=time.time(),
                bot_id=self.bot_id,
                run=self.life.run,
                message_id=message_id,
                status="failed" if status == "failed" else "interrupted",
                error=error,
                duration_s=0.0,
                refused=refused,
            )
            self._outbox.remove(message_id)
            events += [turn, *self._calls.ended(turn)]
        return events

    # Life

    async def _step(self, input: lc.Input, before: Sequence[ev.Event] = ()) -> None:
        """Take one step of the life: what it means is committed with `before`, then done."""
        life, effects = lc.step(self.life, input, time.monotonic())
        events: list[ev.Event] = list(before)
        deeds: list[Callable[[], None]] = []
        for effect in effects:
            self._translate(effect, life, events, deeds)
        if events:
            await self._around.record.add(*events)
        self.life = life
        for deed in deeds:
            deed()
        self._changed.set()
        self._changed = asyncio.Event()

    def _translate(
        self, effect: lc.Effect, life: lc.Life, events: list[ev.Event], deeds: list[Callable[[], None]]
    ) -> None:
        """What an effect says to the world, and what must be done once that is committed."""
        at, bot_id, engine = time.time(), self.bot_id, self._around.engine
        match effect:
            case lc.Spawn(run=run, reason=reason, automatic=automatic):
                nonce = secrets.token_hex(16)
                events.append(
                    ev.BotStarting(at=at, bot_id=bot_id, run=run, nonce=nonce, reason=reason, automatic=automatic)
                )
                deeds.append(lambda: self._place(run, nonce))
            case lc.NoteReady(run=run):
                events.append(ev.BotReady(at=at, bot_id=bot_id, run=run))
                deeds.append(lambda: self._serve(run))
            case lc.AskToStop(run=run, then=then, reason=reason):
                events.append(ev.BotStopping(at=at, bot_id=bot_id, run=run, then=then, reason=reason))
                deeds.append(lambda: self._end(run, lambda: engine.signal(bot_id, run, signal.SIGTERM)))
            case lc.KillTree(run=run, reason=reason, announce=announce):
                if announce is not None:
                    events.append(ev.BotStopping(at=at, bot_id=bot_id, run=run, then=announce, reason=reason))
                deeds.append(lambda: self._end(run, lambda: engine.kill(bot_id, run)))
            case lc.Wait(delay_s=delay_s, reason=reason):
                limits = life.policy.limits
                events.append(
                    ev.BotBackingOff(
                        at=at,
                        bot_id=bot_id,
                        delay_s=delay_s,
                        due_at=at + delay_s,
                        attempt=life.history.count,
                        max_restarts=limits.max_restarts,
                        reason=reason,
                    )
                )
            case lc.Rest(how=how, reason=reason):
                waiting = [message.message_id for message in self._outbox.take_all()]
                events += self._turns_ended(waiting, "interrupted", f"{bot_id} is {how}")
                events.append(_rest(how, at, bot_id, reason))
                deeds.append(lambda: self._around.launcher.release(bot_id))

    def _place(self, run: int, nonce: str) -> None:
        self._token = secrets.token_urlsafe(32)
        self._failed_probes = 0
        env = {**self._around.env, **self.spec.agent.env}
        self._around.launcher.request(Placement(spec=self.spec, run=run, nonce=nonce, token=self._token, env=env))

    def _end(self, run: int, deed: Callable[[], None]) -> None:
        """End a run, or take back the order for it when it has not been placed."""
        if self._around.launcher.withdraw(self.bot_id):
            self.put(NotPlaced(self.bot_id, run, "stopped before it started"))
        else:
            deed()

    # The run that lives

    def _connect(self, run: int, port: int, token: str, after: int) -> None:
        async def take(frames: Sequence[Frame]) -> None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.put(Frames(run, frames, done))
            await done

        self._link = Link(self._around.http, port=port, token=token, after=after, take=take)
        self._run_tasks.append(asyncio.create_task(self._link.follow(), name=f"{self.bot_id} link"))

    def _serve(self, run: int) -> None:
        """It is up: hand over what waits, and look after it."""
        self._around.launcher.release(self.bot_id)
        assert self._link is not None
        deliver = self._outbox.deliver(self._link, lambda *refused: self.put(Undeliverable(*refused)))
        for name, work in (("outbox", deliver), ("probe", self._probe(run, self._link))):
            self._run_tasks.append(asyncio.create_task(work, name=f"{self.bot_id} {name}"))

    async def _probe(self, run: int, link: Link) -> None:
        liveness = self._around.settings.liveness
        await asyncio.sleep(random.uniform(0, liveness.period_s))
        while True:
            error = await _probe_once(link, liveness.timeout_s)
            self.put(Probed(run, error))
            await asyncio.sleep(liveness.period_s)

    async def _await_health(self, run: int) -> None:
        """An adopted run said `ready` long ago: ask it instead."""
        assert self._link is not None
        while await _probe_once(self._link, self._around.settings.liveness.timeout_s) is not None:
            await asyncio.sleep(0.2)
        self.put(lc.Ready(run))

    async def _drop_run(self) -> None:
        """Let go of the run's connections."""
        tasks, self._run_tasks, self._link = self._run_tasks, [], None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _queued(row: MessageRow) -> ev.MessageQueued:
    return ev.MessageQueued(
        at=row.asked_at, bot_id=row.bot_id, message_id=row.message_id, sender=row.sender, text=row.text
    )


def read_spool(path: Path) -> list[Frame]:
    """The frames a bot left behind; a torn last line is what it had not finished saying."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [frame for line in lines if line and (frame := decode(line)) is not None]


async def _probe_once(link: Link, timeout_s: float) -> str | None:
    try:
        await link.probe(timeout_s)
    except BotUnreachable as error:
        return str(error)
    return None


async def _answer(done: "asyncio.Future[Result]", work: Awaitable["Result"]) -> None:
    """Give the asker the result, or the reason why there is none."""
    try:
        result = await work
    except CommandRejected as error:
        if not done.done():
            done.set_exception(error)
    else:
        if not done.done():
            done.set_result(result)


def _rest(how: BotState, at: float, bot_id: str, reason: str) -> ev.Event:
    match how:
        case BotState.FATAL:
            return ev.BotGaveUp(at=at, bot_id=bot_id, reason=reason)
        case BotState.EXITED:
            return ev.BotFinished(at=at, bot_id=bot_id)
        case _:
            return ev.BotStopped(at=at, bot_id=bot_id)
