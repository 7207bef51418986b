"""The only writer of tasks: hands each to a bot, hears from what is committed how it went, and takes back what a bot
cannot do.

How a turn ended and what that means for its task are one transaction: see `_consequences`.
"""

import asyncio
import math
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.attempts import Circumstances, after_turn, failed, has_begun, put_back
from deia_tui.core.availability import keeps_tasks, unavailable
from deia_tui.core.bots import Activity, BotState
from deia_tui.core.client import Recorded
from deia_tui.core.errors import BotUnreachable, CommandRejected, StoreError
from deia_tui.core.queue import TaskQueue
from deia_tui.core.scheduler import Choice, Scheduler
from deia_tui.core.tasks import WAITING, Task, TaskState
from deia_tui.core.work import BotWork
from deia_tui.hive.admission import Admission
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.lessons import Lessons
from deia_tui.hive.mail import Errand
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.roster import Roster
from deia_tui.hive.seats import Seat, Seats
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.taskdesk import TaskDesk, TaskOrder
from deia_tui.store.store import Store
from deia_tui.store.workqueries import OpenWork

LOOK_EVERY_S = 1.0
"""How often leases are looked after while bots have tasks."""
_SAID = (ev.OutputAdded, ev.ThoughtAdded, ev.ToolCallChanged, ev.PlanChanged, ev.UsageReported, ev.BotLogged)
"""What changes nothing for who waits."""


class Dispatcher:
    def __init__(
        self, around: Surroundings, roster: Roster, store: Store, found: OpenWork, scheduler: Scheduler
    ) -> None:
        flow, policy = around.settings.flow_policy(), around.settings.task_policy()
        self._around = around
        self._record = around.record
        self._roster = roster
        self._store = store
        self._policy = policy
        self.queue = TaskQueue(found.tasks, ageing_s=policy.ageing_s, now=around.clock.now(), at=time.time())
        self._dead = found.dead
        self._deferred = ""
        self._revision = 0
        self._stirred = asyncio.Event()
        self._scheduler = scheduler
        self._lessons = Lessons(scheduler, self.queue)
        self._seats = Seats(around, roster, self.queue, flow, lease_s=self._lease_s)
        self._admission = Admission(self._record, self.queue, flow, self._seats.piece_s)
        self._recalling: set[asyncio.Task[None]] = set()
        self.desk = TaskDesk(self._record, store, self.queue, self._stirred.set, self._recall, self._admission)
        self._record.listen(self._note)
        self._record.follow(self._consequences)
        self._show()

    async def dispatch(self) -> None:
        """Until cancelled."""
        try:
            await self._recall_strays()
            await self._dispatch()
        except asyncio.CancelledError:
            self.desk.close()
            raise

    async def _dispatch(self) -> None:
        while True:
            self._stirred.clear()
            try:
                await self.desk.work()
                await self._settle_needs()
                await self._take_back()
                await self._hand_out()
                self._record.show_work(ready=self.queue.ready_for_anyone)  # time alone ends a rest
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._stirred.wait()

    # What is committed, and what follows from it

    def _consequences(self, events: Sequence[ev.Event]) -> list[ev.Event]:
        """What events of bots mean for the tasks they have."""
        crashed = {event.bot_id for event in events if isinstance(event, ev.BotExited) and not event.exit.expected}
        begun: set[str] = set()
        moves: list[ev.Event] = []
        for event in events:
            if not isinstance(event, ev.TurnStarted | ev.TurnEnded):
                continue
            task = self.queue.of_message(event.message_id)
            if task is None:
                continue
            if isinstance(event, ev.TurnStarted):
                begun.add(task.task_id)
                moves.append(
                    ev.TaskStarted(at=event.at, task_id=task.task_id, bot_id=task.bot_id, attempt=task.attempt)
                )
            else:
                was_begun = task.state is TaskState.RUNNING or task.task_id in begun
                around = self._circumstances(event.bot_id, crashed)
                end = after_turn(task, event, around, self._policy, begun=was_begun)
                moves += [end, *self._lessons.of(task, end, [*events, *moves])]
        return moves

    def _circumstances(self, bot_id: str, crashed: set[str]) -> Circumstances:
        bot = self._record.state.bots.get(bot_id)
        return Circumstances(
            crashed=bot_id in crashed,
            stopping=bot is not None and bot.state is BotState.STOPPING,
            has_provider=bot is not None and bool(bot.spec.agent.provider),
        )

    def _note(self, recorded: Sequence[Recorded]) -> None:
        now = self._around.clock.now()
        before = self._revision
        for entry in recorded:
            event = entry.event
            self._lessons.note(event)
            if isinstance(event, ev.TaskEvent):
                task = self.queue.get(event.task_id)
                was_dead = task is not None and task.state is TaskState.DEAD
                self.queue.note(event, now)
                self._dead += isinstance(event, ev.TaskDied) - (isinstance(event, ev.TaskRevived) and was_dead)
                self._revision += 1
            self._seats.note(event, now)
        if self._revision != before:
            self._admission.review()
            self._show()
        if not all(isinstance(entry.event, _SAID) for entry in recorded):
            self._stirred.set()

    def _show(self) -> None:
        queue = self.queue
        self._record.show_work(
            revision=self._revision,
            waiting=queue.count(*WAITING),
            held=queue.held,
            ready=queue.ready_for_anyone,
            scheduled=queue.count(TaskState.SCHEDULED),
            running=queue.count(TaskState.RUNNING),
            dead=self._dead,
            oldest_at=queue.oldest_at,
            bots={bot_id: self._work_of(bot_id) for bot_id in {*queue.bots_with_tasks(), *queue.addressees()}},
        )

    def _work_of(self, bot_id: str) -> BotWork:
        tasks = self.queue.with_bot(bot_id)
        running = [task.task_id for task in tasks if task.state is TaskState.RUNNING]
        return BotWork(
            addressed=self.queue.addressed(bot_id),
            ahead=len(tasks) - len(running),
            running=next(iter(running), ""),
            refuses=self._admission.refuses(bot_id),
        )

    # Handing out

    async def _hand_out(self) -> None:
        """Give the first in line to the bots that may have one."""
        now, at = self._around.clock.now(), time.time()
        work = self._record.snapshot.work
        depth, load = work.waiting, self._load()
        seats = self._seats.look(now, at)
        chosen: list[tuple[Task, Keeper, Choice | None]] = []
        while seats and (task := self.queue.first(seats, now, at, strained=work.strain != "healthy")):
            self.queue.take(task.task_id)
            choice = None if task.to else self._choose(task, seats, at)
            chosen.append((task, seats.pop(choice.bot_id if choice else task.to).keeper, choice))
        if not chosen:
            self._defer(at, strained=work.strain != "healthy", depth=depth, load=load)
            return
        try:
            texts = await self._store.texts([task.task_id for task, *_ in chosen])
            assign = [
                self._assign(task, texts[task.task_id], keeper, self._assigned(task, keeper, choice, depth, load))
                for task, keeper, choice in chosen
            ]
            await asyncio.gather(*assign)
        finally:
            for task, *_ in chosen:
                self.queue.give_back(task.task_id)

    def consider(self, task: Task) -> Choice | None:
        """Whom it would be given to now, if it is for anyone and waits."""
        if task.to or task.state not in WAITING:
            return None
        at = time.time()
        seats = self._seats.look(self._around.clock.now(), at)
        contenders = [seat.contender for seat in seats.values()]
        return self._scheduler.get_best_bot_for_task(task.task_type, contenders, now=at)

    def _defer(self, at: float, *, strained: bool, depth: int, load: float) -> None:
        """Tell once of a task that comes to be the first in line and cannot be handed to anybody."""
        bots = [keeper.bot_id for keeper in self._roster]
        task = self.queue.first(bots, self._around.clock.now(), at, strained=strained)
        if task is None or task.task_id == self._deferred:
            return
        self._deferred = task.task_id
        limited = math.isfinite(self._seats.opens_at)
        deferred = ev.TaskDeferred(
            at=at,
            task_id=task.task_id,
            bot_id=task.to,
            kind="rate_limited" if limited else "deferred",
            reason="bots have as much as they work off" if limited else "nobody who may do it is free",
            queue_depth=depth,
            load=load,
        )
        self._record.remark(deferred)

    def _choose(self, task: Task, seats: Mapping[str, Seat], at: float) -> Choice:
        contenders = [seat.contender for seat in seats.values()]
        choice = self._scheduler.choose(
            task.task_type, contenders, priority=task.priority, now=at, chance=random.random()
        )
        assert choice is not None  # there is a seat
        return choice

    def _assigned(self, task: Task, keeper: Keeper, choice: Choice | None, depth: int, load: float) -> ev.TaskAssigned:
        attempt = task.attempt + 1
        return ev.TaskAssigned(
            at=time.time(),
            task_id=task.task_id,
            bot_id=keeper.bot_id,
            attempt=attempt,
            message_id=f"{task.task_id}.{attempt}",
            task_type=task.task_type,
            reasons=choice.reasons if choice else ("it is for this bot",),
            confidence=choice.confidence if choice else None,
            candidates=choice.candidates if choice else (),
            queue_depth=depth,
            load=load,
        )

    async def _assign(self, task: Task, text: str, keeper: Keeper, assigned: ev.TaskAssigned) -> None:
        command = cmd.SendMessage(bot_id=keeper.bot_id, text=text, sender=task.sender, message_id=assigned.message_id)
        try:
            await keeper.send(command, Errand(assigned, 1 + self._level(task, assigned.at)))
        except CommandRejected as refusal:
            self._seats.refused(keeper.bot_id, refusal.retry_after_s, self._around.clock.now())

    def _load(self) -> float:
        """The share of the bots that work."""
        running = [bot for bot in self._record.state.bots.values() if bot.state is BotState.RUNNING]
        return sum(bot.activity is not Activity.IDLE for bot in running) / len(running) if running else 0.0

    def _level(self, task: Task, at: float) -> int:
        """Its priority, by now."""
        return max(0, task.priority - int(max(0.0, at - task.created_at) // self._policy.ageing_s))

    # Taking back

    async def _take_back(self) -> None:
        """What is not begun, from bots that cannot begin it now; everything, from those that show no sign of life."""
        now, at, state = self._around.clock.now(), time.time(), self._record.state
        for bot_id in self.queue.bots_with_tasks():
            tasks, keeper, bot = self.queue.with_bot(bot_id), self._roster.find(bot_id), state.bots.get(bot_id)
            if keeper is None or bot is None:
                await self._record.add(*(put_back(task, at, f"there is no {bot_id} any more") for task in tasks))
                continue
            errands = keeper.errands()
            lost = [task for task in tasks if task.message_id not in errands]
            if lost:
                await self._record.add(*(put_back(task, at, f"{bot_id} does not have it") for task in lost))
            if not self._seats.is_alive(keeper, now):
                await self._end_leases(keeper)
            elif not keeps_tasks(bot, state.pauses, at):
                waiting = [task.message_id for task in tasks if task.state is TaskState.SCHEDULED]
                if waiting:
                    why = unavailable(bot, state.pauses, at) or f"it is {bot.state}"
                    await keeper.withdraw(waiting, f"{bot_id} takes none now: {why}")

    async def _end_leases(self, keeper: Keeper) -> None:
        tasks = self.queue.with_bot(keeper.bot_id)
        await keeper.withdraw([task.message_id for task in tasks], "its bot shows no sign of life")
        at, why = time.time(), f"no sign of life of {keeper.bot_id} for {self._lease_s:.0f} s"
        left = self.queue.with_bot(keeper.bot_id)
        for task in left:
            ends = [failed(task, at, why, self._policy) if has_begun(task) else put_back(task, at, why)]
            await self._record.add(*ends, *(lesson for end in ends for lesson in self._lessons.of(task, end)))
        for task in left:
            self._interrupt(keeper, task.message_id)

    @property
    def _lease_s(self) -> float:
        """No shorter than it takes to see that a bot lives."""
        liveness = self._around.settings.liveness
        return max(self._policy.lease_s, 2 * (liveness.period_s + liveness.timeout_s))

    async def _recall(self, task: Task, reason: str) -> bool:
        """Take it back from its bot: True if that had not begun it; otherwise its turn is interrupted if it is not its
        any more."""
        keeper = self._roster.find(task.bot_id)
        if keeper is None or task.message_id in await keeper.withdraw([task.message_id], reason):
            return True
        if self.queue.of_message(task.message_id) is None:
            self._interrupt(keeper, task.message_id)
        return False

    async def _recall_strays(self) -> None:
        """What bots have that is not theirs any more: the last supervisor ended before it could tell them."""
        for keeper in self._roster:
            strays = [message_id for message_id in keeper.errands() if self.queue.of_message(message_id) is None]
            taken = await keeper.withdraw(strays, "cancelled") if strays else frozenset()
            for message_id in set(strays) - taken:
                self._interrupt(keeper, message_id)

    def _interrupt(self, keeper: Keeper, message_id: str) -> None:
        """Nobody wants this answer any more; whether the bot hears of it changes nothing."""

        async def interrupt() -> None:
            with suppress(CommandRejected, BotUnreachable):
                await keeper.interrupt(message_id)

        doing = asyncio.create_task(interrupt())
        self._recalling.add(doing)
        doing.add_done_callback(self._recalling.discard)

    # Waiting

    async def _settle_needs(self) -> None:
        """What new tasks wait for may be done already."""
        if asked := self.queue.doubtful():
            self.queue.settle(asked, await self._store.states_of(asked))

    def _patience_s(self) -> float | None:
        """How long nothing happens by itself."""
        if not self.queue:
            return None
        due = self.queue.next_due
        soonest = min(self._seats.opens_at, math.inf if due is None else due)
        return max(0.01, min(LOOK_EVERY_S, soonest - self._around.clock.now()))

    async def submit(self, command: TaskOrder) -> cmd.Outcome:
        return await self.desk.submit(command)
