"""Keys act one after the other, each on what the one before it brought.

Over a slow line several keys arrive together, and Textual would send all of them to the widget that has the focus at
that moment: of `enter` and a message typed behind it, the message would be read as orders.
"""

import asyncio
from contextlib import suppress
from typing import Any

from textual.app import App
from textual.events import Key, Paste

PATIENCE_S = 0.5
"""How long a key waits for the one before it, at most."""
_LOOK_EVERY_S = 0.001
_CALM_LOOKS = 2


class TypeAhead:
    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._typed: asyncio.Queue[Key | Paste] = asyncio.Queue()

    def put(self, typed: Key | Paste) -> None:
        self._typed.put_nowait(typed)

    async def run(self) -> None:
        """Hand on what is typed, until cancelled."""
        while True:
            self._app.post_message(await self._typed.get())
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._settled()

    async def _settled(self) -> None:
        looks = 0
        while looks < _CALM_LOOKS:
            await asyncio.sleep(_LOOK_EVERY_S)
            looks = looks + 1 if self._is_calm() else 0

    def _is_calm(self) -> bool:
        """Is the screen complete, so that it has its focus, and has nobody a message to read?"""
        screens = self._app.screen_stack
        if not screens:
            return True
        pumps = (self._app, *screens, *screens[-1].walk_children())
        return screens[-1].is_mounted and not any(pump.message_queue_size for pump in pumps)
