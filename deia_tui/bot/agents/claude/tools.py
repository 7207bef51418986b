"""How Claude Code's tools are shown: what kind each is, one line of what it does, the change it makes to a file, and
the plan that some of them keep."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from deia_tui.core.turns import Diff, PlanEntry, ToolKind

Input = Mapping[str, Any]

_KINDS: dict[str, ToolKind] = {
    "Bash": "execute",
    "BashOutput": "execute",
    "KillShell": "execute",
    "Read": "read",
    "Edit": "edit",
    "MultiEdit": "edit",
    "Write": "edit",
    "NotebookEdit": "edit",
    "Glob": "search",
    "Grep": "search",
    "WebFetch": "fetch",
    "WebSearch": "fetch",
    "Task": "think",
    "Agent": "think",
    "EnterPlanMode": "switch_mode",
    "ExitPlanMode": "switch_mode",
}
_SUBJECTS = (
    "command",
    "file_path",
    "notebook_path",
    "url",
    "query",
    "pattern",
    "skill",
    "description",
    "subject",
    "path",
)
"""What a tool is used on, by the names in its input: the first that is there is shown."""
_LONGEST_SUBJECT = 200
_Status = Literal["pending", "in_progress", "completed"]


def kind_of(tool: str) -> ToolKind:
    return _KINDS.get(tool, "other")


def subject_of(given: Input, folder: Path) -> str:
    """One line; paths inside `folder` are shown without it."""
    found = next((given[name] for name in _SUBJECTS if isinstance(given.get(name), str)), "")
    first, *more = found.strip().splitlines() or [""]
    if first.startswith(f"{folder}/"):
        first = first[len(str(folder)) + 1 :]
    return first[:_LONGEST_SUBJECT] + (" …" if more or len(first) > _LONGEST_SUBJECT else "")


def title_of(tool: str, given: Input, folder: Path) -> str:
    """As Claude Code shows it: "Bash(git status)"."""
    subject = subject_of(given, folder)
    return f"{tool}({subject})" if subject else tool


def text_of(given: Input) -> str:
    return json.dumps(given, ensure_ascii=False) if given else ""


def diffs_of(tool: str, given: Input, before: str = "") -> tuple[Diff, ...]:
    """`before` is what was in the file that is written anew, as far as that is known."""
    path = given.get("file_path")
    if not isinstance(path, str):
        return ()
    edits = given.get("edits") if tool == "MultiEdit" else [given]
    match tool:
        case "Write":
            return (Diff(path=path, old=before, new=str(given.get("content", ""))),)
        case "Edit" | "MultiEdit" if isinstance(edits, list):
            return tuple(
                Diff(path=path, old=str(edit.get("old_string", "")), new=str(edit.get("new_string", "")))
                for edit in edits
                if isinstance(edit, dict)
            )
        case _:
            return ()


def result_text(content: Any) -> str:
    """The text in a tool's result: a string, or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block["text"]) for block in blocks if isinstance(block, dict) and "text" in block)


class Plan:
    """The plan of one conversation, kept by whichever tools this version of Claude Code has for it."""

    TOOLS = frozenset({"TodoWrite", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet"})

    def __init__(self) -> None:
        self._entries: dict[str, PlanEntry] = {}

    @property
    def entries(self) -> tuple[PlanEntry, ...]:
        return tuple(self._entries.values())

    def take(self, tool: str, given: Input, found: Any) -> bool:
        """`found` is what came of the tool; returns whether the plan is another now."""
        before = self.entries
        match tool, found:
            case "TodoWrite", _:
                self._entries = _entries(given.get("todos"), "content")
            case "TaskList", {"tasks": tasks}:
                self._entries = _entries(tasks, "subject")
            case "TaskCreate", {"task": {"id": str() as key, "subject": str() as subject}}:
                self._entries[key] = PlanEntry(content=subject)
            case "TaskUpdate", {"taskId": str() as key, "success": True} if key in self._entries:
                self._update(key, given)
        return self.entries != before

    def _update(self, key: str, given: Input) -> None:
        if given.get("status") == "deleted":
            del self._entries[key]
            return
        old = self._entries[key]
        content = str(given.get("subject") or old.content)
        self._entries[key] = PlanEntry(content=content, status=_status(given.get("status"), old.status))


def _entries(listed: Any, name: str) -> dict[str, PlanEntry]:
    return {
        str(item.get("id", number)): PlanEntry(content=str(item.get(name, "")), status=_status(item.get("status")))
        for number, item in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(item, dict)
    }


def _status(status: Any, otherwise: _Status = "pending") -> _Status:
    return status if status in get_args(_Status) else otherwise
