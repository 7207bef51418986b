"""The rows of work as the tables hold them: tasks, attempts, performance, letters, and how an event changes them."""

import json
import sqlite3
from dataclasses import fields
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.work.tasks import Attempt, Task, TaskState, TaskType

Values = tuple[Any, ...]

BRIEF = 400
"""Characters of its text that a task has in a list."""
_TASK = tuple(field.name for field in fields(Task) if field.name != "text")
TASK_COLUMNS = tuple("addressee" if name == "to" else name for name in _TASK)
TASK_CHANGES = (
    *("addressee", "priority", "state", "since", "attempt", "tries", "held", "not_before"),
    *("bot_id", "message_id", "started_at", "ended_at", "error", "response"),
)
"""The rest is as it was when the task was queued."""
TEXT_COLUMNS = ("task_id", "brief", "text")
ATTEMPT_COLUMNS = ("task_id", "attempt", "bot_id", "message_id", "assigned_at", "reasons", "confidence")
LETTER_COLUMNS = tuple(field.name for field in fields(Letter))
_PERFORMANCE = tuple(field.name for field in fields(Performance))
PERFORMANCE_COLUMNS = ("bot_id", "task_type", *_PERFORMANCE)


def task_values(task: Task) -> Values:
    """In the order of TASK_COLUMNS: without its text."""
    return tuple(json.dumps(task.after) if name == "after" else getattr(task, name) for name in _TASK)


def text_values(event: ev.TaskQueued) -> Values:
    """In the order of TEXT_COLUMNS."""
    return (event.task_id, event.text[:BRIEF], event.text)


def read_task(row: sqlite3.Row) -> Task:
    """From a row of tasks, and as much of the text as was asked for with it."""
    kept = {name: row["addressee" if name == "to" else name] for name in (*_TASK, "text")}
    kept["after"] = tuple(json.loads(row["after"]))
    kept["state"] = TaskState(row["state"])
    kept["task_type"] = TaskType(row["task_type"])
    return Task(**kept)


def attempt_values(event: ev.TaskAssigned) -> Values:
    """In the order of ATTEMPT_COLUMNS."""
    who = (event.task_id, event.attempt, event.bot_id, event.message_id, event.at)
    return (*who, json.dumps(event.reasons), event.confidence)


def read_attempt(row: sqlite3.Row) -> Attempt:
    kept = {field.name: row[field.name] for field in fields(Attempt)}
    return Attempt(**{**kept, "reasons": tuple(json.loads(row["reasons"]))})


def letter_values(letter: Letter) -> Values:
    return tuple(getattr(letter, name) for name in LETTER_COLUMNS)


def read_letter(row: sqlite3.Row) -> Letter:
    kept = {name: row[name] for name in LETTER_COLUMNS}
    return Letter(**{**kept, "state": LetterState(row["state"])})


def performance_values(event: ev.PerformanceRecorded) -> Values:
    """In the order of PERFORMANCE_COLUMNS."""
    return (event.bot_id, event.task_type, *(getattr(event.performance, name) for name in _PERFORMANCE))


def read_performance(row: sqlite3.Row) -> tuple[tuple[str, TaskType], Performance]:
    known = Performance(**{name: row[name] for name in _PERFORMANCE})
    return (row["bot_id"], TaskType(row["task_type"])), known


def outcome_of(event: ev.TaskDone | ev.TaskPutBack | ev.TaskDied) -> tuple[str, str]:
    """(outcome, error) of the attempt that ended so."""
    match event:
        case ev.TaskDone():
            return "done", ""
        case ev.TaskPutBack(counted=True):
            return "failed", event.reason
        case ev.TaskPutBack():
            return "put back", event.reason
        case ev.TaskDied():
            return "dead", event.reason
