"""bot-messaging.jsonl: messages on their way to their bots, those of a chat and letters between bots, and what became
of them. The message by which a bot is given a letter is not told of a second time."""

from collections.abc import Iterator
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, body_of, rfc3339
from deia_tui.core.letters.letter import carries_letter

FILE = "bot-messaging.jsonl"

_ChatEvent = ev.MessageQueued | ev.MessageAccepted | ev.TurnStarted | ev.TurnEnded
_Step = tuple[str, str, dict[str, Any]]
"""(event, status, details)."""


class Messaging:
    """Senders and priorities of chat messages asked before are not known."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[str, int]] = {}

    def lines(self, event: ev.Event) -> Iterator[Line]:
        match event:
            case ev.MessageQueued() | ev.MessageAccepted() | ev.TurnStarted() | ev.TurnEnded():
                if not carries_letter(event.message_id):
                    yield from self._of_chat(event)
            case _ if isinstance(event, ev.LetterEvent) and (step := _of_letter(event)) is not None:
                yield _line(event.at, event.letter_id, event.from_bot, event.to_bot, event.priority, step)
            case ev.LettersCleaned():
                yield _line(event.at, None, None, None, None, ("cleanup_completed", "expired", {"count": event.count}))
            case _:
                return

    def _of_chat(self, event: _ChatEvent) -> Iterator[Line]:
        if isinstance(event, ev.MessageQueued):
            # Before all of P0 a bot has its human's messages: in its queue everything else stands one place lower.
            self._asked[event.message_id] = event.sender, event.priority - bool(event.task_id)
        sender, priority = self._asked.get(event.message_id, (None, None))
        if (step := _of_message(event)) is not None:
            yield _line(event.at, event.message_id, sender, event.bot_id, priority, step)
        if isinstance(event, ev.TurnEnded):
            self._asked.pop(event.message_id, None)


def _of_message(event: _ChatEvent) -> _Step | None:
    match event:
        case ev.MessageQueued():
            task = {"task_id": event.task_id} if event.task_id else {}
            return "message_queued", "pending", {**body_of(event), **task}
        case ev.MessageAccepted():
            return "message_delivered", "delivered", {"run": event.run}
        case ev.TurnStarted():
            return "message_read", "read", {"run": event.run}
        case ev.TurnEnded(status="failed" | "interrupted"):
            return "message_failed", "failed", {"run": event.run, "ended": event.status, "error": event.error}
        case ev.TurnEnded():  # pragma: no branch (exhaustive)
            return None


def _of_letter(event: ev.LetterEvent) -> _Step | None:
    match event:
        case ev.LetterSent():
            answered = {"reply_to": event.reply_to} if event.reply_to else {}
            return "message_queued", "pending", {**body_of(event), "expires_at": rfc3339(event.expires_at), **answered}
        case ev.LetterDelivered():
            return "message_delivered", "delivered", {"attempt": event.attempt}
        case ev.LetterRead():
            return "message_read", "read", {"by": event.by or event.to_bot}
        case ev.LetterReturned():
            tried = {"attempt": event.attempt, "counted": event.counted, "reason": event.reason}
            return "message_retry", "pending", tried
        case ev.LetterFailed():
            return "message_failed", "failed", {"error": event.reason}
        case ev.LetterExpired():
            return "message_expired", "expired", {}
        case ev.LetterHanded():  # pragma: no branch (exhaustive)
            return None


def _line(
    at: float, message_id: str | None, sender: str | None, to: str | None, priority: int | None, step: _Step
) -> Line:
    event, status, details = step
    return FILE, {
        "timestamp": rfc3339(at),
        "event": event,
        "message_id": message_id,
        "from_bot": sender,
        "to_bot": to,
        "priority": priority,
        "status": status,
        "details": details,
    }
