"""The type of a task that names none."""

import pytest

from deia_tui.core.work.tasks import TaskType
from deia_tui.core.work.tasktypes import classify


@pytest.mark.parametrize(
    ("text", "title", "task_type"),
    [
        ("Fix the bug in the parser", "", TaskType.CODE),
        ("HARDENING: start now", "hardening-start-now", TaskType.CODE),
        ("Write tests for the parser", "", TaskType.TESTING),
        ("Update the README and the changelog", "", TaskType.DOCUMENTATION),
        ("Find out why it is slow: measure, compare", "", TaskType.ANALYSIS),
        ("A roadmap for the next sprint", "", TaskType.PLANNING),
        ("Translate this letter", "", TaskType.WRITING),
        ("code code", "Plan the release", TaskType.PLANNING),
        ("uname -a", "", TaskType.OTHER),
        ("", "", TaskType.OTHER),
        ("x" * 20_000 + " pytest", "", TaskType.OTHER),
    ],
)
def test_by_its_words(text: str, title: str, task_type: TaskType) -> None:
    assert classify(text, title) is task_type
