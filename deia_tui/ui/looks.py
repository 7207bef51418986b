"""When a pane reads again what it shows: at once when somebody waits for it, else paced by what a look costs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from deia_tui.core.errors import CommandRejected, DeiaError

_AFTER_AN_ERROR_S = 5.0
NOT_YET = 503
"""The status of a refusal while the supervisor is starting."""
_SHARE = 10
"""At most one part in so many of the time goes into looking."""


class Looks:
    """`want` may be called as often as one likes: one look is under way at most, and `pace_s` lies between two."""

    def __init__(self, look: Callable[[], Awaitable[None]], complain: Callable[[str], None], *, pace_s: float) -> None:
        self._look = look
        self._complain = complain
        self._pace_s = pace_s
        self._due = asyncio.Event()
        self._hurry = asyncio.Event()

    def want(self, *, hurry: bool = False) -> None:
        """`hurry`: somebody waits for it."""
        self._due.set()
        if hurry:
            self._hurry.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._due.wait()
            self._due.clear()
            self._hurry.clear()
            began = loop.time()
            try:
                await self._look()
            except DeiaError as error:
                starting = isinstance(error, CommandRejected) and error.status == NOT_YET
                if not starting:
                    self._complain(str(error))
                self._due.set()
                await asyncio.sleep(self._pace_s if starting else _AFTER_AN_ERROR_S)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(self._pace_s, _SHARE * (loop.time() - began))):
                        await self._hurry.wait()
