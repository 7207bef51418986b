"""health-alerts.jsonl: an alert, what it is about, and its end."""

from collections.abc import Iterator

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, rfc3339
from deia_tui.core.state import REPLACED, HiveState

FILE = "health-alerts.jsonl"


class HealthAlerts:
    def __init__(self, state: HiveState) -> None:
        self._alerts = {alert.alert_id: (alert.kind, alert.level) for alert in state.alerts if not alert.cleared_at}

    def lines(self, event: ev.Event) -> Iterator[Line]:
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
            FILE,
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
