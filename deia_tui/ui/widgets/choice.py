"""One of a few words, all of them seen, chosen with the arrow keys or a letter."""

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.widgets import Static


class Choice(Static, can_focus=True):
    BINDINGS = [("left,h", "step(-1)"), ("right,l,space", "step(1)")]

    def __init__(self, options: Sequence[str], chosen: int, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._options = options
        self.chosen = chosen

    def on_resize(self) -> None:
        self._draw()

    def action_step(self, delta: int) -> None:
        self.chosen = (self.chosen + delta) % len(self._options)
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """A character of an option chooses it: the next one that begins or ends with it."""
        ahead = [(self.chosen + step) % len(self._options) for step in range(1, len(self._options) + 1)]
        typed = event.character or ""
        found = [place for place in ahead if typed and typed in (self._options[place][0], self._options[place][-1])]
        if found and event.is_printable and typed not in "hl ":
            event.stop()
            self.chosen = found[0]
            self._draw()

    def _draw(self) -> None:
        """All of them, or the chosen one where there is no room for all."""
        words = [(f" {option} ", place == self.chosen) for place, option in enumerate(self._options)]
        if sum(len(word) for word, _ in words) > self.size.width:
            words = [(" <", False), (f" {self._options[self.chosen]} ", True), ("> ", False)]
        self.update(Content.assemble(*((word, "reverse" if chosen else "dim") for word, chosen in words)))
