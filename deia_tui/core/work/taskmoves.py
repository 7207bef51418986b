"""The one table of how a task moves: which events it takes, and that stale ones change nothing.

    queued ─▶ scheduled ─▶ running ─▶ done
      ▲           │           │
      ├───────────┴───────────┤ put back: its bot ended, its lease ran out, its provider rests, a human wants it so
      │                       ▼
      └── retryable ◀── failed, and tries are left        no tries left ─▶ dead
    any that has not ended ─▶ cancelled        dead, cancelled ─▶ queued, by a human

Every assignment is an attempt with a number of its own, the fencing token: what is told of an earlier attempt changes
nothing. `tries` counts the attempts that are held against a task; one is counted when it begins, and given back if it
turns out to say nothing against the task.
"""

from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.work.tasks import ENDED, WAITING, WITH_BOT, Task, TaskState


def fold_task(task: Task | None, event: ev.TaskEvent) -> Task | None:
    """The task after an event of its own; the very object it was when the event is stale and changes nothing."""
    if task is None:
        return _created(event) if isinstance(event, ev.TaskQueued) else None
    match event:
        case ev.TaskAssigned() if task.state in WAITING and event.attempt == task.attempt + 1:
            taken = replace(task, bot_id=event.bot_id, message_id=event.message_id, started_at=None, held="")
            return replace(_moved(taken, TaskState.SCHEDULED, event.at), attempt=event.attempt, tries=task.tries + 1)
        case ev.TaskStarted() if _is_current(task, event) and task.state is TaskState.SCHEDULED:
            return replace(_moved(task, TaskState.RUNNING, event.at), started_at=event.at)
        case ev.TaskDone() if _is_current(task, event):
            return replace(_moved(task, TaskState.DONE, event.at), ended_at=event.at, error="")
        case ev.TaskPutBack() if _is_current(task, event):
            state = TaskState.RETRYABLE if event.not_before > event.at else TaskState.QUEUED
            back = replace(task, tries=task.tries - (not event.counted), held=event.held, error=event.reason)
            return replace(_moved(back, state, event.at), not_before=event.not_before)
        case ev.TaskDied() if event.attempt == task.attempt and task.state not in ENDED:
            return replace(_moved(task, TaskState.DEAD, event.at), ended_at=event.at, error=event.reason)
        case ev.TaskCancelled() if task.state not in ENDED:
            return replace(_moved(task, TaskState.CANCELLED, event.at), ended_at=event.at, error=f"by {event.by}")
        case ev.TaskChanged() if task.state not in ENDED:
            return replace(
                task,
                priority=task.priority if event.priority is None else event.priority,
                to=task.to if event.to is None else event.to,
                held=task.held if event.held is None else event.held,
            )
        case ev.TaskRevived() if task.state in (TaskState.DEAD, TaskState.CANCELLED, TaskState.RETRYABLE):
            revived = replace(task, tries=0, held="", not_before=0.0, ended_at=None, response="")
            return _moved(revived, TaskState.QUEUED, event.at)
        case ev.TaskFiled() if task.state in ENDED and not task.response:
            return replace(task, response=event.response)
        case _:
            return task


def _created(event: ev.TaskQueued) -> Task:
    return Task(
        task_id=event.task_id,
        title=event.title,
        text=event.text,
        sender=event.sender,
        to=event.to,
        priority=event.priority,
        task_type=event.task_type,
        after=event.after,
        source=event.source,
        held=event.held,
        created_at=event.at,
        since=event.at,
    )


def _is_current(task: Task, event: ev.TaskStarted | ev.TaskDone | ev.TaskPutBack) -> bool:
    return task.state in WITH_BOT and event.attempt == task.attempt


def _moved(task: Task, state: TaskState, at: float) -> Task:
    return replace(task, state=state, since=at)
