"""The mode Hive: the bots, the conversation with the selected one, its log, and the alerts."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import var

from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient
from deia_tui.core.errors import DeiaError
from deia_tui.core.state import Snapshot
from deia_tui.ui import keymap
from deia_tui.ui.answering import Answering
from deia_tui.ui.answers import Wish
from deia_tui.ui.feed import Continued, Feed, Opened
from deia_tui.ui.modes.mode import Mode
from deia_tui.ui.orders import Orders, name_all
from deia_tui.ui.panes.alerts import AlertsPane, alerting
from deia_tui.ui.panes.bots import BotsPane
from deia_tui.ui.panes.chat import ChatInput, ChatPane
from deia_tui.ui.panes.log import LogPane
from deia_tui.ui.panes.turns import ChatView
from deia_tui.ui.sending import Sending
from deia_tui.ui.stops import Stops
from deia_tui.ui.theme import Glyphs


class HiveMode(Mode):
    BINDINGS = [*keymap.bindings("mode"), *keymap.bindings("hive")]

    selected: var[str | None] = var[str | None](None, init=False)

    class Progress(Message):
        """What takes its time, in one line; "" when it is over."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, feed_pace_s: float) -> None:
        self._client = client
        self._orders = orders
        self._bots = BotsPane(glyphs)
        self._log = LogPane(glyphs)
        self._chat = ChatPane(glyphs)
        self._alerts = AlertsPane(glyphs)
        super().__init__(
            "hive",
            {"bots": self._bots.table, "chat": self._chat.view, "log": self._log, "alerts": self._alerts},
            {"left": ("bots", "log"), "right": ("chat", "alerts")},
            lower="log",
        )
        self._feed = Feed(client, self._show_feed, self._complain, pace_s=feed_pace_s)
        self._answering = Answering(client, orders, glyphs, begin=self._begin, meant=self.meant)
        self._sending = Sending(client, orders, self._chat, begin=self._begin)
        self._stops = Stops(client, orders, self._show_progress)
        self._to_select: str | None = None

    def compose(self) -> ComposeResult:
        bound = HiveMode.snapshot
        with Vertical(id="left"):
            yield self._bots.data_bind(bound)
            yield self._log
        with Vertical(id="right"):
            yield self._chat.data_bind(bound, HiveMode.selected)
            yield self._alerts.data_bind(bound)

    def on_mount(self) -> None:
        self.run_worker(self._feed.run(), group="feed")

    # What is shown

    def watch_snapshot(self, old: Snapshot, new: Snapshot) -> None:
        if self._to_select is not None:
            self.select(self._to_select)

    def hear(self, snapshot: Snapshot) -> None:
        self._feed.wake(snapshot)

    def _show_feed(self, news: Opened | Continued) -> None:
        match news:
            case Opened():
                self._chat.open(news.bot_id, news.turns, news.news)
                self._log.open(news.bot_id, news.recorded)
            case Continued():
                self._chat.add(news.recorded)
                self._log.add(news.recorded)

    @on(ChatView.Changed)
    def _other_keys(self) -> None:
        self.post_message(self.Changed())

    def usable_keys(self) -> Collection[str]:
        return self._chat.view.usable_keys()

    @on(BotsPane.Selected)
    def _bot_selected(self, event: BotsPane.Selected) -> None:
        self.selected = event.bot_id
        self._feed.select(event.bot_id)

    def select(self, bot_id: str) -> None:
        """Put the cursor on a bot, wherever it is, as soon as it is there."""
        self._to_select = bot_id
        if bot_id in self.snapshot.state.bots:
            self._to_select = None
            if bot_id not in self._bots.table.keys:
                self._bots.filter.close()
            self._bots.table.move_to(bot_id)

    def jump(self, place: int) -> None:
        """To the n-th bot with an alert."""
        bots = alerting(self.snapshot.state.alerts)
        if place <= len(bots):
            self.select(bots[place - 1])

    def back(self) -> bool:
        if self._bots.filter.close():
            self._bots.table.focus()
        elif self._bots.table.marked:
            self._bots.mark(frozenset())
        else:
            return False
        return True

    def open_here(self) -> bool:
        return self.panes.pane == "chat" and self._chat.view.toggle()

    def action_filter(self) -> None:
        self.panes.go("bots")
        self._bots.filter.open()

    def selected_text(self) -> str:
        match self.panes.pane:
            case "bots":
                return self._bots.selected_text()
            case "chat":
                return self._chat.view.selected_text()
            case "log":
                return self._log.selected_text()
            case _:
                return self._alerts.selected_text()

    def _show_progress(self, text: str) -> None:
        self.post_message(self.Progress(text))

    # Chat

    def action_fold(self) -> None:
        if not self._chat.view.toggle():
            self._say("There is nothing to open in this line.")

    def action_chat(self) -> None:
        if self.open_here():
            return
        if self.panes.pane == "alerts" and (alert := self._alerts.selected()) is not None and alert.bot_id:
            self.select(alert.bot_id)
        if self.selected is None:
            self._say("There is no bot to write to: press l to launch one.")
            return
        self.panes.go("chat")
        self._chat.input.focus()

    @on(ChatInput.Left)
    def _leave_input(self) -> None:
        self.panes.go("bots")

    @on(ChatPane.Send)
    def _send(self, event: ChatPane.Send) -> None:
        self._sending.send(self.screen, event)

    def action_resend(self) -> None:
        self._sending.send_again(self.screen)

    @on(ChatPane.OlderWanted)
    def _load_older(self, event: ChatPane.OlderWanted) -> None:
        self.run_worker(self._read_older(event.bot_id, event.before), group="older", exclusive=True)

    async def _read_older(self, bot_id: str, before: int) -> None:
        try:
            turns = await self._client.chat(bot_id, before=before)
        except DeiaError as error:
            self._complain(str(error))
        else:
            self._chat.add_older(bot_id, turns)

    # What agents ask leave for

    def show_requests(self) -> None:
        self._answering.show(self.screen, None)

    def action_answer(self, wish: Wish) -> None:
        self._answering.answer(self.screen, self._chat.view.request() if self.panes.pane == "chat" else None, wish)

    def action_deny_why(self) -> None:
        request = self._chat.view.request() if self.panes.pane == "chat" else None
        self._answering.show(self.screen, request, why=request is not None)

    # Orders

    def action_stop(self) -> None:
        bots = self.meant()
        if bots and self._orders.allowed():
            self._begin(self._stops.stop(bots, self))
            self._forget_marks()

    def action_restart(self) -> None:
        self._order(lambda bot_id: cmd.RestartBot(bot_id=bot_id), "Restarting")

    def action_interrupt(self) -> None:
        self._order(lambda bot_id: cmd.InterruptBot(bot_id=bot_id), "Interrupting")

    def _order(self, command: Callable[[str], cmd.Command], doing: str) -> None:
        bots = self.meant()
        if bots and self._orders.allowed():
            self._give(bots, command, f"{doing} {name_all(bots)}")

    def meant(self) -> Sequence[str]:
        """The marked bots or the one at the cursor, elsewhere the one the pane shows."""
        match self.panes.pane:
            case "bots":
                return self._bots.chosen()
            case "alerts":
                alert = self._alerts.selected()
                return [alert.bot_id] if alert is not None and alert.bot_id else []
            case _:
                return [self.selected] if self.selected else []

    def _give(self, bots: Sequence[str], command: Callable[[str], cmd.Command], done: str) -> None:
        """One order for all of them."""
        self._begin(self._orders.give_all([command(bot_id) for bot_id in bots], done))
        self._forget_marks()

    def _forget_marks(self) -> None:
        """An order went to them: they are used up."""
        if self.panes.pane == "bots":
            self._bots.mark(frozenset())

    def action_mark(self) -> None:
        self._bots.toggle_mark()

    def action_kill(self) -> None:
        bots = self.meant()
        if not bots or not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.confirm import ConfirmDialog

        def kill(confirmed: bool | None) -> None:
            if confirmed:
                self._give(bots, lambda bot_id: cmd.KillBot(bot_id=bot_id), f"Killed {name_all(bots)}")

        detail = "Every process of it ends now, nothing is saved, and it stays stopped."
        if len(bots) > 1:
            detail = f"Every process of {', '.join(bots)} ends now, nothing is saved, and they stay stopped."
        self.app.push_screen(ConfirmDialog(f"Kill {name_all(bots)}?", detail, yes="Kill"), kill)

    def action_clear_alert(self) -> None:
        alert = self._alerts.selected()
        if alert is not None and alert.cleared_at is None and self._orders.allowed():
            self._begin(self._orders.give_all([cmd.ClearAlert(alert_id=alert.alert_id)]))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(work, group="orders")

    def _say(self, sentence: str) -> None:
        self._orders.say(sentence, "information")

    def _complain(self, sentence: str) -> None:
        self._orders.say(sentence, "error")
