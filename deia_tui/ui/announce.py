"""Tells the operator what is new: a toast for each alert and for what each bot asks leave for, an alarm while something
critical is open."""

import time
from collections.abc import Callable, Sequence

from deia_tui.core.state import Alert, Approval, Snapshot
from deia_tui.core.text import clean, shorten
from deia_tui.core.wording import wanted
from deia_tui.ui.orders import Severity

_AT_ONCE, _PAUSE_S = 2, 3.0
_SEVERITIES: dict[str, Severity] = {"critical": "error", "warning": "warning"}


class Announcer:
    """What was open before the console came is on its panes; only what came later is announced.

    When bots fall in rows, the first ones are named and the others counted: toasts must not bury the screen.
    """

    def __init__(
        self, say: Callable[[str, Severity], None], alarm: Callable[[bool], None], ring: Callable[[], None]
    ) -> None:
        self._say = say
        self._alarm = alarm
        self._ring = ring
        self._asked: frozenset[str] | None = None
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
        asks = self._new_requests(snapshot.state.approvals)
        self._announce(
            [*((_asks(one), "warning") for one in asks), *((_sentence(alert), _severity(alert)) for alert in new)]
        )
        if asks:
            self._ring()
        self._sound(any(alert.level == "critical" for alert in new), any(alert.level == "critical" for alert in alerts))

    def _new_requests(self, approvals: Sequence[Approval]) -> list[Approval]:
        """Those that nobody was told of: each request is announced once."""
        known = self._asked
        self._asked = frozenset(one.request.request_id for one in approvals)
        return [] if known is None else [one for one in approvals if one.request.request_id not in known]

    def _announce(self, new: Sequence[tuple[str, Severity]]) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            self._unsaid += len(new)
            return
        named = new[:_AT_ONCE]
        for sentence, severity in named:
            self._say(sentence, severity)
        if others := self._unsaid + len(new) - len(named):
            self._say(f"… and {others} more: ! shows alerts, p requests", "warning")
        if new or self._unsaid:
            self._silent_until = now + _PAUSE_S
        self._unsaid = 0

    def _sound(self, new: bool, still: bool) -> None:
        if new or (self._alarming and not still):
            self._alarm(new)
        self._alarming = still and (self._alarming or new)


def _severity(alert: Alert) -> Severity:
    return _SEVERITIES.get(alert.level, "information")


def _asks(approval: Approval) -> str:
    return f"{clean(approval.bot_id)} asks: {shorten(clean(wanted(approval.request)), 120)} – p shows it"


def _sentence(alert: Alert) -> str:
    return f"{clean(alert.bot_id or 'hive')}: {clean(alert.text)}"
