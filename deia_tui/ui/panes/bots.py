"""The list of bots, by the attention they need, with what each costs and does."""

import time
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import var
from textual.widgets import Input

from deia_tui.core.state import Snapshot, Telemetry
from deia_tui.core.text import clean
from deia_tui.core.wording import doing
from deia_tui.core.work.view import NO_WORK
from deia_tui.ui import rows
from deia_tui.ui.theme import Glyphs, Spans
from deia_tui.ui.widgets.filter import Filter
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.widgets.titles import entitle


class BotTable(Table):
    """Telemetry is drawn when `tick` says so (once a second), everything else at once."""

    heading_lines = 1

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="bot-table")
        self.snapshot = Snapshot()
        self.telemetry = Telemetry()
        self.marked: frozenset[str] = frozenset()
        self.words: tuple[str, ...] = ()
        self.columns = rows.fit(0, roomy=False, longest_id=7, longest_agent=5)

    def take(self, snapshot: Snapshot) -> None:
        changed = snapshot.state is not self.snapshot.state
        self.snapshot = snapshot
        if changed:
            self.sort()

    def tick(self) -> None:
        self.telemetry = self.snapshot.telemetry
        self.paint()

    def sort(self) -> None:
        state, now = self.snapshot.state, time.time()
        shown = list(state.bots.values())
        if self.words:
            shown = [bot for bot in shown if rows.matches(bot, state, self.words, self.glyphs, now)]
        self._fit_columns()
        self.show([bot.bot_id for bot in rows.by_attention(shown, self.glyphs)])

    def resized(self) -> None:
        self._fit_columns()
        super().resized()

    def _fit_columns(self) -> None:
        bots = self.snapshot.state.bots.values()
        self.columns = rows.fit(
            self.text_width,
            roomy=self.screen.size.width >= 160,
            longest_id=max((len(bot.bot_id) for bot in bots), default=0),
            longest_agent=max((len(bot.spec.template or bot.spec.agent.name) for bot in bots), default=0),
        )
        self.live_width = self.columns.live

    def heading(self) -> Spans:
        return rows.headings(self.columns) if self.keys else ()

    def row(self, key: str) -> tuple[Spans, Spans]:
        bot = self.snapshot.state.bots[key]
        series = self.telemetry.bots.get(key)
        live = rows.live_columns(bot, series, self.columns, self.glyphs, marked=key in self.marked)
        task_id = self.snapshot.work.bots.get(key, NO_WORK).running
        state, now = self.snapshot.state, time.time()
        return live, rows.other_columns(bot, state, self.columns, self.glyphs, now, task_id=task_id)

    def empty(self) -> str:
        if not self.snapshot.seq:
            return "starting…"
        return "No bot has these words – esc shows all" if self.words else "No bots yet – press l to launch one"


class BotsPane(Vertical):
    """The table and its filter; says which bot is selected."""

    DEFAULT_CLASSES = "pane"

    snapshot: var[Snapshot] = var(Snapshot(), init=False)

    class Selected(Message):
        def __init__(self, bot_id: str | None) -> None:
            super().__init__()
            self.bot_id = bot_id

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="bots")
        entitle(self, glyphs, title="Bots")
        self.table = BotTable(glyphs)
        self.filter = Filter(self.table, placeholder="id, state, agent or work")

    def compose(self) -> ComposeResult:
        yield self.table
        yield self.filter

    def on_mount(self) -> None:
        self.set_interval(1.0, self.table.tick)

    def watch_snapshot(self, snapshot: Snapshot) -> None:
        self.table.take(snapshot)
        gone = self.table.marked - snapshot.state.bots.keys()
        if gone:
            self.mark(self.table.marked - gone)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        self.post_message(self.Selected(event.key))

    def chosen(self) -> Sequence[str]:
        """The marked bots, or the selected one."""
        if self.table.marked:
            return sorted(self.table.marked)
        return [self.table.cursor] if self.table.cursor else []

    def selected_text(self) -> str:
        state = self.snapshot.state
        bot = state.bots.get(self.table.cursor or "")
        return clean(f"{bot.bot_id} {bot.state} {doing(bot, state, time.time())}") if bot else ""

    def toggle_mark(self) -> None:
        if self.table.cursor:
            self.mark(self.table.marked ^ {self.table.cursor})
            self.table.action_down()

    def mark(self, bot_ids: frozenset[str]) -> None:
        self.table.marked = bot_ids
        self._say_what_is_shown()
        self.table.paint()

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.words = self.filter.words
        self.table.sort()
        self._say_what_is_shown()

    def _say_what_is_shown(self) -> None:
        parts = []
        if self.table.words:
            parts.append(f"{len(self.table.keys)} of {len(self.snapshot.state.bots)} shown")
        if self.table.marked:
            parts.append(f"{len(self.table.marked)} marked")
        entitle(self, self.table.glyphs, subtitle=" · ".join(parts))
