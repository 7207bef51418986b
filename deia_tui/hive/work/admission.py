"""Whether one more task for a certain bot is taken in: the sender of one too many keeps it and is told when to come
back. What is for anyone always is."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.commands import AddTask
from deia_tui.core.errors import CommandRejected
from deia_tui.core.load.flow import FlowPolicy, Gate
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.record import Record


class Admission:
    """`piece_s` tells how long a bot takes for a task, where that is known."""

    def __init__(
        self, record: Record, queue: TaskQueue, policy: FlowPolicy, piece_s: Callable[[str], float | None]
    ) -> None:
        self._record = record
        self._queue = queue
        self._policy = policy
        self._piece_s = piece_s
        self._gates: dict[str, Gate] = {}
        self._coming = Counter[str]()
        for bot_id in queue.addressees():
            self._gate(bot_id)

    def refuses(self, bot_id: str) -> bool:
        return bot_id in self._gates and self._gates[bot_id].is_shut

    def begin(self) -> None:
        """From here on orders are decided upon that are committed together."""
        self._coming.clear()

    def check(self, command: AddTask) -> None:
        """Raises CommandRejected (429) for one too many."""
        bot_id = command.to
        if not bot_id:
            return
        depth = self.depth(bot_id) + self._coming[bot_id]
        self._tell(bot_id, self._gate(bot_id).note(depth), depth)
        refusal = self._gate(bot_id).refusal(depth, priority=command.priority, piece_s=self._piece_s(bot_id))
        if refusal is None:
            self._coming[bot_id] += 1
            return
        at = time.time()
        refused = ev.TaskRefused(
            at=at,
            bot_id=bot_id,
            sender=command.sender,
            priority=command.priority,
            queue_depth=depth,
            retry_after_s=refusal.retry_after_s,
        )
        self._record.remark(refused)
        raise CommandRejected(
            f"Bot busy, please wait: {depth} tasks wait for {bot_id}, and it takes no more until fewer than "
            f"{self._policy.release_below} do.",
            status=429,
            retry_after_s=refusal.retry_after_s,
        )

    def depth(self, bot_id: str) -> int:
        """How many tasks wait for it: for it alone, or with it and not begun."""
        ahead = sum(task.state is TaskState.SCHEDULED for task in self._queue.with_bot(bot_id))
        return self._queue.addressed(bot_id) + ahead

    def review(self) -> None:
        """The queue has changed."""
        for bot_id in {*self._gates, *self._queue.addressees()}:
            depth = self.depth(bot_id)
            self._tell(bot_id, self._gate(bot_id).note(depth), depth)
            if not depth:
                del self._gates[bot_id]

    def _gate(self, bot_id: str) -> Gate:
        if bot_id not in self._gates:
            self._gates[bot_id] = Gate(self._policy, self.depth(bot_id))
        return self._gates[bot_id]

    def _tell(self, bot_id: str, kind: Literal["engaged", "released"] | None, depth: int) -> None:
        if kind is not None:
            self._record.remark(
                ev.PressureChanged(at=time.time(), bot_id=bot_id, kind=kind, what="tasks", queue_depth=depth)
            )
