"""Which panes of the screen are seen: all of them, the bots and one more, or the focused one alone."""

from collections.abc import Mapping
from typing import Literal

from textual.screen import Screen
from textual.widget import Widget

Pane = Literal["bots", "chat", "log", "alerts"]
PANES: tuple[Pane, ...] = ("bots", "chat", "log", "alerts")


class Arrangement:
    """`targets` are what gets the focus in each pane."""

    def __init__(self, screen: Screen[None], targets: Mapping[Pane, Widget]) -> None:
        self.pane: Pane = "bots"
        self.zoomed = False
        self._screen = screen
        self._targets = targets
        self._lower: Pane = "log"

    def go(self, pane: Pane) -> None:
        self.came_to(pane)
        self._targets[pane].focus()

    def step(self, delta: int) -> None:
        self.go(PANES[(PANES.index(self.pane) + delta) % len(PANES)])

    def came_to(self, pane: Pane) -> None:
        """The focus is in this pane."""
        self.pane = pane
        self._lower = self._lower if pane == "bots" else pane
        self.apply()

    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.apply()

    def apply(self) -> None:
        seen = self._seen()
        query = self._screen.query_one
        for pane in PANES:
            query(f"#{pane}").display = pane in seen
        query("#log").set_class("bots" not in seen, "-alone")
        query("#alerts").set_class("chat" not in seen, "-alone")
        query("#left").display = "bots" in seen or "log" in seen
        query("#right").display = "chat" in seen or "alerts" in seen

    def _seen(self) -> tuple[Pane, ...]:
        if self.zoomed or self._screen.has_class("-tiny"):
            return (self.pane,)
        return ("bots", self._lower) if self._screen.has_class("-narrow") else PANES
