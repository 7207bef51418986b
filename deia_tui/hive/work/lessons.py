"""What the scheduler learns from how attempts ended: recorded with the end itself, in one transaction."""

from collections import Counter
from collections.abc import Collection

from deia_tui.core import events as ev
from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.scheduling.scheduler import Scheduler, verdict
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import Task


class Lessons:
    def __init__(self, scheduler: Scheduler, queue: TaskQueue) -> None:
        self._scheduler = scheduler
        self._queue = queue
        self._tokens = Counter[str]()
        """By message, as far as it is committed."""

    def of(
        self,
        task: Task,
        end: ev.TaskDone | ev.TaskPutBack | ev.TaskDied,
        together_with: Collection[ev.Event] = (),
    ) -> list[ev.Event]:
        """To be committed beside the end of an attempt at `task`, and `together_with` what else is, other lessons
        included."""
        succeeded = verdict(end)
        if succeeded is None:
            return []
        now = sum(_tokens(event) for event in together_with if _is_of(event, task.message_id))
        lesson = self._scheduler.record_performance(
            task.bot_id,
            task.task_type,
            task.task_id,
            succeeded=succeeded,
            duration_s=end.duration_s,
            tokens=self._tokens[task.message_id] + now,
            at=end.at,
            before=_before(task, together_with),
        )
        return [lesson]

    def note(self, event: ev.Event) -> None:
        """This is committed."""
        match event:
            case ev.UsageReported(message_id=message_id) if self._queue.of_message(message_id) is not None:
                self._tokens[message_id] += _tokens(event)
            case ev.TurnEnded(message_id=message_id):
                self._tokens.pop(message_id, None)
            case _:
                self._scheduler.note(event)


def _before(task: Task, together_with: Collection[ev.Event]) -> Performance | None:
    """What a lesson that is not committed yet says of the same bot and type."""
    before, pair = None, (task.bot_id, task.task_type)
    for event in together_with:
        if isinstance(event, ev.PerformanceRecorded) and (event.bot_id, event.task_type) == pair:
            before = event.performance
    return before


def _is_of(event: ev.Event, message_id: str) -> bool:
    return isinstance(event, ev.UsageReported) and event.message_id == message_id


def _tokens(event: ev.Event) -> int:
    return event.usage.input_tokens + event.usage.output_tokens if isinstance(event, ev.UsageReported) else 0
