"""Messages between bots: the inboxes, the list of messages, and the conversation of the two that the cursor is on."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from deia_tui.core.letters.letter import Letter
from deia_tui.core.text import clean, clean_lines
from deia_tui.ui import letterrows
from deia_tui.ui.letterrows import Counts
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.canvas import Line
from deia_tui.ui.widgets.filter import Filter
from deia_tui.ui.widgets.lines import Lines
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.widgets.titles import entitle

EVERYBODY = "\0"
"""The key of all inboxes together."""


class InboxTable(Table):
    """The cursor says whose messages are listed."""

    DEFAULT_CLASSES = "pane"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="inboxes")
        entitle(self, glyphs, title="Inboxes")
        self._counts: dict[str, Counts] = {}

    def take(self, counts: dict[str, Counts]) -> None:
        total = Counts(
            all=sum(one.all for one in counts.values()),
            unread=sum(one.unread for one in counts.values()),
            lost=sum(one.lost for one in counts.values()),
        )
        self._counts = {EVERYBODY: total, **counts}
        self.show(list(self._counts))

    @property
    def bot_id(self) -> str | None:
        return None if self.cursor in (None, EVERYBODY) else self.cursor

    def row(self, key: str) -> tuple[Spans, Spans]:
        name = "all bots" if key == EVERYBODY else key
        return (), letterrows.inbox_row(name, self._counts[key], self.text_width, self.glyphs)


class LetterTable(Table):
    heading_lines = 1

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="letter-table")
        self.letters: dict[str, Letter] = {}
        self.marked: frozenset[str] = frozenset()
        self.words: tuple[str, ...] = ()
        self._read: Sequence[Letter] | None = None
        self._ids = 4

    def take(self, letters: Sequence[Letter]) -> None:
        self._read = letters
        self.sort()

    def sort(self) -> None:
        self.letters = {one.letter_id: one for one in self._read or () if self._matches(one)}
        names = (name for one in self.letters.values() for name in (one.from_bot, one.to_bot))
        self._ids = min(12, max((len(name) for name in names), default=4))
        self.show(list(self.letters))

    def _matches(self, letter: Letter) -> bool:
        word = letterrows.look(letter, self.glyphs).word
        text = f"{letter.from_bot} {letter.to_bot} {word} p{letter.priority} {letter.text}".casefold()
        return all(part in text for part in self.words)

    def heading(self) -> Spans:
        return letterrows.headings(self._ids) if self.keys else ()

    def row(self, key: str) -> tuple[Spans, Spans]:
        letter = self.letters[key]
        return (), letterrows.row(letter, self.text_width, self._ids, self.glyphs, marked=key in self.marked)

    def empty(self) -> str:
        if self._read is None:
            return ""
        return "No message has these words – esc shows all" if self.words else "No messages yet – press c to write one"


class LettersPane(Vertical):
    """The list and its filter."""

    DEFAULT_CLASSES = "pane"

    class Selected(Message):
        """The cursor is on another message."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="letters")
        entitle(self, glyphs, title="Messages")
        self.table = LetterTable(glyphs)
        self.filter = Filter(self.table, placeholder="bot, state or text")

    def compose(self) -> ComposeResult:
        yield self.table
        yield self.filter

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        self.post_message(self.Selected())

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.words = self.filter.words
        self.table.sort()

    def at_cursor(self) -> Letter | None:
        return self.table.letters.get(self.table.cursor or "")

    def chosen(self) -> Sequence[Letter]:
        """The marked messages, or the selected one."""
        keys = self.table.marked or {self.table.cursor or ""}
        return [letter for key, letter in self.table.letters.items() if key in keys]

    def toggle_mark(self) -> None:
        if self.table.cursor:
            self.mark(self.table.marked ^ {self.table.cursor})
            self.table.action_down()

    def mark(self, letter_ids: frozenset[str]) -> None:
        self.table.marked = letter_ids
        entitle(self, self.table.glyphs, subtitle=f"{len(letter_ids)} marked" if letter_ids else "")
        self.table.paint()

    def selected_text(self) -> str:
        letter = self.at_cursor()
        return clean_lines(letter.text) if letter else ""


class ConversationView(Lines):
    """What two write to each other, by time; the message at the list's cursor stands out."""

    DEFAULT_CLASSES = "pane"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=20_000, id="letter")
        entitle(self, glyphs, title="Conversation")
        self._letters: Sequence[Letter] = ()
        self._current = ""
        self._places: dict[str, range] = {}

    def show(self, letters: Sequence[Letter], current: Letter | None) -> None:
        """`letters` oldest first."""
        moved = current is not None and current.letter_id != self._current
        self._current = current.letter_id if current else ""
        if letters != self._letters or moved:
            self._letters = letters
            names = f" · {clean(current.from_bot)} – {clean(current.to_bot)}" if current else ""
            entitle(self, self.glyphs, title=f"Conversation{names}")
            self._draw(to_current=moved)

    def _draw(self, *, to_current: bool) -> None:
        lines, self._places = letterrows.conversation(self._letters, max(8, self.text_width), self.glyphs)
        self.following = False
        if to_current and (place := self._places.get(self._current)) is not None:
            self.top = max(0, min(place.start, max(place.stop - self.body_height, self.top)))
        self.extend(lines, keep=0)

    def line(self, index: int) -> Line:
        drawn = super().line(index)
        if index not in self._places.get(self._current, ()):
            return drawn
        marked = tuple((text, Ink.STRONG if ink is Ink.TEXT else ink) for text, ink in drawn.rest)
        return Line(drawn.live, marked, drawn.ground, drawn.number)

    def resized(self) -> None:
        self.lines, self._places = letterrows.conversation(self._letters, max(8, self.text_width), self.glyphs)

    def empty(self) -> str:
        return "" if self._letters else "No message is selected"
