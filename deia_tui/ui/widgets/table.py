"""A list with a cursor that stays on its entry, whatever happens to the order around it."""

from collections.abc import Sequence

from textual import events
from textual.message import Message

from deia_tui.ui import keymap
from deia_tui.ui.theme import Glyphs, Ground, Spans
from deia_tui.ui.widgets.canvas import Canvas, Line


class Table(Canvas, can_focus=True):
    """Subclasses draw the entry of a key with `row`."""

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

    def show(self, keys: Sequence[str]) -> None:
        """Another order, or other entries. A cursor whose entry is gone goes to the one that took its place."""
        place = self._places.get(self.cursor or "", 0)
        self.keys = keys
        self._places = {key: index for index, key in enumerate(keys)}
        if self.cursor not in self._places:
            self.move_to(keys[min(place, len(keys) - 1)] if keys else None)
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
        if self.keys:
            place = self._places.get(self.cursor or "", 0) + delta
            self.move_to(self.keys[max(0, min(place, len(self.keys) - 1))])

    def _keep_in_view(self) -> None:
        place = self._places.get(self.cursor or "")
        if place is not None and self.body_height:
            self.top = min(max(self.top, place - self.body_height + 1), place)

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
        if offset is not None and offset.y >= self.heading_lines and index < len(self.keys):
            self.move_to(self.keys[index])
