"""Hands tasks to bots: the first in line to those that have a seat, whom the scheduler chooses where there is a choice,
and takes one back from a bot that does not get to it when another has nothing to do."""

import asyncio
import math
import random
import time
from collections.abc import Mapping
from dataclasses import replace

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, BotState
from deia_tui.core.errors import CommandRejected
from deia_tui.core.scheduling.scheduler import Choice, Contender, Scheduler
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import LOW, URGENT, WAITING, Task, TaskState
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.mail import Errand
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.work.seats import Seat, Seats
from deia_tui.store.store import Store

MAX_AWAITING = 20
"""So many tasks at most are left waiting for better bots in one round."""
PATIENCE_S = 5.0
"""How long a task lies with a bot that has another to do, where nobody knows how long that one takes, before a bot that
has nothing to do gets it."""


class HandOut:
    def __init__(
        self,
        around: Surroundings,
        roster: Roster,
        store: Store,
        queue: TaskQueue,
        seats: Seats,
        scheduler: Scheduler,
    ) -> None:
        self._around = around
        self._record = around.record
        self._roster = roster
        self._store = store
        self._queue = queue
        self._seats = seats
        self._scheduler = scheduler
        self._policy = around.settings.task_policy()
        self._deferred = ""
        self._awaited: dict[str, str] = {}
        """Whom tasks wait for, though others are free."""
        self._relieved: set[str] = set()
        """Tasks that were taken back for the sake of whoever has nothing to do."""

    async def hand_out(self) -> None:
        """Give the first in line to the bots that may have one. Raises StoreError."""
        if not self._queue:
            return
        now, at = self._around.clock.now(), time.time()
        seats = self._seats.look(now, at)
        chosen = self._match(seats, LOW, now, at)
        taken = {seat.keeper.bot_id for _, seat, _ in chosen}
        chosen += self._match(self._seats.look_urgent(now, at, taken), URGENT, now, at)
        if not chosen:
            self._defer(now, at)
            await self._relieve(seats, at)
            return
        depth, load = self._record.snapshot.work.waiting, self._load()
        try:
            texts = await self._store.texts([task.task_id for task, *_ in chosen])
            assign = [
                self._assign(task, texts[task.task_id], seat.keeper, _assigned(task, seat, choice, depth, load))
                for task, seat, choice in chosen
            ]
            for failure in await asyncio.gather(*assign, return_exceptions=True):
                if failure is not None:
                    raise failure
        finally:
            for task, *_ in chosen:
                self._queue.give_back(task.task_id)

    def consider(self, task: Task) -> Choice | None:
        """Whom it would be given to now, if it is for anyone and waits."""
        if task.to or task.state not in WAITING:
            return None
        at = time.time()
        contenders = self._contenders(self._seats.look(self._around.clock.now(), at), at)
        return self._scheduler.get_best_bot_for_task(task.task_type, contenders.values(), now=at)

    def _match(
        self, seats: dict[str, Seat], worst: int, now: float, at: float
    ) -> list[tuple[Task, Seat, Choice | None]]:
        """Who gets what; one for each seat at most, and nothing less urgent than `worst`."""
        chosen: list[tuple[Task, Seat, Choice | None]] = []
        awaited: dict[str, str] = {}
        contenders = self._contenders(seats, at)
        while seats and len(awaited) < MAX_AWAITING:
            task = self._queue.first(seats, now, strained=self._is_strained, worst=worst)
            if task is None:
                break
            self._queue.take(task.task_id)
            choice = None if task.to else self._choose(task, seats, contenders, at)
            bot_id = choice.bot_id if choice else task.to
            if bot_id in contenders:
                contenders[bot_id] = replace(contenders[bot_id], in_hand=contenders[bot_id].in_hand + 1)
            if bot_id in seats:
                chosen.append((task, seats.pop(bot_id), choice))
            else:
                awaited[task.task_id] = bot_id
        for task_id in awaited:
            self._queue.give_back(task_id)
        self._awaited = awaited if worst == LOW else self._awaited
        return chosen

    def _choose(self, task: Task, seats: Mapping[str, Seat], contenders: Mapping[str, Contender], at: float) -> Choice:
        """One with a seat, or, unless it is urgent, one that is worth waiting for."""
        among = [one for bot_id, one in contenders.items() if bot_id in seats or task.priority != URGENT]
        if task.task_id in self._relieved:
            self._relieved.discard(task.task_id)
            among = [one for one in among if not one.in_hand] or among
        choice = self._scheduler.choose(task.task_type, among, priority=task.priority, now=at, chance=random.random())
        assert choice is not None  # there is a seat
        return choice

    def _contenders(self, seats: Mapping[str, Seat], at: float) -> dict[str, Contender]:
        """Those with a seat, and those at work."""
        return {one.bot_id: one for one in (*(seat.contender for seat in seats.values()), *self._seats.at_work(at))}

    async def _assign(self, task: Task, text: str, keeper: Keeper, assigned: ev.TaskAssigned) -> None:
        command = cmd.SendMessage(bot_id=keeper.bot_id, text=text, sender=task.sender, message_id=assigned.message_id)
        waited_s = self._queue.waited_s(task.task_id, self._around.clock.now())
        level = max(0, task.priority - int(waited_s // self._policy.ageing_s))
        try:
            await keeper.send(command, Errand(assigned, 1 + level))  # a human's messages go before all tasks
        except CommandRejected as refusal:
            self._seats.refused(keeper.bot_id, refusal.retry_after_s, self._around.clock.now())

    def _defer(self, now: float, at: float) -> None:
        """Tell once of a task that comes to be the first in line and cannot be handed to anybody."""
        bots = [keeper.bot_id for keeper in self._roster]
        task = self._queue.first(bots, now, strained=self._is_strained)
        if task is None or task.task_id == self._deferred:
            return
        self._deferred = task.task_id
        limited = math.isfinite(self._seats.opens_at)
        reason = "bots have as much as they work off" if limited else "nobody who may do it is free"
        if (better := self._awaited.get(task.task_id)) is not None:
            limited, reason = False, f"{better} is worth waiting for"
        deferred = ev.TaskDeferred(
            at=at,
            task_id=task.task_id,
            bot_id=task.to,
            kind="rate_limited" if limited else "deferred",
            reason=reason,
            queue_depth=self._record.snapshot.work.waiting,
            load=self._load(),
        )
        self._record.remark(deferred)

    async def _relieve(self, seats: Mapping[str, Seat], at: float) -> None:
        """Nothing waits for those who have nothing to do: they get what others have and do not get to."""
        idle = [seat for seat in seats.values() if not seat.contender.in_hand and not seat.contender.on_trial]
        for bot_id in self._queue.bots_with_tasks() if idle else ():
            task, keeper = self._stuck(bot_id, at), self._roster.find(bot_id)
            if task is None or keeper is None or not idle:
                continue
            idle.pop()
            self._relieved.add(task.task_id)
            if not await keeper.withdraw([task.message_id], "another bot has nothing to do"):
                self._relieved.discard(task.task_id)

    def _stuck(self, bot_id: str, at: float) -> Task | None:
        """The first task for anyone that this bot does not get to, since another takes longer than usual."""
        tasks = self._queue.with_bot(bot_id)
        if not any(task.state is TaskState.RUNNING for task in tasks):
            return None
        piece_s = self._seats.piece_s(bot_id)
        patience_s = PATIENCE_S if piece_s is None else max(1.0, 2 * piece_s)
        waiting = (task for task in tasks if task.state is TaskState.SCHEDULED and not task.to)
        return next((task for task in waiting if at - task.since > patience_s), None)

    def _load(self) -> float:
        """The share of the bots that work."""
        running = [bot for bot in self._record.state.bots.values() if bot.state is BotState.RUNNING]
        return sum(bot.activity is not Activity.IDLE for bot in running) / len(running) if running else 0.0

    @property
    def _is_strained(self) -> bool:
        return self._record.snapshot.work.strain != "healthy"


def _assigned(task: Task, seat: Seat, choice: Choice | None, depth: int, load: float) -> ev.TaskAssigned:
    attempt = task.attempt + 1
    return ev.TaskAssigned(
        at=time.time(),
        task_id=task.task_id,
        bot_id=seat.keeper.bot_id,
        attempt=attempt,
        message_id=f"{task.task_id}.{attempt}",
        task_type=task.task_type,
        reasons=choice.reasons if choice else ("it is for this bot",),
        confidence=choice.confidence if choice else None,
        candidates=choice.candidates if choice else (),
        queue_depth=depth,
        load=load,
    )
