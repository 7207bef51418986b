"""Stops bots, and says meanwhile, of several, which of them are not off yet and why."""

import time
from collections.abc import Callable, Sequence

from textual.dom import DOMNode

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import StopBot
from deia_tui.core.state import is_live
from deia_tui.core.stopping import progress, waits_for
from deia_tui.core.text import clean
from deia_tui.ui.orders import Orders, name_all

_PROGRESS_S = 0.5


class Stops:
    """`show` gets one line about those that are not off yet, "" when all are."""

    def __init__(self, client: HiveClient, orders: Orders, show: Callable[[str], None]) -> None:
        self._client = client
        self._orders = orders
        self._show = show
        self._stopping: frozenset[str] = frozenset()

    async def stop(self, bots: Sequence[str], clock: DOMNode) -> None:
        self._orders.say(f"Stopping {name_all(bots)}", "information")
        self._stopping |= set(bots)
        telling = clock.set_interval(_PROGRESS_S, self._tell)
        try:
            await self._orders.give_all([StopBot(bot_id=bot_id) for bot_id in bots])
        finally:
            telling.stop()
            self._stopping -= set(bots)
            self._tell()

    def _tell(self) -> None:
        bots, now = self._client.snapshot().state.bots, time.time()
        waiting = [bots[bot_id] for bot_id in sorted(self._stopping) if bot_id in bots and is_live(bots[bot_id])]
        many = len(self._stopping) > 1
        text = progress([(bot.bot_id, waits_for(bot, now)) for bot in waiting], len(self._stopping)) if many else ""
        self._show(clean(text))
