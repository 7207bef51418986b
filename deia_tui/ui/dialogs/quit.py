"""Asks what shall become of the running bots, and shows how stopping them goes."""

import time

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import StopAll
from deia_tui.core.errors import DeiaError
from deia_tui.core.state import BotView, is_live
from deia_tui.core.stopping import progress, waits_for
from deia_tui.core.text import clean
from deia_tui.ui.orders import READ_ONLY

_CHOICES = (
    ("background", "Keep supervising in the background", "crashes are still restarted"),
    ("leave", "Leave them running", "nobody restarts them meanwhile"),
    ("stop", "Stop all bots", "gracefully, within 10 s"),
    ("cancel", "Cancel", "stay here"),
)


class QuitDialog(ModalScreen[str]):
    """Returns stop, leave or background; None to stay."""

    BINDINGS = [("escape,q", "cancel", "Cancel"), ("j", "down", "Down"), ("k", "up", "Up")]

    def __init__(self, client: HiveClient, live: int, *, read_only: bool) -> None:
        super().__init__()
        self._client = client
        self._live = live
        self._read_only = read_only
        self._stopping = False
        self._total = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as box:
            box.border_title = Content(f"Quit: {_bots(self._live)} running")
            yield OptionList(*[_option(*choice) for choice in _CHOICES], id="choices", compact=True)
            yield Static("", markup=False, id="progress")

    def on_mount(self) -> None:
        self.query_one("#progress").display = False

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option.id == "cancel":
            self.action_cancel()
        elif event.option.id != "stop":
            self.dismiss(event.option.id)
        elif self._read_only:
            self._tell(READ_ONLY)
        elif not self._stopping:
            self._stopping = True
            self._total = len(self._on())
            self.set_interval(0.2, self._show_progress)
            self._show_progress()
            self.run_worker(self._stop())

    async def _stop(self) -> None:
        try:
            await self._client.submit(StopAll())
        except DeiaError as error:
            self._stopping = False
            self._tell(clean(str(error)))
            return
        self.dismiss("stop")

    def _show_progress(self) -> None:
        if self._stopping:
            waiting = [(bot.bot_id, waits_for(bot, time.time())) for bot in self._on()]
            self._tell(clean(f"Stopping: {progress(waiting, self._total) or 'all bots are off'}"))

    def _on(self) -> list[BotView]:
        """Those that are not off, the longest stopping first."""
        bots = self._client.snapshot().state.bots.values()
        return sorted((bot for bot in bots if is_live(bot)), key=lambda bot: (bot.since, bot.bot_id))

    def _tell(self, sentence: str) -> None:
        progress = self.query_one("#progress", Static)
        progress.display = True
        progress.update(Content(sentence))

    def action_cancel(self) -> None:
        if not self._stopping:
            self.dismiss(None)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()


def _option(choice: str, title: str, detail: str) -> Option:
    return Option(Content.assemble((title.ljust(36), "bold"), (detail, "dim")), id=choice)


def _bots(count: int) -> str:
    return f"{count} bot{'' if count == 1 else 's'}"
