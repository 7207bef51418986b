"""Brings the newest snapshot from the supervisor's thread to the screen: one wake-up pending at most, and paced."""

import asyncio
from collections.abc import Callable

from deia_tui.core.client import HiveClient
from deia_tui.core.state import Snapshot


class Bridge:
    """`show` gets the newest snapshot on the loop this was made in, at most every `pace_s` seconds."""

    def __init__(self, client: HiveClient, show: Callable[[Snapshot], None], *, pace_s: float = 0.1) -> None:
        self._client = client
        self._show = show
        self._pace_s = pace_s
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()
        self._pending = False
        self._closed = False
        self._unsubscribe = client.subscribe(self._wake)
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._unsubscribe()

    def _wake(self) -> None:
        """Called from any thread."""
        if self._pending:
            return
        self._pending = True
        try:
            self._loop.call_soon_threadsafe(self._schedule)
        except RuntimeError:  # the loop closed before we could unsubscribe
            self._closed = True

    def _schedule(self) -> None:
        self._loop.call_at(max(self._next, self._loop.time()), self._read)

    def _read(self) -> None:
        self._next = self._loop.time() + self._pace_s
        self._pending = False  # before reading: what changes from here on wakes us again
        if not self._closed:
            self._show(self._client.snapshot())
