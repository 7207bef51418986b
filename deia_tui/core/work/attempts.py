"""Decides what follows for a task from how an attempt at it ended: done, tried again at once or later, held, or dead.

An attempt is held against its task only when the task may be the reason: what a human, a stop, a pause of the provider
or a lost login ended says nothing against it. One that comes back so again and again waits longer each time: it goes
round for ever, but not as fast as it can.
"""

from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.backoff import backoff_s
from deia_tui.core.failures import CLASSES, OF_THE_AGENT, pause_s
from deia_tui.core.turns import Failure
from deia_tui.core.work.tasks import Task, TaskState

FREE_RETURNS = 10
"""So often a task may come back through no fault of its own, and be given to the next bot at once."""
INTERRUPTED = "interrupted by a human"
"""Why a task is held whose turn somebody ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPolicy:
    """A task is dead after `max_tries` that failed; between them it waits `backoff_base_s`, doubling up to
    `backoff_max_s`. A bot that shows no sign of life for `lease_s` loses its task; a task that waits rises by one
    priority every `ageing_s`."""

    max_tries: int = 4
    backoff_base_s: float = 5.0
    backoff_max_s: float = 300.0
    lease_s: float = 60.0
    ageing_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """`crashed`: the turn was cut because its bot died; `stopping`: its bot was being stopped; `has_provider`: its
    provider is left alone by others' means when it is overloaded."""

    crashed: bool = False
    stopping: bool = False
    has_provider: bool = True


Verdict = ev.TaskDone | ev.TaskPutBack | ev.TaskDied


def after_turn(task: Task, turn: ev.TurnEnded, around: Circumstances, policy: TaskPolicy, *, begun: bool) -> Verdict:
    """What the end of the turn of its newest attempt means; `begun`: its agent had been given it."""
    at, why = turn.at, turn.error or (CLASSES.get(turn.failure, "") if turn.failure else "") or turn.status
    match turn.status:
        case "answered":
            return ev.TaskDone(
                at=at,
                task_id=task.task_id,
                bot_id=task.bot_id,
                attempt=task.attempt,
                duration_s=turn.duration_s,
            )
        case "failed" if turn.failure is Failure.REQUEST:  # the next agent is given the very same words
            return _died(task, at, why, turn.failure, turn.duration_s)
        case "failed" if turn.failure in OF_THE_AGENT:
            alone = turn.failure is Failure.OVERLOAD and not around.has_provider
            rest_s = pause_s(turn.retry_after_s, None) if alone else 0.0
            rest_s = max(rest_s, _rest_s(task, policy))
            return _put_back(task, at, why, rest_s=rest_s, failure=turn.failure, duration_s=turn.duration_s)
        case "failed":
            return failed(task, at, why, policy, failure=turn.failure, duration_s=turn.duration_s)
        case "interrupted" if around.crashed and begun:
            return failed(task, at, why, policy, duration_s=turn.duration_s)
        case "interrupted" if turn.source_seq and not around.stopping and not around.crashed:
            return _put_back(task, at, INTERRUPTED, held=INTERRUPTED, duration_s=turn.duration_s)
        case _:
            return _put_back(task, at, why, rest_s=_rest_s(task, policy), duration_s=turn.duration_s)


def failed(
    task: Task, at: float, reason: str, policy: TaskPolicy, *, failure: Failure | None = None, duration_s: float = 0.0
) -> ev.TaskPutBack | ev.TaskDied:
    """The newest attempt counts as a failure: the task waits for its next, or has none left."""
    if task.tries >= policy.max_tries:
        return _died(task, at, f"{reason} (failed {task.tries} times)", failure, duration_s)
    rest_s = backoff_s(task.tries, base_s=policy.backoff_base_s, max_s=policy.backoff_max_s)
    return _put_back(task, at, reason, counted=True, rest_s=rest_s, failure=failure, duration_s=duration_s)


def put_back(task: Task, at: float, reason: str, policy: TaskPolicy) -> ev.TaskPutBack:
    """Its bot does not have it any more, through no fault of its own."""
    return _put_back(task, at, reason, rest_s=_rest_s(task, policy))


def has_begun(task: Task) -> bool:
    return task.state is TaskState.RUNNING


def _rest_s(task: Task, policy: TaskPolicy) -> float:
    """How long it waits that comes back uncounted."""
    too_many = task.attempt - task.tries + 1 - FREE_RETURNS
    if too_many <= 0:
        return 0.0
    return backoff_s(too_many, base_s=policy.backoff_base_s, max_s=policy.backoff_max_s)


def _put_back(
    task: Task,
    at: float,
    reason: str,
    *,
    counted: bool = False,
    rest_s: float = 0.0,
    failure: Failure | None = None,
    held: str = "",
    duration_s: float = 0.0,
) -> ev.TaskPutBack:
    return ev.TaskPutBack(
        at=at,
        task_id=task.task_id,
        bot_id=task.bot_id,
        attempt=task.attempt,
        reason=reason,
        counted=counted,
        not_before=at + rest_s if rest_s else 0.0,
        failure=failure,
        held=held,
        duration_s=duration_s,
    )


def _died(task: Task, at: float, reason: str, failure: Failure | None, duration_s: float) -> ev.TaskDied:
    return ev.TaskDied(
        at=at,
        task_id=task.task_id,
        bot_id=task.bot_id,
        attempt=task.attempt,
        reason=reason,
        failure=failure,
        duration_s=duration_s,
    )
