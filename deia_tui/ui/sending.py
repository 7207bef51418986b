"""Sends what was written to a bot: something harmful only after asking, and what is refused goes back to its writer."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.screen import Screen

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import DeiaError
from deia_tui.core.risk import ASKS_ITSELF, risky
from deia_tui.core.text import clean, shorten
from deia_tui.ui.orders import Orders
from deia_tui.ui.panes.chat import ChatPane


class Sending:
    """`begin` starts what takes its time."""

    def __init__(
        self,
        client: HiveClient,
        orders: Orders,
        chat: ChatPane,
        *,
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._client = client
        self._orders = orders
        self._chat = chat
        self._begin = begin

    def send(self, screen: Screen[Any], event: ChatPane.Send) -> None:
        self._once_meant(
            screen,
            event.bot_id,
            event.text,
            lambda: self._begin(self._deliver(event)),
            lambda: self._chat.put_back(event.draft, event.beside),
        )

    def send_again(self, screen: Screen[Any]) -> None:
        """The message at the cursor that was not answered."""
        text, transcript = self._chat.view.to_send_again(), self._chat.view.transcript
        if text is None or transcript is None:
            self._orders.say("Every message here was answered, or still may be.", "information")
        elif self._orders.allowed():
            bot_id, command = transcript.bot_id, SendMessage(bot_id=transcript.bot_id, text=text)
            done = f"Sent again to {bot_id}."
            self._once_meant(screen, bot_id, text, lambda: self._begin(self._orders.give_all([command], done)))

    def _once_meant(
        self,
        screen: Screen[Any],
        bot_id: str,
        text: str,
        send: Callable[[], None],
        leave: Callable[[], None] = lambda: None,
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
        screen.app.push_screen(dialog, lambda confirmed: send() if confirmed else leave())

    async def _deliver(self, event: ChatPane.Send) -> None:
        try:
            await self._orders.give(SendMessage(bot_id=event.bot_id, text=event.text))
            if event.bot_id != event.beside:
                self._orders.say(f"Sent to {event.bot_id}.", "information")
        except DeiaError as error:
            self._chat.refuse(event.draft, event.beside, str(error))
            self._orders.say(str(error), "error")
