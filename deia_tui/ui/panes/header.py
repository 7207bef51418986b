"""The top line: which hive, how many bots in which state, what the machine does, what is special about this view."""

from pathlib import PurePath

from rich.cells import cell_len
from textual.reactive import var

from deia_tui.core.bots import BotState
from deia_tui.core.state import Snapshot
from deia_tui.core.text import clean
from deia_tui.ui.rows import cpu_ink
from deia_tui.ui.theme import Glyphs, Ground, Ink, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line
from deia_tui.ui.wrapping import cut


class HeaderBar(Canvas):
    snapshot: var[Snapshot] = var(Snapshot(), init=False)
    frozen: var[bool] = var(False, init=False)
    read_only: var[bool] = var(False, init=False)

    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs, *, read_only: bool) -> None:
        super().__init__(glyphs, id="header")
        self.set_reactive(HeaderBar.read_only, read_only)

    def watch_snapshot(self) -> None:
        self.paint()

    def watch_frozen(self) -> None:
        self.paint()

    def watch_read_only(self) -> None:
        self.paint()

    def total(self) -> int:
        return 1

    def line(self, index: int) -> Line:
        marks = self._marks()
        room = self.text_width - _cells(marks)
        spans: Spans = ((" deia  ", Ink.BRAND),)
        for part in (self._counts(words=room >= 100), self._alerts(), self._machine()):
            if _cells(spans) + _cells(part) <= room:
                spans = (*spans, *part)
        spans = (spans[0], *self._folder(room - _cells(spans)), *spans[1:])
        gap = " " * max(0, room - _cells(spans))
        return Line(rest=(*spans, (gap, Ink.TEXT), *marks), ground=Ground.BAR)

    def _counts(self, *, words: bool) -> Spans:
        if not self.snapshot.seq:
            return (("starting…", Ink.DIM),)
        bots = list(self.snapshot.state.bots.values())
        glyphs = self.glyphs
        kinds = (
            (glyphs.busy, "running", Ink.GOOD, BotState.RUNNING),
            (glyphs.starting, "starting", Ink.NEWS, BotState.STARTING),
            (glyphs.stopping, "stopping", Ink.WARN, BotState.STOPPING),
            (glyphs.backoff, "backoff", Ink.WARN, BotState.BACKOFF),
            (glyphs.fatal, "fatal", Ink.BAD, BotState.FATAL),
        )
        counted = [(glyph, word, ink, sum(bot.state is state for bot in bots)) for glyph, word, ink, state in kinds]
        counted.append((glyphs.asking, "ask", Ink.WARN, len(self.snapshot.state.approvals)))
        if words:
            total = (f"{len(bots)} bot{'' if len(bots) == 1 else 's'}   ", Ink.TEXT)
            return (total, *((f"{glyph} {count} {word}  ", ink) for glyph, word, ink, count in counted if count))
        return tuple((f"{glyph} {count} ", ink) for glyph, _, ink, count in counted if count)

    def _alerts(self) -> Spans:
        opened = [alert for alert in self.snapshot.state.alerts if alert.cleared_at is None]
        if not opened:
            return ()
        critical = any(alert.level == "critical" for alert in opened)
        text = f"{self.glyphs.warning} {len(opened)} alert{'' if len(opened) == 1 else 's'}   "
        return ((text, Ink.BAD if critical else Ink.WARN),)

    def _machine(self) -> Spans:
        telemetry = self.snapshot.telemetry
        if not telemetry.taken:
            return ()
        cpu, memory = telemetry.cpu_percent, telemetry.memory_percent
        return (
            ("cpu ", Ink.DIM),
            (f"{cpu:.0f} %  ", cpu_ink(cpu)),
            ("mem ", Ink.DIM),
            (f"{memory:.0f} %", cpu_ink(memory)),
        )

    def _folder(self, room: int) -> Spans:
        folder = clean(self.snapshot.state.folder)
        room -= 3
        if not folder or room < 12:
            return ()
        if cell_len(folder) > room:
            folder = PurePath(folder).name
        return ((f"{cut(folder, min(room, cell_len(folder)))}   ", Ink.TEXT),)

    def _marks(self) -> Spans:
        frozen = ((" FROZEN ", Ink.BRAND),) if self.frozen else ()
        read_only = ((" read-only ", Ink.WARN),) if self.read_only else ()
        return (*frozen, *read_only)


def _cells(spans: Spans) -> int:
    return sum(cell_len(text) for text, _ in spans)
