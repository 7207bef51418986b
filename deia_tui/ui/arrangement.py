"""Which panes of a mode are seen: all of them, the first and one more, or the focused one alone."""

from collections.abc import Collection, Mapping, Sequence

from textual.widget import Widget


class Arrangement:
    """`targets` are what gets the focus in each pane, by its id, in the order of the tab key; `columns` say which panes
    stand in which container of `root`."""

    def __init__(
        self, root: Widget, targets: Mapping[str, Widget], columns: Mapping[str, Sequence[str]], *, lower: str
    ) -> None:
        """`lower` is the pane that stands below the first one at the beginning, where there is room for two."""
        self.names = tuple(targets)
        self.first = self.pane = self.names[0]
        self.zoomed = False
        self._root = root
        self._targets = targets
        self._columns = columns
        self._lower = lower

    def go(self, pane: str) -> None:
        self.came_to(pane)
        self._targets[pane].focus()

    def step(self, delta: int) -> None:
        self.go(self.names[(self.names.index(self.pane) + delta) % len(self.names)])

    def came_to(self, pane: str) -> None:
        """The focus is in this pane."""
        self.pane = pane
        self._lower = self._lower if pane == self.first else pane
        self.apply()

    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.apply()

    def apply(self) -> None:
        seen, find = self._seen(), self._root.query_one
        for column, panes in self._columns.items():
            shown = [pane for pane in panes if pane in seen]
            for pane in panes:
                find(f"#{pane}").display = pane in seen
                find(f"#{pane}").set_class(shown == [pane], "-alone")
            find(f"#{column}").display = bool(shown)

    def _seen(self) -> Collection[str]:
        if self.zoomed or self._root.screen.has_class("-tiny"):
            return (self.pane,)
        return (self.first, self._lower) if self._root.screen.has_class("-narrow") else self.names
