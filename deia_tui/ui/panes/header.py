"""The top line: which hive, how many bots in which state, what the machine does, what is special about this view."""

from pathlib import PurePath
from typing import get_args

from rich.cells import cell_len
from textual.reactive import var

from deia_tui.core.bots import BotState
from deia_tui.core.state import Snapshot
from deia_tui.core.text import clean
from deia_tui.ui.keys import ModeName
from deia_tui.ui.rows import cpu_ink
from deia_tui.ui.theme import Glyphs, Ground, Ink, Span, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line
from deia_tui.ui.wrapping import cut


class HeaderBar(Canvas):
    snapshot: var[Snapshot] = var(Snapshot(), init=False)
    frozen: var[bool] = var(False, init=False)
    read_only: var[bool] = var(False, init=False)
    mode: var[ModeName] = var[ModeName]("hive", init=False)

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

    def watch_mode(self) -> None:
        self.paint()

    def total(self) -> int:
        return 1

    def line(self, index: int) -> Line:
        marks = self._marks()
        room = self.text_width - _cells(marks)
        wide = room >= 100
        spans: Spans = ((" deia  ", Ink.BRAND), *self._tabs(names=room >= 50))
        strained, well = self._strain()
        counts, work = self._counts(words=wide), self._work(words=wide)
        for part in (counts, self._alerts(words=wide), strained, work, well, self._machine()):
            if _cells(spans) + _cells(part) <= room:
                spans = (*spans, *part)
        spans = (spans[0], *self._folder(room - _cells(spans)), *spans[1:])
        gap = " " * max(0, room - _cells(spans))
        return Line(rest=(*spans, (gap, Ink.TEXT), *marks), ground=Ground.BAR)

    def _tabs(self, *, names: bool) -> Spans:
        """The modes with their keys; where there is no room, the one that is shown."""
        if not names:
            return ((f"{self.mode.capitalize()}  ", Ink.CURRENT),)
        spans: list[Span] = []
        for mode in get_args(ModeName):
            spans += [(f" {mode.capitalize()} ", Ink.CURRENT if mode == self.mode else Ink.DIM), (" ", Ink.TEXT)]
        return (*spans, (" ", Ink.TEXT))

    def _strain(self) -> tuple[Spans, Spans]:
        """That the hive copes badly, or well, which is said only where there is room."""
        match self.snapshot.work.strain:
            case "healthy":
                return (), (("healthy   ", Ink.DIM),) if self.snapshot.seq else ()
            case "degraded":
                return (("DEGRADED   ", Ink.WARN),), ()
            case "critical":
                return (("CRITICAL   ", Ink.BAD),), ()

    def _work(self, *, words: bool) -> Spans:
        work, glyphs = self.snapshot.work, self.glyphs
        kinds = (
            (glyphs.idle, " waiting ", Ink.TEXT, work.waiting),
            (glyphs.busy, " running ", Ink.GOOD, work.running + work.scheduled),
            (glyphs.fatal, " dead ", Ink.BAD, work.dead),
        )
        counted = [(f"{glyph} {many:,}{word if words else ''} ", ink) for glyph, word, ink, many in kinds if many]
        return (("tasks ", Ink.DIM), *counted, (" ", Ink.TEXT)) if counted else ()

    def _counts(self, *, words: bool) -> Spans:
        if not self.snapshot.seq:
            return (("starting…   ", Ink.DIM),)
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

    def _alerts(self, *, words: bool) -> Spans:
        opened = [alert for alert in self.snapshot.state.alerts if alert.cleared_at is None]
        if not opened:
            return ()
        critical = any(alert.level == "critical" for alert in opened)
        word = f" alert{'' if len(opened) == 1 else 's'}  " if words else ""
        return ((f"{self.glyphs.warning} {len(opened)}{word} ", Ink.BAD if critical else Ink.WARN),)

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
