"""Input lines into which nothing can be pasted that a terminal would obey; what becomes of several lines is theirs."""

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events
from textual.widgets import Input

from deia_tui.core.text import clean, clean_lines

_BREAK = "⏎"
"""Stands for a line feed where all is one line; one that somebody types means the same."""


class Entry(Input):
    """Several lines become one."""

    def taken(self, pasted: str) -> str:
        return clean(pasted)

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(self.taken(event.text.strip("\r\n")), *self.selection)


class LinesEntry(Entry):
    """Several lines stand in one, with a sign where each ends: `text` has them as they were, `value` the signs. `sign`
    is how it is drawn, in one character."""

    def __init__(self, *, sign: str = _BREAK, id: str | None = None) -> None:
        super().__init__(compact=True, id=id, highlighter=_Faint(sign))

    @property
    def text(self) -> str:
        return self.value.replace(_BREAK, "\n")

    def taken(self, pasted: str) -> str:
        return clean_lines(pasted).replace("\n", _BREAK)

    def action_break_line(self) -> None:
        self.insert_text_at_cursor(_BREAK)


class _Faint(Highlighter):
    def __init__(self, sign: str) -> None:
        self._sign = sign

    def highlight(self, text: Text) -> None:
        text.highlight_words([_BREAK], "dim")
        text.plain = text.plain.replace(_BREAK, self._sign)
