"""Which bot something is given to: one of them, or anyone."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from deia_tui.core.state import BotView
from deia_tui.core.text import clean


class BotsDialog(ModalScreen[str | None]):
    """Returns the bot, "" for anyone, None for neither."""

    BINDINGS = [("escape,q", "cancel", "Cancel"), ("j", "down", "Down"), ("k", "up", "Up")]
    AUTO_FOCUS = "#what"

    def __init__(self, question: str, bots: Sequence[BotView]) -> None:
        super().__init__()
        self._question = question
        self._ids = ["", *(bot.bot_id for bot in bots)]
        about = [Content("anyone"), *(Content.assemble(clean(bot.bot_id), (f"  {bot.state}", "dim")) for bot in bots)]
        self._what = OptionList(*map(Option, about), id="what", compact=True, markup=False)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(clean(self._question))
            box.border_subtitle = Content("enter gives it, esc cancels")
            yield self._what

    def on_mount(self) -> None:
        self._what.highlighted = 0

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._ids[event.option_index])

    def action_down(self) -> None:
        self._what.action_cursor_down()

    def action_up(self) -> None:
        self._what.action_cursor_up()

    def action_cancel(self) -> None:
        self.dismiss(None)
