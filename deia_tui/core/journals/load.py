"""load-management.jsonl: which bot got a task, which task had to wait for one, and bots started or drained for the
load."""

from collections.abc import Iterator
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, rfc3339

FILE = "load-management.jsonl"


class LoadManagement:
    def lines(self, event: ev.Event) -> Iterator[Line]:
        task_id: str | None = None
        details: dict[str, Any]
        match event:
            case ev.TaskAssigned():
                name, task_id = "assigned", event.task_id
                details = {"attempt": event.attempt, "confidence": event.confidence, "reasons": list(event.reasons)}
            case ev.TaskDeferred():
                name, task_id, details = event.kind, event.task_id, {"reason": event.reason}
            case ev.Scaled():
                name = "scaled_down" if event.direction == "down" else "scaled_up"
                details = {"template": event.template, "reason": event.reason}
                details |= {"replaces": True} if event.direction == "replace" else {}
            case _:
                return
        yield (
            FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "bot_id": event.bot_id or None,
                "task_id": task_id,
                "queue_depth": event.queue_depth,
                "load": round(event.load, 2),
                "details": details,
            },
        )
