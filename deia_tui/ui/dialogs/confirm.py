"""Asks before something that cannot be taken back; cancelling is what an absent-minded enter does."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from deia_tui.core.text import clean


class ConfirmDialog(ModalScreen[bool]):
    BINDINGS = [
        ("escape,n,q", "cancel", "Cancel"),
        ("left,h,up,k", "app.focus_previous", "Previous"),
        ("right,l,down,j", "app.focus_next", "Next"),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, question: str, detail: str, *, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self._question = question
        self._detail = detail
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(clean(self._question))
            yield Static(Content(clean(self._detail)), classes="detail")
            with Horizontal(classes="buttons"):
                yield Button(Content(self._no), id="cancel", compact=True)
                yield Button(Content(self._yes), id="yes", variant="error", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_cancel(self) -> None:
        self.dismiss(False)
