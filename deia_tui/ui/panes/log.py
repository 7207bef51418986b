"""The log of the selected bot: what happened to it and what it wrote, in one order of time."""

import time
from collections.abc import Iterator, Sequence

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.text import clean_lines
from deia_tui.core.wording import Level, describe
from deia_tui.ui.theme import Glyphs, Ground, Ink, Spans
from deia_tui.ui.widgets.canvas import Line
from deia_tui.ui.widgets.lines import Lines
from deia_tui.ui.widgets.titles import entitle

LIMIT = 2000
_INKS: dict[Level, Ink] = {"info": Ink.DIM, "warning": Ink.WARN, "error": Ink.BAD}


class LogPane(Lines):
    """A cursor stands on the line that `y` copies; at the last line the pane follows."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=LIMIT, id="log")
        entitle(self, self.glyphs, title="Log", subtitle="following")
        self._back = 0

    def open(self, bot_id: str | None, recorded: Sequence[Recorded]) -> None:
        """Another bot's log."""
        entitle(self, self.glyphs, title=f"Log · {bot_id}" if bot_id else "Log")
        self._back = 0
        self.reset([line for row in recorded for line in self._lines_of(row.event)])

    def add(self, recorded: Sequence[Recorded]) -> None:
        new = [line for row in recorded for line in self._lines_of(row.event)]
        self._back = 0 if self.following else self._back + len(new)
        self.extend(new)

    def _lines_of(self, event: ev.Event) -> Iterator[Spans]:
        level, what, details = describe(event)
        at = time.strftime("%H:%M:%S", time.localtime(event.at))
        first, *more = clean_lines(details).split("\n")
        yield ((f"{at} ", Ink.FAINT), (f"{what}  ", _INKS[level]), (first, Ink.TEXT))
        for line in more:
            yield ((f"{' ' * 11}{line}", Ink.TEXT),)

    def followed(self) -> None:
        entitle(self, self.glyphs, subtitle="following" if self.following else "G follows again")

    def empty(self) -> str:
        return "Nothing has happened yet"

    def line(self, index: int) -> Line:
        drawn = super().line(index)
        on_cursor = self.has_focus and index == self._cursor()
        return Line(drawn.live, drawn.rest, Ground.CURSOR, drawn.number) if on_cursor else drawn

    def _cursor(self) -> int:
        return max(0, len(self.lines) - 1 - self._back)

    def selected_text(self) -> str:
        return self.text_of(self._cursor()) if self.lines else ""

    def scroll_lines(self, delta: int) -> None:
        """Moves the cursor, and the view with it."""
        self._back = max(0, min(len(self.lines) - 1, self._back - delta))
        cursor = self._cursor()
        self.top = min(max(self.top, cursor - self.body_height + 1), cursor)
        self._follow(self._back == 0)
        self.paint()
