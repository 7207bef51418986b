"""bot-messaging.jsonl: a message on its way to its bot, and what became of it."""

from collections.abc import Iterator
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, body_of, rfc3339

FILE = "bot-messaging.jsonl"


class Messaging:
    """Senders of messages asked before are not known."""

    def __init__(self) -> None:
        self._senders: dict[str, str] = {}

    def lines(self, event: ev.Event) -> Iterator[Line]:
        details: dict[str, Any]
        match event:
            case ev.MessageQueued():
                self._senders[event.message_id] = event.sender
                name, status, details = "message_queued", "pending", body_of(event)
            case ev.MessageAccepted():
                name, status, details = "message_delivered", "delivered", {"run": event.run}
            case ev.TurnStarted():
                name, status, details = "message_read", "read", {"run": event.run}
            case ev.TurnEnded(status="failed" | "interrupted"):
                details = {"run": event.run, "ended": event.status, "error": event.error}
                name, status = "message_failed", "failed"
            case ev.TurnEnded():
                self._senders.pop(event.message_id, None)
                return
            case _:
                return
        yield (
            FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "message_id": event.message_id,
                "from_bot": self._senders.get(event.message_id),
                "to_bot": event.bot_id,
                "priority": None,
                "status": status,
                "details": details,
            },
        )
        if isinstance(event, ev.TurnEnded):
            self._senders.pop(event.message_id, None)
