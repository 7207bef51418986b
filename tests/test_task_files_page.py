"""What the page about task files says is so."""

import re
from pathlib import Path

import pytest

from deia_tui.core.errors import CommandRejected
from deia_tui.core.work.taskfiles import read_task
from deia_tui.core.work.tasknames import NEWS, WORK
from deia_tui.core.work.tasks import TaskType

PAGE = (Path(__file__).parent.parent / "docs" / "task-files.md").read_text(encoding="utf-8")
BOTS = frozenset({"BOT-001", "BOT-002"})


def test_the_example_is_a_task() -> None:
    column = "\n".join(line[4:38].rstrip() for line in PAGE.splitlines() if line.startswith("    "))
    text = column[column.index("---") :]
    task = read_task("x.md", text.encode(), known=BOTS)
    assert (task.sender, task.to, task.priority, task.task_id) == ("Q33N", "BOT-001", 1, "login-1")
    assert (task.task_type, task.after, task.title) == (TaskType.CODE, ("login-0",), "Mend the login")


def test_the_names_are_understood() -> None:
    names = re.findall(r"`(\S+\.md)`", PAGE)
    assert len(names) == 4
    to = [read_task(name, b"do it", known=BOTS).to for name in names]
    assert to == ["BOT-001", "BOT-001", "BOT-002", ""]


@pytest.mark.parametrize("kind", sorted(WORK | NEWS))
def test_kinds_are_as_the_page_says(kind: str) -> None:
    assert f"`{kind}`" in PAGE
    name = f"2026-01-31-0930-Q33N-BOT-001-{kind}-x.md"
    if kind in WORK:
        assert read_task(name, b"do it", known=BOTS).priority == (0 if kind == "URGENT" else 2)
    else:
        with pytest.raises(CommandRejected, match="asks for no work"):
            read_task(name, b"do it", known=BOTS)
