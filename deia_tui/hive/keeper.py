"""The owner of one bot: the only writer of its life and of its messages.

Whatever concerns the bot comes through one inbox and is taken in order: a wish or a report goes through
`lifecycle.step`, its effects become events and, once those are committed, deeds of its tenure.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import REBOOTED, BotSpec, ExitRecord
from deia_tui.core.commands import AnswerPermission, SendMessage
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.frames import Frame, to_event
from deia_tui.core.turns import Failure
from deia_tui.engine.protocol import Ended, NotPlaced, Placed
from deia_tui.hive.calls import verdict
from deia_tui.hive.effects import announce, cancelled, spawned
from deia_tui.hive.handover import Handover
from deia_tui.hive.intake import Intake
from deia_tui.hive.leavings import forget_run, lay_to_rest, read_spool
from deia_tui.hive.mail import Errand, Frames, Inbox, Mail, Probed, Send, Undeliverable, Wish, Withdraw, answer
from deia_tui.hive.messages import Messages
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.tenure import Tenure
from deia_tui.store.queries import MessageRow
from deia_tui.store.threads import in_thread

RESTORE_SPREAD_S = 5.0
"""Within how many seconds after a reboot the bots of a hive start again, jittered."""


class Keeper:
    def __init__(
        self,
        spec: BotSpec,
        life: lc.Life,
        around: Surroundings,
        *,
        breaker: brk.Breaker,
        waiting: Iterable[MessageRow] = (),
        in_hand: Iterable[MessageRow] = (),
    ) -> None:
        """`waiting`: messages no run has accepted; `in_hand`: those the current run accepted and has not finished."""
        self.spec = spec
        self.life = life
        self._around = around
        flow = around.settings.flow_policy()
        self._messages = Messages(spec.bot_id, breaker, around.clock, flow=flow, waiting=waiting, in_hand=in_hand)
        self._handover = Handover(around, self._messages, lambda: self.spec)
        self._inbox = Inbox()
        self._changed = asyncio.Event()
        self._tenure = Tenure(spec.bot_id, around, self._messages, self._handover, self.put)
        self._intake = Intake(spec.bot_id, around.record, self._messages, self._handover, self._record)
        self._failed_probes = 0
        self.alive_at = around.clock.now()
        """When its run last showed a sign of life; at first, when it was found."""
        self._owed: list[ev.Event] = []
        """What was done at a human's wish though it could not be stored."""

    @property
    def bot_id(self) -> str:
        return self.spec.bot_id

    def put(self, mail: Mail) -> None:
        self._inbox.put(mail)

    async def wish(
        self,
        input: lc.Launch | lc.Stop | lc.Kill | lc.Restart,
        spec: BotSpec | None = None,
        *,
        also: ev.Event | None = None,
    ) -> None:
        """Ask for something; returns once it is under way, and `also` on record with it. Raises CommandRejected."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(Wish(input, done, spec, also))
        await done

    async def send(self, command: SendMessage, errand: Errand | None = None) -> str:
        """Returns the message's id once it is stored. Raises CommandRejected."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.put(Send(command, done, errand))
        return await done

    async def withdraw(self, message_ids: Iterable[str], reason: str = "taken back") -> frozenset[str]:
        """Take back messages that no run has been given yet; those that were. They end as interrupted."""
        done: asyncio.Future[frozenset[str]] = asyncio.get_running_loop().create_future()
        self.put(Withdraw(frozenset(message_ids), reason, done))
        return await done

    def disown(self, message_ids: Iterable[str]) -> None:
        """Nobody wants an answer to them any more: what is not handed over yet never is."""
        self._messages.outbox.disown(message_ids)

    async def interrupt(self, message_id: str | None = None) -> None:
        """End the answer in progress, if it is to this message. Raises CommandRejected or BotUnreachable."""
        await self._tenure.interrupt(self.life, message_id)

    def errands(self) -> dict[str, str]:
        """The messages that it or its run has and that assign tasks, with those tasks."""
        return self._messages.errands()

    async def answer(self, command: AnswerPermission) -> None:
        """Tell the agent what it may do. Raises CommandRejected or BotUnreachable."""
        await self._tenure.answer(command)

    def has(self, token: str) -> bool:
        """Is it that of its run for the API of the hive?"""
        return isinstance(self.life.state, lc.Starting | lc.Running | lc.Stopping) and self._tenure.has(token)

    def insist(self) -> None:
        """There is a new host: what was asked of the old one may not have been done."""
        self._tenure.insist(self.life)

    async def settled(self) -> None:
        """Until everything that has reached the keeper by now is taken."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(Frames(self.life.run, (), done))
        await done

    async def until(self, reached: Callable[[lc.Life], bool]) -> lc.Life:
        """Wait for the life of the bot to be as `reached` wants."""
        while not reached(self.life):
            await self._changed.wait()
        return self.life

    async def keep(self) -> None:
        """Take what comes, in order, until cancelled."""
        try:
            while True:
                mail = await self._next()
                while not await self._try(mail):
                    await self._serve_humans()
        finally:
            await self._tenure.leave()

    def adopt(self, placed: Placed, *, after: int) -> None:
        """Take over a run that lives; `after` is its last committed frame."""
        self.life = lc.adopt(self.life, placed.run, self._now())
        self._messages.outbox.doubt()
        self._tenure.adopt(placed, after=after)

    # The inbox

    async def _next(self) -> Mail:
        deadlines = [at for at in (self.life.deadline, self._messages.calls.deadline) if at is not None]
        wait_s = max(0.0, min(deadlines) - self._now()) if deadlines else None
        return await self._inbox.get(wait_s) or lc.Tick()

    async def _serve_humans(self) -> None:
        """For a while, as the store takes no report: who asks for something is answered, and a stop ends."""
        until = self._now() + STORE_RETRY_S
        while (wish := await self._inbox.get_wish(until - self._now())) is not None:
            await self._try(wish)
        if isinstance(self.life.state, lc.Stopping):
            await self._try(lc.Tick())

    async def _try(self, mail: Mail) -> bool:
        """False when the store could not take it and it must be tried again: a report is never lost."""
        try:
            await self._take(mail)
        except StoreError as error:
            if not isinstance(mail, Wish | Send):
                return False
            if not mail.done.done():
                mail.done.set_exception(error)
        return True

    async def _take(self, mail: Mail) -> None:
        match mail:
            case Wish():
                await answer(mail.done, self._take_wish(mail))
            case Send(command=command, done=done, errand=errand):
                await answer(done, self._intake.take(command, self.life.state, errand))
            case Withdraw(message_ids=message_ids, reason=reason, done=done):
                await answer(done, self._withdraw(message_ids, reason))
            case Frames(run=run, frames=frames, done=done):
                self.alive_at = self._now() if frames else self.alive_at
                await answer(done, self._take_frames(run, frames))
            case Placed():
                await self._take_placed(mail)
            case NotPlaced(run=run, error=error):
                self._around.launcher.release(self.bot_id)
                await self._step(lc.SpawnFailed(run, error))
            case Ended():
                await self._take_ended(mail)
            case Probed(run=run, error=error):
                await self._take_probed(run, error)
            case Undeliverable(message_id=message_id, reason=reason):
                refusal = self._messages.end([message_id], "failed", reason, run=self.life.run, failure=Failure.REQUEST)
                await self._record(refusal)
            case lc.Ready():
                await self._step(mail)
            case lc.Tick():
                await self._step(mail)
                with self._messages.calls.provisional():
                    await self._record(self._messages.calls.expire())

    # Wishes

    async def _take_wish(self, wish: Wish) -> None:
        self._check(wish.input)
        before: list[ev.Event] = []
        if isinstance(wish.input, lc.Launch | lc.Restart):
            before += self._messages.calls.reset()
        if isinstance(wish.input, lc.Launch):
            self.spec = wish.spec or self.spec
            self.life = replace(self.life, policy=self._around.settings.life_policy(self.spec))
            before.append(ev.BotLaunched(at=time.time(), bot_id=self.bot_id, spec=self.spec))
        if wish.also is not None:
            before.append(wish.also)
        await self._step(wish.input, before)

    def _check(self, input: lc.Input) -> None:
        """Raises CommandRejected, naming the bot and its process, for what cannot be."""
        try:
            lc.step(self.life, input, self._now())
        except CommandRejected as refusal:
            view = self._around.record.state.bots.get(self.bot_id)
            process = f" (pid {view.pid})" if view is not None and view.pid else ""
            raise CommandRejected(f"{self.bot_id}{process}: {refusal}") from None

    async def _withdraw(self, message_ids: frozenset[str], reason: str) -> frozenset[str]:
        with self._messages.calls.provisional(), self._messages.outbox.keeping(message_ids) as here:
            await self._record(self._messages.end(sorted(here), "interrupted", reason, run=self.life.run))
        return here

    # Reports

    async def _take_placed(self, placed: Placed) -> None:
        if placed.run != self.life.run or isinstance(self.life.state, lc.Off | lc.Backoff):
            self._around.engine.kill(self.bot_id, placed.run)  # it was thought ended: nobody has it any more
            return
        if self._tenure.is_attended or not isinstance(self.life.state, lc.Starting | lc.Stopping):
            return
        self._tenure.attend(placed)
        await self._step(lc.Spawned(placed.run), [spawned(placed)])

    async def _take_frames(self, run: int, frames: Iterable[Frame]) -> None:
        """Commit what a bot said, and what follows from it; a frame that makes no sense is skipped."""
        said: list[ev.Event] = []
        ready = False
        for frame in frames:
            ready = ready or frame["type"] == "ready"
            with contextlib.suppress(KeyError, TypeError, ValueError):
                if (event := to_event(self.bot_id, run, frame)) is not None:
                    said.append(self._handover.rate(event))
        with self._messages.calls.provisional():
            recorded = await self._record([*said, *self._messages.heard(said)])
        await self._record(self._around.accounts.review(recorded))
        if ready:
            await self._step(lc.Ready(run))

    async def _take_ended(self, ended: Ended) -> None:
        """A run is over: first what it still had to say, then its end, then what follows."""
        around, run, state = self._around, ended.run, self.life.state
        if run != self.life.run or isinstance(state, lc.Off | lc.Backoff):
            forget_run(around.folder, around.engine, self.bot_id, run)
            return
        await self._tenure.leave()
        around.launcher.release(self.bot_id)
        for frames in await in_thread(lambda _: read_spool(around.folder.spool(self.bot_id, run))):
            await self._take_frames(run, (frame for frame in frames if frame["type"] != "ready"))
        exit = ended.exit
        if isinstance(state, lc.Stopping) and exit.reason != REBOOTED:
            exit = replace(exit, reason=state.reason)
        exited = ev.BotExited(at=time.time(), bot_id=self.bot_id, run=run, exit=exit, stderr_tail=ended.stderr_tail)
        events: list[ev.Event] = [*cancelled(around.record.state.approvals, self.bot_id, run), exited]
        with self._messages.calls.provisional():
            if verdict(exited) is False:
                events += self._messages.calls.failed(exit.reason or f"crashed ({exit})")
            cut = f"the bot ended ({exit}) before it was done"
            interrupted = self._messages.in_hand()
            events += self._messages.end(interrupted, "interrupted", cut, run=run)
            if isinstance(state, lc.Stopping):
                lay_to_rest(around.folder, self.bot_id, run, exit, interrupted)
            await self._step(self._exited(run, exit), events)
        await self._record(around.accounts.review(events))
        forget_run(around.folder, around.engine, self.bot_id, run)

    def _exited(self, run: int, exit: ExitRecord) -> lc.Exited | lc.Rebooted:
        if exit.reason != REBOOTED:
            return lc.Exited(run, exit, random.random())
        restored = self._around.settings.hive.restore_after_boot
        return lc.Rebooted(run, random.uniform(0.0, RESTORE_SPREAD_S) if restored else None)

    async def _take_probed(self, run: int, error: str | None) -> None:
        if run != self.life.run or not isinstance(self.life.state, lc.Running):
            return
        if error is None:
            self.alive_at = self._now()
            if self._failed_probes:
                await self._record([ev.ProbeRecovered(at=time.time(), bot_id=self.bot_id, run=run)])
                self._failed_probes = 0
            return
        streak = self._failed_probes + 1
        failed = ev.ProbeFailed(at=time.time(), bot_id=self.bot_id, run=run, streak=streak, error=error)
        with self._messages.calls.provisional():
            await self._record([failed, *self._messages.calls.failed(f"probe: {error}")])
        self._failed_probes = streak
        if streak >= self._around.settings.liveness.failure_threshold:
            await self._step(lc.Hung(run))

    # Life

    async def _step(self, input: lc.Input, before: Sequence[ev.Event] = ()) -> None:
        """Take one step of the life: what it means is committed with `before`, then done."""
        life, effects = lc.step(self.life, input, self._now())
        nonce = secrets.token_hex(16)
        events = list(before)
        for effect in effects:
            if isinstance(effect, lc.Rest):
                waiting, off = self._messages.waiting(), f"{self.bot_id} is {effect.how}"
                events += self._messages.end(waiting, "interrupted", off, run=life.run)
            events += announce(effect, life, self.bot_id, nonce)
        try:
            await self._record(events)
        except StoreError:
            if not isinstance(input, lc.Stop | lc.Kill) and not _ends_stop(input, self.life.state):
                raise
            self._owed += events  # a human's stop is carried out, and written down as soon as that is possible
        self.life = life
        for effect in effects:
            if isinstance(effect, lc.Spawn):
                self._failed_probes = 0
            self._tenure.do(effect, life, self.spec, nonce)
        self._changed.set()
        self._changed = asyncio.Event()

    def _now(self) -> float:
        return self._around.clock.now()

    async def _record(self, events: Sequence[ev.Event]) -> list[ev.Event]:
        """Those of `events` that are new, once they are committed; only then messages change hands."""
        if not (self._owed or events):
            return []
        recorded = await self._around.record.add(*self._owed, *events)
        self._owed = []
        if (pressure := self._messages.note(recorded)) is not None:
            self._around.record.remark(pressure)
        if self._handover.note(recorded):
            self._tenure.cut_short()
        if any(isinstance(event, ev.MessageAccepted | ev.TurnEnded) for event in recorded):
            self._tenure.drain_once_handed(self.life)
        return recorded


def _ends_stop(input: lc.Input, state: lc.State) -> bool:
    """Is it time that kills what would not stop?"""
    return isinstance(input, lc.Tick) and isinstance(state, lc.Stopping)
