"""What a task is: the words of everything that deals with work. How it moves says taskmoves.py."""

from dataclasses import dataclass
from enum import StrEnum

URGENT, HIGH, NORMAL, LOW = 0, 1, 2, 3
PRIORITIES = (URGENT, HIGH, NORMAL, LOW)
"""P0 to P3."""

HUMAN = "HUMAN"
"""The sender of a task that names none."""


class TaskState(StrEnum):
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    """Handed to a bot that has not begun it."""
    RUNNING = "running"
    RETRYABLE = "retryable"
    """Failed, and waits for its next try."""
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


WAITING = frozenset({TaskState.QUEUED, TaskState.RETRYABLE})
WITH_BOT = frozenset({TaskState.SCHEDULED, TaskState.RUNNING})
ENDED = frozenset({TaskState.DONE, TaskState.DEAD, TaskState.CANCELLED})


class TaskType(StrEnum):
    CODE = "code"
    ANALYSIS = "analysis"
    WRITING = "writing"
    PLANNING = "planning"
    TESTING = "testing"
    DOCUMENTATION = "documentation"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work. Times are unix seconds.

    `to` is the bot it is for, "" for anyone; `after` are tasks that must be done before; `held` says why it is kept
    back, or is "". `source` is the file it came from, relative to hive/tasks, `response` the name of its answer's file
    in hive/responses once that is written. `bot_id` and `message_id` are of the newest attempt, `since` is when it came
    into its state, `not_before` when it may be tried again.
    """

    task_id: str
    title: str
    text: str
    sender: str = HUMAN
    to: str = ""
    priority: int = NORMAL
    task_type: TaskType = TaskType.OTHER
    after: tuple[str, ...] = ()
    source: str = ""
    created_at: float
    state: TaskState = TaskState.QUEUED
    since: float
    attempt: int = 0
    tries: int = 0
    held: str = ""
    not_before: float = 0.0
    bot_id: str = ""
    message_id: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    error: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One assignment of a task. `outcome`: "" while it goes on, else done, failed, put back, cancelled, dead.

    `reasons` are the scheduler's for this bot, `confidence` its estimate that the attempt succeeds (0 to 1). Tokens and
    cost are what its agent has reported by now; None where it reports none.
    """

    attempt: int
    bot_id: str
    message_id: str
    assigned_at: float
    started_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""
    error: str = ""
    reasons: tuple[str, ...] = ()
    confidence: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bot that was considered for a task; the highest score is chosen."""

    bot_id: str
    score: float


def read_priority(text: str) -> int:
    """P1, p1 or 1 → 1; raises ValueError with a sentence."""
    digit = text.strip().upper().removeprefix("P")
    if digit not in [str(priority) for priority in PRIORITIES]:
        raise ValueError(f"'{text[:20]}' is no priority: use P0 (urgent), P1, P2 or P3.")
    return int(digit)
