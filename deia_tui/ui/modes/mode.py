"""What all modes of the console have in common: panes of which some are seen, and one that the keys are for."""

from collections.abc import Collection, Mapping, Sequence

from textual.containers import Horizontal
from textual.events import DescendantFocus
from textual.message import Message
from textual.reactive import var
from textual.widget import Widget

from deia_tui.core.state import Snapshot
from deia_tui.ui.arrangement import Arrangement


class Mode(Horizontal):
    """A mode that is not shown is told nothing and reads nothing; `enter` brings it up to date."""

    snapshot: var[Snapshot] = var(Snapshot(), init=False)

    class Changed(Message):
        """Another pane has the focus, or other keys may be of use."""

    class Left(Message):
        """There is nothing to leave in here any more."""

    class BotWanted(Message):
        """Somebody wants to see this bot."""

        def __init__(self, bot_id: str) -> None:
            super().__init__()
            self.bot_id = bot_id

    def __init__(
        self, name: str, targets: Mapping[str, Widget], columns: Mapping[str, Sequence[str]], *, lower: str
    ) -> None:
        """As for an Arrangement."""
        super().__init__(id=name, classes="mode")
        self.panes = Arrangement(self, targets, columns, lower=lower)
        self.reads = self.panes.first
        """What the footer's keys are of: a pane, or an input in it."""

    # What modes say

    def enter(self) -> None:
        """It is shown from now on."""
        self.panes.apply()
        self.panes.go(self.panes.pane)

    def hear(self, snapshot: Snapshot) -> None:
        """Somebody said something."""

    def usable_keys(self) -> Collection[str]:
        """Of the keys that are of use at times, those that are now."""
        return ()

    def select_new(self, task_id: str) -> None:
        """Somebody just made this task."""

    def meant(self) -> Sequence[str]:
        """The bots that an order is for now."""
        return ()

    def open_here(self) -> bool:
        """Open or fold what is at the cursor; False when there is nothing to open."""
        return False

    def selected_text(self) -> str:
        """What is copied when nothing is marked by the mouse."""
        return ""

    def back(self) -> bool:
        """Leave what is open in here; False when there is nothing."""
        return False

    # Panes

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        inside = [node.id for node in event.widget.ancestors_with_self]
        pane = next((pane for pane in self.panes.names if pane in inside), None)
        if pane is not None:
            is_input = event.widget.id in ("chat-input", "filter")
            self.reads = event.widget.id or pane if is_input else pane
            self.panes.came_to(pane)
            self.post_message(self.Changed())

    def action_next_pane(self) -> None:
        self.panes.step(1)

    def action_previous_pane(self) -> None:
        self.panes.step(-1)

    def action_zoom(self) -> None:
        self.panes.zoom()

    def action_back(self) -> None:
        if self.panes.zoomed:
            self.panes.zoom()
        elif not self.back():
            if self.panes.pane == self.panes.first:
                self.post_message(self.Left())
            self.panes.go(self.panes.first)
