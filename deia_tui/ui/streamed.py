"""Text that comes piece by piece, as lines: every piece is cleaned and wrapped once for a width. Bounded."""

from deia_tui.core.conversation import PIECE
from deia_tui.core.text import clean, clean_lines
from deia_tui.ui.wrapping import wrap

MAX_LINES = 3000
_MOST = 500_000
"""Characters. Older ones are not even looked at."""
_LONGEST_LINE = 8192


class Streamed:
    """`forgotten` counts the lines at the beginning that are kept no longer."""

    def __init__(self) -> None:
        self.forgotten = 0
        self._taken = 0
        self._last = ""
        self._begun = ""
        self._finished: list[str] = []
        self._wrapped: list[str] = []
        self._wrapped_for = (0, 0)

    def take(self, pieces: tuple[str, ...]) -> None:
        """The whole text by now, as conversation.Text has it: only a last piece that is short can still grow."""
        stay = len(pieces) - (1 if pieces and len(pieces[-1]) < PIECE else 0)
        ended = pieces[self._taken : stay]
        room = _MOST
        for piece in reversed(ended):
            room -= len(piece)
            if room < 0:
                self.forgotten += piece.count("\n")
        self._feed("".join(ended)[-_MOST:])
        self._taken = stay
        self._last = "".join(pieces[stay:])

    @property
    def count(self) -> int:
        """How many lines there are."""
        return self.forgotten + len(self._finished) + (self._begun + self._last).count("\n") + 1

    def lines(self, width: int) -> list[str]:
        """In `width` cells, without blank lines at the end."""
        wrapped_for, done = self._wrapped_for
        if wrapped_for != width:
            self._wrapped, done = [], 0
        for line in self._finished[done:]:
            self._wrapped += wrap(line, width)
        self._wrapped_for = (width, len(self._finished))
        rest = clean_lines(self._begun + self._last)
        lines = [*self._wrapped, *(wrap(rest, width) if rest else [])]
        while lines and not lines[-1].strip():
            lines.pop()
        return lines

    def _feed(self, text: str) -> None:
        self._begun += text
        end = self._begun.rfind("\n")
        if end < 0 and len(self._begun) > _LONGEST_LINE:
            end = len(self._begun)
        if end < 0:
            return
        self._finished += clean_lines(self._begun[:end]).split("\n")
        self._begun = self._begun[end + 1 :]
        excess = len(self._finished) - MAX_LINES
        if excess > 0:
            del self._finished[:excess]
            self.forgotten += excess
            self._wrapped_for = (0, 0)

    def __str__(self) -> str:
        return "\n".join([*self._finished, clean(self._begun + self._last)]).rstrip("\n")
