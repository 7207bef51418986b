from datetime import datetime

from deia_tui.core.conversation import Text, Tool
from deia_tui.core.turns import Diff, ToolCall, ToolStatus
from deia_tui.core.work.responses import modified_files, response_name, response_text
from deia_tui.core.work.tasks import Attempt, Task, TaskState

ENDED = datetime(2026, 1, 31, 9, 5)


def task(state: TaskState = TaskState.DONE, **changes: object) -> Task:
    facts = {"title": "Mend the login!", "sender": "Q33N", "bot_id": "BOT-001", "started_at": 10.0, "ended_at": 22.25}
    return Task(**{"task_id": "t-1", "text": "x", "created_at": 0.0, "since": 0.0, **facts, "state": state, **changes})  # type: ignore[arg-type]


def test_names() -> None:
    assert response_name(task(), ENDED) == "2026-01-31-0905-BOT-001-Q33N-RESPONSE-mend-the-login-complete.md"
    dead = task(TaskState.DEAD, sender="../../x y", title="é", bot_id="")
    assert response_name(dead, ENDED) == "2026-01-31-0905-HIVE-x-y-RESPONSE-t-1-failed.md"
    assert response_name(task(sender="…", title="…", task_id="…"), ENDED).endswith(
        "BOT-001-HUMAN-RESPONSE-task-complete.md"
    )


def test_what_a_success_says() -> None:
    assert response_text(task(), "\nIt works.\n", ["src/login.py"]) == (
        "# Response: Mend the login!\n\n"
        "**From:** BOT-001\n**To:** Q33N\n**Task:** t-1\n**Status:** ✓ SUCCESS\n**Duration:** 12.2 s\n\n"
        "## Output\n\nIt works.\n\n## Files Modified\n\n- src/login.py\n"
    )


def test_what_a_failure_says() -> None:
    dead = task(TaskState.DEAD, error="its tries are used up\x1b[31m", started_at=None)
    text = response_text(dead, "", [])
    assert "**Status:** ✗ FAILED\n**Duration:** –" in text
    assert text.endswith("## Output\n\n(nothing)\n\n## Files Modified\n\n(none)\n\n## Error\n\nits tries are used up\n")
    attempts = [
        Attempt(attempt=1, bot_id="BOT-001", message_id="m", assigned_at=0.0, outcome="failed", error="exit 1"),
        Attempt(attempt=2, bot_id="BOT-002", message_id="m", assigned_at=0.0),
    ]
    assert response_text(dead, "", [], attempts).endswith(
        "used up\n\n- attempt 1, BOT-001: failed exit 1\n- attempt 2, BOT-002: open\n"
    )
    assert response_text(dead, "", [], attempts[:1]) == text
    assert response_text(task(TaskState.CANCELLED, error="by human"), "", []).endswith("cancelled by human\n")
    assert response_text(task(TaskState.DEAD), "", []).endswith("unknown\n")


def test_files_that_tools_changed() -> None:
    def tool(path: str, status: ToolStatus = "completed") -> Tool:
        diff = Diff(path=path, old="", new="x")
        return Tool(ToolCall(call_id=path, tool="Edit", title="", status=status, diffs=(diff,)))

    assert modified_files((Text(("x",)), tool("b"), tool("a"), tool("b"), tool("c", "failed"))) == ["b", "a"]
