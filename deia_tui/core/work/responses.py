"""What the response file of a task is called, and what it says."""

import re
from collections.abc import Sequence
from datetime import datetime

from deia_tui.core.conversation import Parts, Tool
from deia_tui.core.text import clean
from deia_tui.core.work.tasks import Attempt, Task, TaskState

NOBODY = "HIVE"
"""Who answers for a task that no bot ever had."""
_MAX_PART = 40


def response_name(task: Task, ended: datetime) -> str:
    """`ended` is when it ended, in local time."""
    how = "complete" if task.state is TaskState.DONE else "failed"
    bot, sender, short = task.bot_id or NOBODY, _slug(task.sender), _slug(task.title.lower()) or _slug(task.task_id)
    return f"{ended:%Y-%m-%d-%H%M}-{bot}-{sender or 'HUMAN'}-RESPONSE-{short or 'task'}-{how}.md"


def response_text(task: Task, answer: str, modified: Sequence[str], attempts: Sequence[Attempt] = ()) -> str:
    """`answer` is all its bot said, `modified` are the files it changed, `attempts` are told of where it failed."""
    done = task.state is TaskState.DONE
    parts = [
        f"# Response: {clean(task.title)}",
        "\n".join(
            [
                f"**From:** {task.bot_id or NOBODY}",
                f"**To:** {clean(task.sender)}",
                f"**Task:** {task.task_id}",
                f"**Status:** {'✓ SUCCESS' if done else '✗ FAILED'}",
                f"**Duration:** {_duration(task)}",
            ]
        ),
        "## Output",
        answer.strip("\n") or "(nothing)",
        "## Files Modified",
        "\n".join(f"- {clean(path)}" for path in modified) or "(none)",
    ]
    if not done:
        parts += ["## Error", clean(_error(task)), *(["\n".join(map(_told, attempts))] if len(attempts) > 1 else [])]
    return "\n\n".join(parts) + "\n"


def modified_files(parts: Parts) -> list[str]:
    """The files that tool calls of a turn changed, each once, in their order."""
    calls = (part.call for part in parts if isinstance(part, Tool) and part.call.status == "completed")
    return list(dict.fromkeys(diff.path for call in calls for diff in call.diffs))


def _told(attempt: Attempt) -> str:
    return clean(f"- attempt {attempt.attempt}, {attempt.bot_id}: {attempt.outcome or 'open'} {attempt.error}").rstrip()


def _error(task: Task) -> str:
    return f"cancelled {task.error}".strip() if task.state is TaskState.CANCELLED else task.error or "unknown"


def _duration(task: Task) -> str:
    if task.started_at is None or task.ended_at is None:
        return "–"
    return f"{max(0.0, task.ended_at - task.started_at):.1f} s"


def _slug(text: str) -> str:
    """What can stand in a file's name, and does not end it."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text)[:_MAX_PART].strip("-")
