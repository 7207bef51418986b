"""The main screen: its panes, which of them are seen, and what every key does."""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen

from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient
from deia_tui.core.errors import DeiaError
from deia_tui.core.risk import ASKS_ITSELF, risky
from deia_tui.core.state import Snapshot, is_live
from deia_tui.core.stopping import progress, waits_for
from deia_tui.core.text import clean, shorten
from deia_tui.ui import keymap
from deia_tui.ui.answering import Answering
from deia_tui.ui.answers import Wish
from deia_tui.ui.arrangement import PANES, Arrangement, Pane
from deia_tui.ui.feed import Continued, Feed, Opened
from deia_tui.ui.keys import REQUESTS
from deia_tui.ui.orders import Orders, name_all
from deia_tui.ui.panes.alerts import AlertsPane, alerting
from deia_tui.ui.panes.bots import BotsPane
from deia_tui.ui.panes.chat import ChatInput, ChatPane
from deia_tui.ui.panes.footer import FooterBar
from deia_tui.ui.panes.header import HeaderBar
from deia_tui.ui.panes.log import LogPane
from deia_tui.ui.panes.turns import ChatView
from deia_tui.ui.theme import Glyphs
from deia_tui.ui.widgets.lines import Pointed

_SMALLEST = (60, 20)
_PROGRESS_S = 0.5


class ConsoleScreen(Screen[None], inherit_bindings=False):
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (72, "-narrow"), (110, "-wide"), (160, "-roomy")]
    BINDINGS = keymap.bindings("console")
    AUTO_FOCUS = "#bot-table"

    snapshot: var[Snapshot] = var(Snapshot(), init=False)
    selected: var[str | None] = var[str | None](None, init=False)
    frozen: var[bool] = var(False, init=False)

    class QuitAsked(Message):
        """Somebody wants to leave."""

    def __init__(self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, feed_pace_s: float) -> None:
        super().__init__(id="console")
        self._client = client
        self._orders = orders
        self._header = HeaderBar(glyphs, read_only=orders.read_only)
        self._bots = BotsPane(glyphs)
        self._log = LogPane(glyphs)
        self._chat = ChatPane(glyphs)
        self._alerts = AlertsPane(glyphs)
        self._footer = FooterBar(glyphs)
        self._feed = Feed(client, self._show_feed, self._complain, pace_s=feed_pace_s)
        self._answering = Answering(client, orders, glyphs, begin=self._begin, meant=self._meant)
        self._newest = Snapshot()
        self._panes = Arrangement(
            self,
            {"bots": self._bots.table, "chat": self._chat.view, "log": self._log, "alerts": self._alerts},
        )
        self._to_select: str | None = None
        self._stopping: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        bound = ConsoleScreen.snapshot
        yield self._header.data_bind(bound, ConsoleScreen.frozen)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield self._bots.data_bind(bound)
                yield self._log
            with Vertical(id="right"):
                yield self._chat.data_bind(bound, ConsoleScreen.selected)
                yield self._alerts.data_bind(bound)
        yield self._footer

    def on_mount(self) -> None:
        self.run_worker(self._feed.run(), group="feed")

    # What is shown

    def apply(self, snapshot: Snapshot) -> None:
        """The hive looks like this now."""
        self._newest = snapshot
        if not self.frozen:
            asked = self.snapshot.state.approvals
            self.snapshot = snapshot
            if snapshot.state.approvals != asked:
                self._show_usable_keys()
            if self._to_select is not None:
                self.select(self._to_select)

    def hear(self, snapshot: Snapshot) -> None:
        """Somebody said something."""
        if not self.frozen:
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
    def _show_usable_keys(self) -> None:
        asks = frozenset({REQUESTS} if self.snapshot.state.approvals else ())
        self._footer.usable = asks | self._chat.view.usable_keys()

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
                self._bots.clear_filter()
            self._bots.table.move_to(bot_id)

    # Which panes are seen

    def on_resize(self, event: Resize) -> None:
        small = event.size.width < _SMALLEST[0] or event.size.height < _SMALLEST[1]
        self._footer.notice = f"Small terminal: {_SMALLEST[0]}×{_SMALLEST[1]} or more shows everything" if small else ""
        self._panes.apply()

    def on_screen_resume(self) -> None:
        """The size may have changed behind a dialog."""
        self._panes.apply()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        inside = [node.id for node in event.widget.ancestors_with_self]
        pane = next((pane for pane in PANES if pane in inside), None)
        if pane is not None:
            self._footer.pane = event.widget.id if event.widget.id in ("chat-input", "filter") else pane
            self._panes.came_to(pane)
            self._show_usable_keys()

    def action_next_pane(self) -> None:
        self._panes.step(1)

    def action_previous_pane(self) -> None:
        self._panes.step(-1)

    def action_alerts(self) -> None:
        self._panes.go("alerts")

    def action_zoom(self) -> None:
        self._panes.zoom()

    def action_freeze(self) -> None:
        if self._panes.pane == "chat" and self._chat.view.toggle():
            return
        self.frozen = not self.frozen
        self.apply(self._newest)
        self.hear(self._newest)

    def action_read_only(self) -> None:
        self._orders.read_only = self._header.read_only = not self._orders.read_only

    def action_back(self) -> None:
        if self._panes.zoomed:
            self.action_zoom()
        elif self._bots.clear_filter():
            self._bots.table.focus()
        elif self._bots.table.marked:
            self._bots.mark(frozenset())
        else:
            self._panes.go("bots")

    def action_filter(self) -> None:
        self._panes.go("bots")
        self._bots.open_filter()

    def action_jump(self, place: int) -> None:
        bots = alerting(self.snapshot.state.alerts)
        if place <= len(bots):
            self.select(bots[place - 1])

    def action_copy(self) -> None:
        shown: dict[Pane, BotsPane | Pointed | AlertsPane]
        shown = {"bots": self._bots, "chat": self._chat.view, "log": self._log, "alerts": self._alerts}
        text = self.get_selected_text() or shown[self._panes.pane].selected_text()
        if text:
            self.app.copy_to_clipboard(text)
            self._say(f"Copied {len(text)} characters.")

    # Chat

    def action_fold(self) -> None:
        if not self._chat.view.toggle():
            self._say("There is nothing to open in this line.")

    def action_chat(self) -> None:
        if self._panes.pane == "chat" and self._chat.view.toggle():
            return
        if self._panes.pane == "alerts" and (alert := self._alerts.selected()) is not None and alert.bot_id:
            self.select(alert.bot_id)
        if self.selected is None:
            self._say("There is no bot to write to: press l to launch one.")
            return
        self._panes.go("chat")
        self._chat.input.focus()

    @on(ChatInput.Left)
    def _leave_input(self) -> None:
        self._panes.go("bots")

    @on(ChatPane.Send)
    def _send(self, event: ChatPane.Send) -> None:
        self._once_meant(
            event.bot_id,
            event.text,
            lambda: self._begin(self._deliver(event)),
            lambda: self._chat.put_back(event.draft, event.beside),
        )

    def _once_meant(
        self, bot_id: str, text: str, send: Callable[[], None], leave: Callable[[], None] = lambda: None
    ) -> None:
        """Send a text in which something harmful stands only after asking; prose about such things is sent at once."""
        bot = self._client.snapshot().state.bots.get(bot_id)
        asks_itself = bot is not None and bot.spec.agent.kind == ASKS_ITSELF
        reason = "" if self._orders.read_only or asks_itself else risky(text)
        if not reason:
            send()
            return
        from deia_tui.ui.dialogs.confirm import ConfirmDialog

        question, detail = f"Send this to {bot_id}?", f"{reason[:1].upper()}{reason[1:]}: {shorten(clean(text), 400)}"
        dialog = ConfirmDialog(question, detail, yes="Send")
        self.app.push_screen(dialog, lambda confirmed: send() if confirmed else leave())

    async def _deliver(self, event: ChatPane.Send) -> None:
        try:
            await self._orders.give(cmd.SendMessage(bot_id=event.bot_id, text=event.text))
            if event.bot_id != event.beside:
                self._say(f"Sent to {event.bot_id}.")
        except DeiaError as error:
            self._chat.refuse(event.draft, event.beside, str(error))
            self._complain(str(error))

    def action_resend(self) -> None:
        text, transcript = self._chat.view.to_send_again(), self._chat.view.transcript
        if text is None or transcript is None:
            self._say("Every message here was answered, or still may be.")
        elif self._orders.allowed():
            bot_id, command = transcript.bot_id, cmd.SendMessage(bot_id=transcript.bot_id, text=text)
            done = f"Sent again to {bot_id}."
            self._once_meant(bot_id, text, lambda: self._begin(self._orders.give_all([command], done)))

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

    def action_requests(self) -> None:
        self._answering.show(self, None)

    def action_answer(self, wish: Wish) -> None:
        self._answering.answer(self, self._chat.view.request() if self._panes.pane == "chat" else None, wish)

    def action_deny_why(self) -> None:
        request = self._chat.view.request() if self._panes.pane == "chat" else None
        self._answering.show(self, request, why=request is not None)

    # Orders

    def action_stop(self) -> None:
        bots = self._meant()
        if bots and self._orders.allowed():
            self._begin(self._stop(bots))
            self._forget_marks()

    async def _stop(self, bots: Sequence[str]) -> None:
        """Says meanwhile, of several, which it waits for."""
        self._say(f"Stopping {name_all(bots)}")
        self._stopping |= set(bots)
        telling = self.set_interval(_PROGRESS_S, self._show_progress)
        try:
            await self._orders.give_all([cmd.StopBot(bot_id=bot_id) for bot_id in bots])
        finally:
            telling.stop()
            self._stopping -= set(bots)
            self._show_progress()

    def _show_progress(self) -> None:
        bots, now = self._newest.state.bots, time.time()
        waiting = [bots[bot_id] for bot_id in sorted(self._stopping) if bot_id in bots and is_live(bots[bot_id])]
        many = len(self._stopping) > 1
        text = progress([(bot.bot_id, waits_for(bot, now)) for bot in waiting], len(self._stopping)) if many else ""
        self._footer.progress = clean(text)

    def action_restart(self) -> None:
        self._order(lambda bot_id: cmd.RestartBot(bot_id=bot_id), "Restarting")

    def action_interrupt(self) -> None:
        self._order(lambda bot_id: cmd.InterruptBot(bot_id=bot_id), "Interrupting")

    def _order(self, command: Callable[[str], cmd.Command], doing: str) -> None:
        bots = self._meant()
        if bots and self._orders.allowed():
            self._give(bots, command, f"{doing} {name_all(bots)}")

    def _meant(self) -> Sequence[str]:
        """The bots an order is for: the marked ones or the one at the cursor, elsewhere the one the pane shows."""
        match self._panes.pane:
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
        if self._panes.pane == "bots":
            self._bots.mark(frozenset())

    def action_mark(self) -> None:
        self._bots.toggle_mark()

    def action_kill(self) -> None:
        bots = self._meant()
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

    def action_launch(self) -> None:
        if not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.launch import LaunchDialog

        def launched(bot_ids: Sequence[str] | None) -> None:
            if bot_ids:
                self._say(f"Launched {name_all(bot_ids)}")
                self.select(bot_ids[0])

        self.app.push_screen(LaunchDialog(self._client, self._orders), launched)

    # The console itself

    def action_palette(self) -> None:
        self.app.action_command_palette()

    def action_help(self) -> None:
        from deia_tui.ui.dialogs.help import HelpOverlay

        self.app.push_screen(HelpOverlay(self._panes.pane, self._header.glyphs))

    def action_ask_quit(self) -> None:
        self.post_message(self.QuitAsked())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(work, group="orders")

    def _say(self, sentence: str) -> None:
        self._orders.say(sentence, "information")

    def _complain(self, sentence: str) -> None:
        self._orders.say(sentence, "error")
