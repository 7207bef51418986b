"""backpressure.jsonl: when too much waits for a bot, when that is over, and who was refused meanwhile."""

from collections.abc import Iterator

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, rfc3339
from deia_tui.core.state import HiveState

FILE = "backpressure.jsonl"
ENGAGED_AT = 10
"""So many messages waiting for one bot are too many …"""
RELEASED_BELOW = 5
"""… until there are fewer than these."""


class Backpressure:
    def __init__(self, state: HiveState) -> None:
        self._waiting = {bot_id: {message_id for message_id, _ in bot.queued} for bot_id, bot in state.bots.items()}
        self._engaged = {bot_id for bot_id, waiting in self._waiting.items() if len(waiting) >= ENGAGED_AT}

    def lines(self, event: ev.Event) -> Iterator[Line]:
        sender: str | None = None
        retry_after_s: float | None = None
        match event:
            case ev.MessageRefused():
                sender, retry_after_s = event.sender, event.retry_after_s
                name: str | None = "refused"
            case ev.MessageQueued():
                self._waiting.setdefault(event.bot_id, set()).add(event.message_id)
                name = self._pressure(event.bot_id)
            case ev.TurnStarted() | ev.TurnEnded():
                self._waiting.setdefault(event.bot_id, set()).discard(event.message_id)
                name = self._pressure(event.bot_id)
            case _:
                return
        if name is None:
            return
        yield (
            FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "bot_id": event.bot_id,
                "queue_depth": len(self._waiting.get(event.bot_id, ())),
                "sender": sender,
                "priority": None,
                "retry_after_s": retry_after_s,
            },
        )

    def _pressure(self, bot_id: str) -> str | None:
        """What the number of waiting messages means, where it means something new."""
        depth = len(self._waiting[bot_id])
        if depth >= ENGAGED_AT and bot_id not in self._engaged:
            self._engaged.add(bot_id)
            return "engaged"
        if depth < RELEASED_BELOW and bot_id in self._engaged:
            self._engaged.discard(bot_id)
            return "released"
        return None
