"""Tells that something changed in some folders. That is a hint to look, never the truth: where nobody can watch, those
who look now and then see it all the same."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress

from watchfiles import awatch

STEP_MS = 40
"""Changes are told once so long nothing else changed; 25 looks a second cost 0.1 % of a core."""
AGAIN_S = 5.0


class FolderWatch:
    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._folders: Mapping[str, int] = {}
        self._moved = asyncio.Event()

    def follow(self, folders: Mapping[str, int]) -> None:
        """Watch these paths; with their inodes, since a folder that was made anew must be watched anew."""
        if folders != self._folders:
            self._folders = folders
            self._moved.set()

    async def tend(self) -> None:
        """Until cancelled."""
        while True:
            self._moved.clear()
            if self._folders:
                with suppress(OSError, RuntimeError):  # no watch is left, or its thread failed
                    await self._watch()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._moved.wait()

    async def _watch(self) -> None:
        """Until other folders are to be watched."""
        changes = awatch(
            *self._folders,
            watch_filter=None,
            debounce=4 * STEP_MS,
            step=STEP_MS,
            stop_event=self._moved,
            recursive=False,
        )
        asyncio.get_running_loop().call_soon(self._changed)  # what came before the watch began
        async with aclosing(changes):
            async for _ in changes:
                self._changed()
