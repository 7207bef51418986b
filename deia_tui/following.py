"""Everything that happens in a hive, as it happens: pages of events, none missed, none twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from deia_tui.core.client import HiveClient, Recorded

PAGE = 500


async def follow(
    client: HiveClient, *, bot_id: str | None = None, after: int, forever: bool = True
) -> AsyncIterator[Sequence[Recorded]]:
    """Pages of events with seq > `after`, oldest first: up to now, or without end."""
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(news.set)

    unsubscribe = client.subscribe(wake)
    try:
        while True:
            news.clear()
            while page := await client.events(bot_id=bot_id, after=after, limit=PAGE):
                after = page[-1].seq
                yield page
            if not forever:
                return
            await news.wait()
    finally:
        unsubscribe()
