"""A list with a cursor that stays on its entry, whatever happens to the order around it."""

from collections.abc import Collection, Sequence

from textual import events
from textual.message import Message

from deia_tui.ui import keymap
from deia_tui.ui.theme import Glyphs, Ground, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line


class Table(Canvas, can_focus=True):
    """Subclasses draw the entry of a key with `row`. The cursor passes by what is in `fixed`: headings and the like."""

    BINDINGS = keymap.bindings("list")
    ALLOW_SELECT = False

    class Moved(Message):
        """The cursor stands on another entry, or on none."""

        def __init__(self, table: "Table", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(glyphs, id=id)
        self.keys: Sequence[str] = ()
        self.fixed: Collection[str] = ()
        self.cursor: str | None = None
        self._places: dict[str, int] = {}

    def row(self, key: str) -> tuple[Spans, Spans]:
        """(live columns, the others) of an entry."""
        raise NotImplementedError

    def total(self) -> int:
        return len(self.keys)

    def line(self, index: int) -> Line:
        key = self.keys[index]
        live, rest = self.row(key)
        if key != self.cursor:
            return Line(live, rest)
        return Line(live, rest, Ground.CURSOR if self.has_focus else Ground.BLURRED)

    def show(self, keys: Sequence[str], *, fixed: Collection[str] = ()) -> None:
        """Another order, or other entries. A cursor whose entry is gone goes to the one that took its place."""
        place = self._places.get(self.cursor or "", 0)
        self.keys, self.fixed = keys, fixed
        self._places = {key: index for index, key in enumerate(keys)}
        if self.cursor not in self._places:
            self.move_to(self._nearest(place, 1))
            return
        if self._places[self.cursor or ""] != place:
            self._keep_in_view()
        self.paint()

    def move_to(self, key: str | None) -> None:
        changed = key != self.cursor
        self.cursor = key
        self._keep_in_view()
        self.paint()
        if changed:
            self.post_message(self.Moved(self, key))

    def move_by(self, delta: int) -> None:
        if self.cursor is not None:
            self.move_to(self._nearest(self._places.get(self.cursor, 0) + delta, delta))

    def _nearest(self, place: int, delta: int) -> str | None:
        """The key at `place` or, where the cursor cannot stand, the next one in that direction, or in the other."""
        place = max(0, min(place, len(self.keys) - 1))
        onwards, back = self.keys[place:], self.keys[:place][::-1]
        if delta < 0:
            onwards, back = self.keys[: place + 1][::-1], self.keys[place + 1 :]
        return next((key for part in (onwards, back) for key in part if key not in self.fixed), None)

    def _keep_in_view(self) -> None:
        place = self._places.get(self.cursor or "")
        if place is not None and self.body_height:
            heading = place > 0 and self.keys[place - 1] in self.fixed
            self.top = min(max(self.top, place - self.body_height + 1), place - heading)

    def resized(self) -> None:
        self._keep_in_view()

    def action_down(self) -> None:
        self.move_by(1)

    def action_up(self) -> None:
        self.move_by(-1)

    def action_page_down(self) -> None:
        self.move_by(max(1, self.body_height - 1))

    def action_page_up(self) -> None:
        self.move_by(-max(1, self.body_height - 1))

    def action_first(self) -> None:
        self.move_by(-len(self.keys))

    def action_last(self) -> None:
        self.move_by(len(self.keys))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        index = self.top + offset.y - self.heading_lines if offset is not None else -1
        inside = offset is not None and offset.y >= self.heading_lines and index < len(self.keys)
        if inside and self.keys[index] not in self.fixed:
            self.move_to(self.keys[index])
