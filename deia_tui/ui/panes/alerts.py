"""The alerts, newest first: what is wrong, with which bot, and what to do about it."""

import time
from collections.abc import Sequence

from rich.cells import cell_len
from textual.reactive import var

from deia_tui.core.state import Alert, Snapshot
from deia_tui.core.text import clean
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.widgets.titles import entitle
from deia_tui.ui.wrapping import cut, wrap_spans


class AlertsPane(Table):
    DEFAULT_CLASSES = "pane"

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
        """The selected alert stands below the others in full where its row has no room for that."""
        alert = self.selected() if self.has_focus else None
        footing: tuple[Spans, ...] = ()
        if alert is not None and _length(self._said(alert)) > self.text_width:
            rule: Spans = (("─" * self.text_width, Ink.TRACK),)
            room = max(0, self.size.height // 2 - 1)
            footing = (rule, *wrap_spans(self._said(alert), self.text_width)[:room])
        if len(footing) != len(self.footing):
            self.footing = footing
            self._keep_in_view()
        self.footing = footing
        super().paint()

    def selected(self) -> Alert | None:
        return self._alerts.get(self.cursor or "")

    def row(self, key: str) -> tuple[Spans, Spans]:
        alert = self._alerts[key]
        said = self._said(alert)
        if alert.cleared_at is not None or _length(said) <= self.text_width:
            return (), said
        *before, (text, ink), (action, news) = said  # what to do about it is cut last
        room = (
            self.text_width
            - _length(tuple(before))
            - min(cell_len(action), self.text_width // (2 if self.text_width >= 60 else 3))
        )
        return (), (*before, (cut(text.rstrip(), max(8, room - 3)) + "   ", ink), (action, news))

    def _said(self, alert: Alert) -> Spans:
        """All there is to say of an alert, its action last."""
        at = time.strftime("%H:%M", time.localtime(alert.raised_at))
        text = f"{at}  {clean(alert.bot_id or 'hive')}  {clean(alert.text)}"
        if alert.cleared_at is not None:
            return ((f"  {self.glyphs.cleared} ", Ink.DIM), (text, Ink.DIM))
        digit = str(self._digits.get(alert.bot_id or "", " "))
        glyph, ink = self._level(alert.level)
        action = (clean(alert.action), Ink.NEWS)
        return ((f"{digit} ", Ink.FAINT), (f"{glyph} ", ink), (f"{text}   ", Ink.TEXT), action)

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


def _length(spans: Spans) -> int:
    return sum(cell_len(text) for text, _ in spans)


def newest_first(alerts: Sequence[Alert]) -> list[Alert]:
    """The open ones, then the cleared ones, each newest first."""
    return sorted(alerts, key=lambda alert: (alert.cleared_at is not None, -alert.raised_at, -alert.alert_id))


def alerting(alerts: Sequence[Alert]) -> list[str]:
    """The bots with open alerts, in the order of `newest_first`."""
    open_ones = [alert.bot_id for alert in newest_first(alerts) if alert.bot_id and alert.cleared_at is None]
    return list(dict.fromkeys(open_ones))
