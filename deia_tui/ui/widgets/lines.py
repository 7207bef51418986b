"""Text that grows at its end: wrapped or cut lines of a log or a conversation, followed until somebody scrolls up."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.selection import Selection

from deia_tui.ui import keymap
from deia_tui.ui.theme import Glyphs, Ground, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line


class Lines(Canvas, can_focus=True):
    """Lines have absolute numbers, which stay theirs when older ones are forgotten."""

    BINDINGS = keymap.bindings("list")

    class TopReached(Message):
        """Somebody scrolled to the oldest line."""

        def __init__(self, lines: "Lines") -> None:
            super().__init__()
            self.lines = lines

        @property
        def control(self) -> "Lines":
            return self.lines

    def __init__(self, glyphs: Glyphs, *, limit: int, id: str | None = None) -> None:
        super().__init__(glyphs, id=id)
        self.limit = limit
        self.following = True
        self.lines: list[Spans] = []
        self.dropped = 0

    def total(self) -> int:
        return len(self.lines)

    def line(self, index: int) -> Line:
        return Line(rest=self.lines[index], number=self.dropped + index)

    def reset(self, lines: Sequence[Spans]) -> None:
        """Something else to read: from its end."""
        self.lines = list(lines)
        self.dropped = 0
        self._follow(True)
        self._changed()

    def extend(self, lines: Sequence[Spans], *, keep: int | None = None) -> None:
        """Add `lines`, after the first `keep` lines where given (the others are replaced)."""
        del self.lines[len(self.lines) if keep is None else keep :]
        self.lines.extend(lines)
        self._changed()

    def prepend(self, lines: Sequence[Spans]) -> None:
        """Older lines; what is on the screen stays where it is."""
        self.lines[:0] = lines
        self.dropped = max(0, self.dropped - len(lines))
        self.top += len(lines)
        self.paint()

    def _changed(self) -> None:
        excess = len(self.lines) - self.limit
        if excess > 0:
            del self.lines[:excess]
            self.dropped += excess
            self.top = max(0, self.top - excess)
        if self.following:
            self.top = len(self.lines)
        self.paint()

    def scroll_lines(self, delta: int) -> None:
        end = max(0, len(self.lines) - self.body_height)
        self.top = max(0, min(end, self.top + delta))
        self._follow(self.top == end)
        self.paint()
        if self.top == 0 and delta < 0:
            self.post_message(self.TopReached(self))

    def _follow(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.followed()

    def followed(self) -> None:
        """Following began or ended."""

    def resized(self) -> None:
        if self.following:
            self.top = len(self.lines)

    def text_of(self, index: int) -> str:
        return "".join(text for text, _ in self.lines[index])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        found = [
            self.text_of(index)[start : end if end >= 0 else None].rstrip()
            for index in range(len(self.lines))
            if (span := selection.get_span(self.dropped + index)) is not None
            for start, end in [span]
        ]
        return "\n".join(found), "\n"

    def action_down(self) -> None:
        self.scroll_lines(1)

    def action_up(self) -> None:
        self.scroll_lines(-1)

    def action_page_down(self) -> None:
        self.scroll_lines(max(1, self.body_height - 1))

    def action_page_up(self) -> None:
        self.scroll_lines(-max(1, self.body_height - 1))

    def action_first(self) -> None:
        self.scroll_lines(-len(self.lines))

    def action_last(self) -> None:
        self.scroll_lines(len(self.lines))


class Pointed(Lines):
    """Lines with a cursor; at the last one the view follows. What scrolls by the mouse takes the cursor along."""

    def __init__(self, glyphs: Glyphs, *, limit: int, id: str | None = None) -> None:
        super().__init__(glyphs, limit=limit, id=id)
        self._number = 0

    @property
    def cursor(self) -> int:
        """The index of the line it stands on."""
        last = max(0, len(self.lines) - 1)
        return last if self.following else max(0, min(last, self._number - self.dropped))

    def line(self, index: int) -> Line:
        drawn = super().line(index)
        on_cursor = self.has_focus and index == self.cursor and bool(drawn.rest or not self.following)
        return Line(drawn.live, drawn.rest, Ground.CURSOR, drawn.number) if on_cursor else drawn

    def prepend(self, lines: Sequence[Spans]) -> None:
        before = self.dropped
        super().prepend(lines)
        self._number += len(lines) - (before - self.dropped)
        self.paint()

    def scroll_lines(self, delta: int) -> None:
        self.point_at(self.cursor + delta)
        if self.cursor == 0 and delta < 0:
            self.post_message(self.TopReached(self))

    def point_at(self, index: int) -> None:
        """The cursor to a line, and the view to the cursor."""
        last = max(0, len(self.lines) - 1)
        cursor = max(0, min(last, index))
        self._number = self.dropped + cursor
        self.top = min(max(self.top, cursor - self.body_height + 1), cursor)
        self._follow(cursor == last)
        self.paint()
        self.pointed()

    def pointed(self) -> None:
        """The cursor moved."""

    def scroll_view(self, delta: int) -> None:
        """By the mouse: the cursor stays where it is as long as that can be seen."""
        end = max(0, len(self.lines) - self.body_height)
        self.top = max(0, min(end, self.top + delta))
        last = len(self.lines) - 1 if self.top == end and delta > 0 else self.top + self.body_height - 1
        self.point_at(max(self.top, min(self.cursor, last) if self.top < end else last))
        if self.top == 0 and delta < 0:
            self.post_message(self.TopReached(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        event.prevent_default()
        self.scroll_view(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        event.prevent_default()
        self.scroll_view(-3)

    def selected_text(self) -> str:
        return self.text_of(self.cursor) if self.lines else ""
