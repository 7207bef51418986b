"""Tells the operator what is new among the alerts: a toast each, and an alarm while something critical is open."""

import time
from collections.abc import Callable

from deia_tui.core.state import Alert, Snapshot
from deia_tui.core.text import clean
from deia_tui.ui.orders import Severity

_AT_ONCE, _PAUSE_S = 2, 3.0
_SEVERITIES: dict[str, Severity] = {"critical": "error", "warning": "warning"}


class Announcer:
    """Alerts that were open before the console came are on their pane; only later ones are announced.

    When bots fall in rows, the first ones are named and the others counted: toasts must not bury the screen.
    """

    def __init__(self, say: Callable[[str, Severity], None], alarm: Callable[[bool], None]) -> None:
        self._say = say
        self._alarm = alarm
        self._seen: int | None = None
        self._unsaid = 0
        self._silent_until = 0.0
        self._alarming = False

    def hear(self, snapshot: Snapshot) -> None:
        if not snapshot.seq:
            return
        alerts = [alert for alert in snapshot.state.alerts if alert.cleared_at is None]
        newest = max((alert.alert_id for alert in alerts), default=0)
        seen = newest if self._seen is None else self._seen
        self._seen = max(seen, newest)
        new = [alert for alert in alerts if alert.alert_id > seen]
        self._announce(new)
        self._sound(any(alert.level == "critical" for alert in new), any(alert.level == "critical" for alert in alerts))

    def _announce(self, new: list[Alert]) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            self._unsaid += len(new)
            return
        named = new[:_AT_ONCE]
        for alert in named:
            self._say(_sentence(alert), _SEVERITIES.get(alert.level, "information"))
        if others := self._unsaid + len(new) - len(named):
            self._say(f"{others} more alert{'' if others == 1 else 's'}", "warning")
        if new or self._unsaid:
            self._silent_until = now + _PAUSE_S
        self._unsaid = 0

    def _sound(self, new: bool, still: bool) -> None:
        if new or (self._alarming and not still):
            self._alarm(new)
        self._alarming = still and (self._alarming or new)


def _sentence(alert: Alert) -> str:
    return f"{clean(alert.bot_id or 'hive')}: {clean(alert.text)}"
