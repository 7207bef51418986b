"""backpressure.jsonl: when too much waits for a bot, when that is over, and who was refused meanwhile."""

from collections.abc import Iterator

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, rfc3339

FILE = "backpressure.jsonl"


class Backpressure:
    def lines(self, event: ev.Event) -> Iterator[Line]:
        sender: str | None = None
        retry_after_s: float | None = None
        priority: int | None = None
        match event:
            case ev.PressureChanged():
                name: str = event.kind
            case ev.MessageRefused() | ev.TaskRefused():
                name, sender, retry_after_s = "refused", event.sender, event.retry_after_s
                priority = event.priority
            case _:
                return
        yield (
            FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "bot_id": event.bot_id,
                "queue_depth": event.queue_depth,
                "sender": sender,
                "priority": priority,
                "retry_after_s": retry_after_s,
            },
        )
