"""What waits to be done, and in which order: an index of every task that has not ended, without their texts.

It changes only by events that are committed, in O(log n). A task that waits rises by one priority every `ageing_s`, so
its place is fixed the moment it comes: when that was + ageing_s · priority. It is not ready while it is held, rests
after a failure, or waits for another one to be done; one that died or was cancelled keeps it waiting, and so does one
that nobody knows yet. Seconds of `now` are those of one monotonic clock, passed in, and they alone decide about the
order, for the other one may be set; all other times are unix seconds.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.work.heap import Heap
from deia_tui.core.work.taskmoves import fold_task
from deia_tui.core.work.tasks import ENDED, LOW, PRIORITIES, WAITING, WITH_BOT, Task, TaskState

_Lane = tuple[str, int]
"""(addressee, priority): in one lane the oldest is first."""


class TaskQueue:
    def __init__(self, tasks: Iterable[Task] = (), *, ageing_s: float, now: float = 0.0, at: float = 0.0) -> None:
        """`tasks` are those that have not ended; `now` and `at` are the same moment on both clocks."""
        self._ageing_s = ageing_s
        self._tasks: dict[str, Task] = {}
        self._lanes: dict[_Lane, Heap] = {}
        self._lane_of: dict[str, _Lane] = {}
        self._taken: set[str] = set()
        self._resting = Heap()
        self._unmet: dict[str, set[str]] = {}
        self._needed_by: dict[str, set[str]] = {}
        self._doubtful: set[str] = set()
        self._by_message: dict[str, str] = {}
        self._with_bot: dict[str, dict[str, None]] = {}
        self._counts = Counter[TaskState]()
        self._held = 0
        self._addressed = Counter[str]()
        self._ages = Heap()
        self._came: dict[str, float] = {}
        """By `now`; no two at the same time."""
        self._latest = -math.inf
        found = list(tasks)
        newest = max([at, *(task.created_at for task in found)])
        for task in found:
            self._came[task.task_id] = now - (newest - task.created_at)
            rest_s = min(task.not_before - task.since, task.not_before - at)
            self._keep(replace(task, text=""), now + rest_s)
            self._require(task)

    # What it is asked

    def __len__(self) -> int:
        """How many have not ended."""
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def get(self, task_id: str) -> Task | None:
        """One that has not ended."""
        return self._tasks.get(task_id)

    def of_message(self, message_id: str) -> Task | None:
        """The task that a bot has by this message now."""
        return self._tasks.get(self._by_message.get(message_id, ""))

    def with_bot(self, bot_id: str) -> list[Task]:
        """Handed to it, begun or not, in the order of their assignment."""
        return [self._tasks[task_id] for task_id in self._with_bot.get(bot_id, ())]

    def bots_with_tasks(self) -> list[str]:
        return list(self._with_bot)

    def addressed(self, bot_id: str) -> int:
        """How many wait for this bot alone."""
        return self._addressed[bot_id]

    def addressees(self) -> list[str]:
        """The bots that tasks wait for by name."""
        return [bot_id for bot_id, count in self._addressed.items() if bot_id and count]

    def count(self, *states: TaskState) -> int:
        return sum(self._counts[state] for state in states)

    @property
    def held(self) -> int:
        return self._held

    @property
    def ready(self) -> int:
        """How many could be begun at once if there was a bot for them."""
        return len(self._lane_of)

    @property
    def ready_for_anyone(self) -> int:
        """How many any bot more could begin at once, those included that wait behind others with theirs."""
        behind = (task for bot_id in self._with_bot for task in self.with_bot(bot_id)[1:])
        moves = sum(task.state is TaskState.SCHEDULED and not task.to for task in behind)
        return moves + sum(len(self._lanes.get(("", priority), ())) for priority in PRIORITIES)

    @property
    def oldest_at(self) -> float | None:
        """When the one that has waited longest was created."""
        oldest = self._ages.first()
        return oldest[0] if oldest else None

    @property
    def next_due(self) -> float | None:
        """When the next rest after a failure ends."""
        soonest = self._resting.first()
        return soonest[0] if soonest else None

    def unmet(self, task_id: str) -> frozenset[str]:
        """The tasks it waits for."""
        return frozenset(self._unmet.get(task_id, ()))

    def waited_s(self, task_id: str, now: float) -> float:
        """How long one that has not ended is here."""
        return max(0.0, now - self._came[task_id])

    def circle(self, task_id: str, after: Collection[str]) -> list[str]:
        """The way on which a new task with these needs would wait for itself; [] where it would not."""
        paths = [[task_id, need] for need in after]
        seen: set[str] = set()
        while paths:
            path = paths.pop()
            if path[-1] == task_id:
                return path
            if path[-1] in seen:
                continue
            seen.add(path[-1])
            task = self._tasks.get(path[-1])
            paths += [[*path, need] for need in (task.after if task else ())]
        return []

    # Who is next

    def first(self, bots: Iterable[str], now: float, *, strained: bool = False, worst: int = LOW) -> Task | None:
        """The first that is ready, of those for anyone and those for one of `bots`, none of a priority below `worst`.

        `strained`: what is least urgent (P3) waits until it has risen.
        """
        self._end_rests(now)
        best: tuple[float, str] | None = None
        for addressee in ("", *bots):
            for priority in PRIORITIES[: worst + 1]:
                lane = self._lanes.get((addressee, priority))
                head = lane.first() if lane else None
                if head is None:
                    continue
                came, task_id = head
                if strained and priority == LOW and now - came < self._ageing_s:
                    continue
                key = (came + self._ageing_s * priority, task_id)
                best = key if best is None or key < best else best
        return self._tasks[best[1]] if best else None

    def take(self, task_id: str) -> None:
        """Nobody else may have it while it is being assigned; a TaskAssigned or `give_back` ends that."""
        self._taken.add(task_id)
        self._displace(task_id)

    def give_back(self, task_id: str) -> None:
        """It was not assigned after all."""
        self._taken.discard(task_id)
        task = self._tasks.get(task_id)
        if task is not None:
            self._place(task)

    # What happens to it

    def note(self, event: ev.TaskEvent, now: float) -> bool:
        """What is committed; False when it changes nothing here."""
        old = self._tasks.get(event.task_id)
        new = fold_task(old, event)
        if new is None or new is old:
            return False
        if old is not None and any({old.state, new.state} <= states for states in (WITH_BOT, ENDED)):
            self._tasks[new.task_id] = replace(new, text="")  # it stays where it is
            self._counts[old.state] -= 1
            self._counts[new.state] += 1
            return True
        if old is not None:
            self._drop(old)
        if new.state in ENDED:
            self._forget(new)
        else:
            if new.task_id not in self._came:
                self._latest = self._came[new.task_id] = max(now, math.nextafter(self._latest, math.inf))
            self._keep(replace(new, text=""), now + new.not_before - event.at)
            if old is None:
                self._require(new)
        return True

    def revive(self, task: Task) -> None:
        """An ended one that is to be queued again: it is known here until its TaskRevived comes."""
        self._tasks[task.task_id] = replace(task, text="")
        self._counts[task.state] += 1
        self._require(task)

    def let_go(self, task_id: str) -> None:
        """It was not revived after all."""
        task = self._tasks.get(task_id)
        if task is not None and task.state in ENDED:
            self._drop(task)
            self._forget(task)

    def doubtful(self) -> frozenset[str]:
        """Needed tasks that are not here: they may be done, have died, or never have been. Tell by `settle`."""
        return frozenset(self._doubtful)

    def settle(self, asked: Collection[str], states: Mapping[str, TaskState]) -> None:
        """How those stand in the store, as far as it knows them."""
        self._doubtful.difference_update(asked)
        for task_id, state in states.items():
            if state is TaskState.DONE:
                self._meet(task_id)

    # Bookkeeping

    def _keep(self, task: Task, due: float) -> None:
        self._tasks[task.task_id] = task
        self._counts[task.state] += 1
        if task.state in WITH_BOT:
            self._taken.discard(task.task_id)
            self._by_message[task.message_id] = task.task_id
            self._with_bot.setdefault(task.bot_id, {})[task.task_id] = None
            return
        self._held += bool(task.held)
        self._addressed[task.to] += 1
        self._ages.put(task.task_id, task.created_at)
        if task.state is TaskState.RETRYABLE:
            self._resting.put(task.task_id, due)
        self._place(task)

    def _drop(self, task: Task) -> None:
        """The reverse of `_keep`."""
        self._counts[task.state] -= 1
        self._displace(task.task_id)
        if task.state in WITH_BOT:
            self._by_message.pop(task.message_id, None)
            theirs = self._with_bot[task.bot_id]
            del theirs[task.task_id]
            if not theirs:
                del self._with_bot[task.bot_id]
        elif task.state in WAITING:
            self._held -= bool(task.held)
            self._addressed[task.to] -= 1
            self._ages.discard(task.task_id)
            self._resting.discard(task.task_id)

    def _forget(self, task: Task) -> None:
        self._tasks.pop(task.task_id, None)
        self._came.pop(task.task_id, None)
        self._taken.discard(task.task_id)
        for need in self._unmet.pop(task.task_id, ()):
            self._needed_by[need].discard(task.task_id)
            if not self._needed_by[need]:
                del self._needed_by[need]
        if task.state is TaskState.DONE:
            self._meet(task.task_id)

    def _require(self, task: Task) -> None:
        """It waits for its needs, of which some may be done already."""
        if not task.after:
            return
        self._unmet[task.task_id] = set(task.after)
        self._displace(task.task_id)
        for need in task.after:
            self._needed_by.setdefault(need, set()).add(task.task_id)
            self._doubtful.add(need)

    def _meet(self, task_id: str) -> None:
        for waiting in self._needed_by.pop(task_id, ()):
            self._unmet[waiting].discard(task_id)
            if not self._unmet[waiting]:
                del self._unmet[waiting]
                self._place(self._tasks[waiting])

    def _place(self, task: Task) -> None:
        """Into its lane, if it is ready."""
        blocked = task.held or task.task_id in self._resting or self._unmet.get(task.task_id)
        if task.state in WAITING and task.task_id not in self._taken and not blocked:
            lane = self._lane_of[task.task_id] = (task.to, task.priority)
            self._lanes.setdefault(lane, Heap()).put(task.task_id, self._came[task.task_id])

    def _displace(self, task_id: str) -> None:
        lane = self._lane_of.pop(task_id, None)
        if lane is not None:
            self._lanes[lane].discard(task_id)
            if not self._lanes[lane]:
                del self._lanes[lane]

    def _end_rests(self, now: float) -> None:
        while (soonest := self._resting.first()) is not None and soonest[0] <= now:
            task_id = soonest[1]
            self._resting.discard(task_id)
            self._place(self._tasks[task_id])
