"""A widget that draws its lines itself and sends again only those that look different from what is on the screen."""

from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from deia_tui.ui.theme import Glyphs, Ground, Ink, Palette, Spans, palette
from deia_tui.ui.wrapping import cut


@dataclass(frozen=True, slots=True)
class Line:
    """`live` holds the leftmost columns, which change every second; `number` is absolute, for selecting text."""

    live: Spans = ()
    rest: Spans = ()
    ground: Ground = Ground.PANE
    number: int | None = None
    thumb: bool = False


_BLANK = Line()


class Canvas(Widget):
    """Subclasses say what stands on a line and how long everything is; `paint` brings the screen up to date."""

    heading_lines = 0
    live_width = 0

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.top = 0
        self.footing: tuple[Spans, ...] = ()
        """Lines that stay at the bottom, below the others."""
        self._drawn: list[Line] = []
        self._palette: Palette | None = None

    # What subclasses say

    def total(self) -> int:
        """How many lines there are, seen or not, headings aside."""
        raise NotImplementedError

    def line(self, index: int) -> Line:
        """The line at `index` of `total`."""
        raise NotImplementedError

    def heading(self) -> Spans:
        return ()

    def empty(self) -> str:
        """What to say when there is nothing: what to do about it."""
        return ""

    # Painting

    @property
    def body_height(self) -> int:
        return max(0, self.size.height - self.heading_lines - len(self.footing))

    @property
    def text_width(self) -> int:
        """The last column belongs to the scroll bar."""
        return max(0, self.size.width - 1)

    def paint(self) -> None:
        if not self.is_mounted or not self.size.height or not self.is_seen:
            return
        before, self._drawn = self._drawn, self._layout_lines()
        if len(before) != len(self._drawn):
            self.refresh()
            return
        regions = [
            Region(0, y, self.size.width if _differs(old, new) else self.live_width, 1)
            for y, (old, new) in enumerate(zip(before, self._drawn, strict=True))
            if old != new
        ]
        if regions:
            self.refresh(*regions)

    @property
    def is_seen(self) -> bool:
        """Hidden panes cost nothing."""
        return all(node.display for node in self.ancestors_with_self if isinstance(node, Widget))

    def _layout_lines(self) -> list[Line]:
        height, total = self.body_height, self.total()
        self.top = max(0, min(self.top, total - height))
        lines = [Line(rest=self.heading())] if self.heading_lines else []
        if not total:
            lines.extend(self._empty_lines(height))
            return lines
        first, last = thumb(height, total, self.top)
        for y in range(height):
            index = self.top + y
            drawn = self.line(index) if index < total else _BLANK
            if first <= y < last:
                drawn = Line(drawn.live, drawn.rest, drawn.ground, drawn.number, True)
            lines.append(drawn)
        return [*lines, *(Line(rest=spans) for spans in self.footing)]

    def _empty_lines(self, height: int) -> list[Line]:
        lines = [_BLANK] * height
        text = self.empty()
        if text and height:
            indent = max(0, (self.text_width - cell_len(text)) // 2)
            lines[min(height - 1, height // 3)] = Line(rest=((" " * indent + text, Ink.DIM),))
        return lines

    def render_line(self, y: int) -> Strip:
        drawn = self._drawn[y] if y < len(self._drawn) else _BLANK
        inks = self.inks
        room = self.text_width
        segments: list[Segment] = []
        for raw, ink in (*drawn.live, *drawn.rest):
            text = self.glyphs.plain(raw)
            width = cell_len(text)
            if width > room:
                text, width = self.glyphs.plain(cut(text, room)), room
            if text:
                segments.append(Segment(text, inks.style(ink, drawn.ground)))
            room -= width
        if room:
            segments.append(Segment(" " * room, inks.style(Ink.TEXT, drawn.ground)))
        segments.append(self._bar(drawn))
        strip = Strip(segments, self.size.width)
        return strip if drawn.number is None else self._selectable(strip, drawn.number)

    def _bar(self, drawn: Line) -> Segment:
        if drawn.thumb:
            return Segment(self.glyphs.thumb, self.inks.style(Ink.TRACK))
        return Segment(" ", self.inks.style(Ink.TRACK, drawn.ground))

    def _selectable(self, strip: Strip, number: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(number) if selection is not None else None
        if span is not None:
            start, end = (cell_len(strip.text[: offset if offset >= 0 else None]) for offset in span)
            marked = Strip([Segment(text, self.inks.selection) for text, _, _ in strip.crop(start, end)])
            strip = Strip.join([strip.crop(0, start), marked, strip.crop(end)])
        return strip.apply_offsets(0, number)

    @property
    def inks(self) -> Palette:
        if self._palette is None:
            app = self.app
            few = app.no_color or app.console.color_system in (None, "standard", "windows")
            self._palette = palette(app.theme_variables or app.get_css_variables(), few_colors=few)
        return self._palette

    # What Textual says

    def notify_style_update(self) -> None:
        self._palette = None
        super().notify_style_update()

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self._drawn = []
        self.resized()
        self.paint()

    def resized(self) -> None:
        """The width or height is another one now."""

    def on_show(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Not `on_focus`, which comes before the widget knows."""
        super().watch_has_focus(has_focus)
        self.paint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(-3)

    def scroll_lines(self, delta: int) -> None:
        self.top += delta
        self.paint()


def thumb(height: int, total: int, top: int) -> tuple[int, int]:
    """First and one past the last line of a scroll bar's thumb; nothing when everything is seen."""
    if total <= height or height <= 0:
        return 0, 0
    size = max(1, height * height // total)
    first = round(top * (height - size) / (total - height))
    return first, first + size


def _differs(old: Line, new: Line) -> bool:
    """Beyond the live columns."""
    return (old.rest, old.ground, old.number, old.thumb) != (new.rest, new.ground, new.number, new.thumb)
