"""The line below a list in which somebody writes which words its rows must have; hidden while it is of no use."""

from deia_tui.ui import keymap
from deia_tui.ui.widgets.entry import Entry
from deia_tui.ui.widgets.table import Table


class Filter(Entry):
    BINDINGS = keymap.bindings("filter")

    def __init__(self, table: Table, *, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, compact=True, id="filter")
        self._table = table
        self.display = False

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.value.casefold().split())

    def open(self) -> None:
        self.display = True
        self.focus()

    def close(self) -> bool:
        """Show everything again. True when it was open."""
        was_open = self.display
        self.value = ""
        self.display = False
        return was_open

    def action_done(self) -> None:
        self._table.focus()

    def action_clear(self) -> None:
        self.value = ""
        self._table.focus()

    def on_blur(self) -> None:
        if not self.value:
            self.display = False
