"""The lines of the hive-wide logs about messages, alerts, approvals and backpressure, and what must be remembered from
one event to the next to write them: who sent a message, what an alert was about, how much waits for a bot."""

from collections.abc import Iterator
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, body_of, registry_action, request_of, rfc3339, route
from deia_tui.core.redact import redact
from deia_tui.core.state import REPLACED, HiveState
from deia_tui.core.turns import PermissionRequest

MESSAGING_FILE = "bot-messaging.jsonl"
HEALTH_FILE = "health-alerts.jsonl"
BACKPRESSURE_FILE = "backpressure.jsonl"
APPROVALS_FILE = "approvals.jsonl"
ENGAGED_AT = 10
"""So many messages waiting for one bot are too many …"""
RELEASED_BELOW = 5
"""… until there are fewer than these."""


class Chronicle:
    """For the events of one hive, in order; `state` is the one before the first of them. Senders of messages asked
    before are not known. `registry_version` counts the changes of registry.json."""

    def __init__(self, state: HiveState, *, registry_version: int) -> None:
        self.registry_version = registry_version
        self._senders: dict[str, str] = {}
        self._alerts = {alert.alert_id: (alert.kind, alert.level) for alert in state.alerts if not alert.cleared_at}
        self._waiting = {bot_id: {message_id for message_id, _ in bot.queued} for bot_id, bot in state.bots.items()}
        self._asked = {one.request.request_id: (one.asked_at, one.request) for one in state.approvals}
        self._engaged = {bot_id for bot_id, waiting in self._waiting.items() if len(waiting) >= ENGAGED_AT}

    def lines(self, event: ev.Event) -> list[Line]:
        """Everything to be written because of `event`."""
        self.registry_version += registry_action(event) is not None
        more = [*self._messaging(event), *self._health(event), *self._backpressure(event), *self._approvals(event)]
        return [*route(event, registry_version=self.registry_version), *((file, redact(row)) for file, row in more)]

    def _messaging(self, event: ev.Event) -> Iterator[Line]:
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
            MESSAGING_FILE,
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

    def _health(self, event: ev.Event) -> Iterator[Line]:
        match event:
            case ev.AlertRaised():
                self._alerts[event.alert_id] = event.kind, event.level
                name = "critical_alert" if event.level == "critical" else "alert_triggered"
                metric, level, value, threshold = event.kind, str(event.level), event.value, event.threshold
                action = event.action
            case ev.AlertCleared() if event.alert_id in self._alerts:
                metric, level = self._alerts.pop(event.alert_id)
                if event.reason == REPLACED:
                    return
                name, value, threshold, action = "recovery_detected", None, None, ""
            case _:
                return
        yield (
            HEALTH_FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "alert_level": level,
                "component": "hive" if event.bot_id is None else "bot",
                "metric": metric,
                "current_value": None if value is None else round(value, 1),
                "threshold": threshold,
                "recommended_action": action,
                "bot_id": event.bot_id,
            },
        )

    def _approvals(self, event: ev.Event) -> Iterator[Line]:
        """Who was asked for leave, and who gave it; the store has what was asked word for word."""
        request: PermissionRequest | None
        match event:
            case ev.PermissionAsked(request=request):
                self._asked[request.request_id] = event.at, request
                name, request_id, outcome, by, waited_s = "asked", request.request_id, None, None, None
            case ev.PermissionAnswered(request_id=request_id):
                asked_at, request = self._asked.pop(request_id, (None, None))
                waited_s = None if asked_at is None else round(max(0.0, event.at - asked_at), 3)
                name, outcome, by = "answered", event.outcome, event.by or None
            case _:
                return
        yield (
            APPROVALS_FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "request_id": request_id,
                "bot_id": event.bot_id,
                **({} if request is None else request_of(request)),
                "outcome": outcome,
                "by": by,
                "waited_s": waited_s,
            },
        )

    def _backpressure(self, event: ev.Event) -> Iterator[Line]:
        sender: str | None = None
        retry_after_s: float | None = None
        match event:
            case ev.MessageRefused():
                sender, retry_after_s = event.sender, event.retry_after_s
                name: str | None = "refused"
            case ev.MessageQueued():
                self._waiting.setdefault(event.bot_id, set()).add(event.message_id)
                name = self._pressure(event.bot_id)
            case ev.TurnStarted() | ev.TurnEnded():
                self._waiting.setdefault(event.bot_id, set()).discard(event.message_id)
                name = self._pressure(event.bot_id)
            case _:
                return
        if name is None:
            return
        yield (
            BACKPRESSURE_FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "bot_id": event.bot_id,
                "queue_depth": len(self._waiting.get(event.bot_id, ())),
                "sender": sender,
                "priority": None,
                "retry_after_s": retry_after_s,
            },
        )

    def _pressure(self, bot_id: str) -> str | None:
        """What the number of waiting messages means, where it means something new."""
        depth = len(self._waiting[bot_id])
        if depth >= ENGAGED_AT and bot_id not in self._engaged:
            self._engaged.add(bot_id)
            return "engaged"
        if depth < RELEASED_BELOW and bot_id in self._engaged:
            self._engaged.discard(bot_id)
            return "released"
        return None
