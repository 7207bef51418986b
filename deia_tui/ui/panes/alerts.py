"""The alerts, newest first: what is wrong, with which bot, and what to do about it."""

import time
from collections.abc import Sequence

from textual.reactive import var

from deia_tui.core.state import Alert, Snapshot
from deia_tui.core.text import clean
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.widgets.titles import entitle


class AlertsPane(Table):
    snapshot: var[Snapshot] = var(Snapshot(), init=False)

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="alerts")
        entitle(self, self.glyphs, title="Alerts")
        self._alerts: dict[str, Alert] = {}
        self._digits: dict[str, int] = {}

    def watch_snapshot(self, old: Snapshot, new: Snapshot) -> None:
        if new.state.alerts is old.state.alerts:
            if not old.seq:
                self.paint()
            return
        alerts = newest_first(new.state.alerts)
        self._alerts = {str(alert.alert_id): alert for alert in alerts}
        self._digits = {bot_id: place for place, bot_id in enumerate(alerting(alerts)[:9], 1)}
        opened = sum(alert.cleared_at is None for alert in alerts)
        entitle(self, self.glyphs, subtitle=f"{opened} open" if opened else "")
        self.show(list(self._alerts))
        if not self.has_focus:
            self.action_first()

    def paint(self) -> None:
        alert = self.selected() if self.has_focus else None
        advice = clean(alert.action) if alert is not None and alert.cleared_at is None else ""
        entitle(self, self.glyphs, title=f"Alerts · {advice}" if advice else "Alerts")
        super().paint()

    def selected(self) -> Alert | None:
        return self._alerts.get(self.cursor or "")

    def row(self, key: str) -> tuple[Spans, Spans]:
        alert = self._alerts[key]
        at = time.strftime("%H:%M", time.localtime(alert.raised_at))
        text = f"{at}  {clean(alert.bot_id or 'hive')}  {clean(alert.text)}"
        if alert.cleared_at is not None:
            return (), ((f"  {self.glyphs.cleared} ", Ink.DIM), (text, Ink.DIM))
        digit = str(self._digits.get(alert.bot_id or "", " "))
        action = clean(alert.action)
        glyph, ink = self._level(alert.level)
        return (), ((f"{digit} ", Ink.FAINT), (f"{glyph} ", ink), (f"{text}   ", Ink.TEXT), (action, Ink.NEWS))

    def selected_text(self) -> str:
        alert = self.selected()
        return f"{clean(alert.bot_id or 'hive')} {clean(alert.text)}" if alert else ""

    def _level(self, level: str) -> tuple[str, Ink]:
        match level:
            case "critical":
                return self.glyphs.critical, Ink.BAD
            case "warning":
                return self.glyphs.warning, Ink.WARN
            case _:
                return self.glyphs.info, Ink.DIM

    def empty(self) -> str:
        return "No alerts – all is well" if self.snapshot.seq else ""


def newest_first(alerts: Sequence[Alert]) -> list[Alert]:
    """The open ones, then the cleared ones, each newest first."""
    return sorted(alerts, key=lambda alert: (alert.cleared_at is not None, -alert.raised_at, -alert.alert_id))


def alerting(alerts: Sequence[Alert]) -> list[str]:
    """The bots with open alerts, in the order of `newest_first`."""
    open_ones = [alert.bot_id for alert in newest_first(alerts) if alert.bot_id and alert.cleared_at is None]
    return list(dict.fromkeys(open_ones))
