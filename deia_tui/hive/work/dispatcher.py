"""The only one who moves tasks: has each handed to a bot, hears from what is committed how it went, and has taken back
what a bot cannot do. That an answer lies in its file notes filing.py.

How a turn ended and what that means for its task are one transaction: see `_consequences`.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.scheduling.scheduler import Choice, Scheduler
from deia_tui.core.work.attempts import Circumstances, after_turn
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import WAITING, Task, TaskState
from deia_tui.core.work.view import BotWork
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.work.admission import Admission
from deia_tui.hive.work.handout import HandOut
from deia_tui.hive.work.lessons import Lessons
from deia_tui.hive.work.recall import Recall
from deia_tui.hive.work.seats import Seats
from deia_tui.hive.work.taskdesk import TaskDesk, TaskOrder
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
        self._store = store
        self._policy = policy
        self.queue = TaskQueue(found.tasks, ageing_s=policy.ageing_s, now=around.clock.now(), at=time.time())
        self._dead = found.dead
        self._revision = 0
        self._stirred = asyncio.Event()
        self._lessons = Lessons(scheduler, self.queue)
        self._seats = Seats(around, roster, self.queue, flow, lease_s=policy.lease_s)
        self._admission = Admission(self._record, self.queue, flow, self._seats.piece_s)
        self._recall = Recall(around, roster, self.queue, self._seats, self._lessons)
        self._hand_out = HandOut(around, roster, store, self.queue, self._seats, scheduler)
        self.desk = TaskDesk(self._record, store, self.queue, self._stirred.set, self._recall.one, self._admission)
        self._record.listen(self._note)
        self._record.follow(self._consequences)
        self._show()

    async def dispatch(self) -> None:
        """Until cancelled."""
        try:
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
                await self._recall.look()
                await self._hand_out.hand_out()
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

    # Waiting

    async def _settle_needs(self) -> None:
        """What new tasks wait for may be done already."""
        if asked := self.queue.doubtful():
            self.queue.settle(asked, await self._store.states_of(asked))

    def _patience_s(self) -> float | None:
        """How long nothing happens by itself."""
        if not self.queue and not self._recall.has_strays:
            return None
        due = self.queue.next_due
        soonest = min(self._seats.opens_at, math.inf if due is None else due)
        return max(0.01, min(LOOK_EVERY_S, soonest - self._around.clock.now()))

    async def submit(self, command: TaskOrder) -> cmd.Outcome:
        return await self.desk.submit(command)

    def consider(self, task: Task) -> Choice | None:
        """Whom it would be given to now, if it is for anyone and waits."""
        return self._hand_out.consider(task)
