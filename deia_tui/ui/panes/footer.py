"""The bottom line: what takes its time, or else the keys of the focused pane, the most important first."""

from textual.reactive import var

from deia_tui.ui import keymap
from deia_tui.ui.theme import Glyphs, Ground, Ink, Span, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line

_NARROW, _FEW = 80, 6


class FooterBar(Canvas):
    pane: var[str] = var("bots", init=False)
    notice: var[str] = var("", init=False)
    progress: var[str] = var("", init=False)
    usable: var[frozenset[str]] = var(frozenset[str](), init=False)

    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="footer")

    def watch_pane(self) -> None:
        self.paint()

    def watch_notice(self) -> None:
        self.paint()

    def watch_progress(self) -> None:
        self.paint()

    def watch_usable(self) -> None:
        self.paint()

    def total(self) -> int:
        return 1

    def line(self, index: int) -> Line:
        if text := self.progress or self.notice:
            return Line(rest=((f" {text}", Ink.WARN),), ground=Ground.BAR)
        return Line(rest=self._keys(), ground=Ground.BAR)

    def _keys(self) -> Spans:
        spans: list[Span] = []
        room = self.text_width
        keys = keymap.footer(self.pane, usable=self.usable)
        for key in keys[:_FEW] if self.text_width <= _NARROW else keys:
            shown, label = f" {keymap.shown(key)}", f" {key.label} "
            room -= len(shown) + len(label)
            if room < 0:
                break
            spans += [(shown, Ink.BRAND), (label, Ink.TEXT)]
        return tuple(spans)
