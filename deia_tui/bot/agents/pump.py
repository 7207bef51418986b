"""Moves what a program writes into a pipe to a callback: the first bytes at once, then gathered, and no faster than
a flood may go (QUANTUM bytes every PERIOD_S), so that neither memory nor CPU depends on how much is written."""

import asyncio
import os
from collections.abc import Callable
from typing import IO

PERIOD_S = 0.03
QUANTUM = 256 * 1024
CHUNK = 64 * 1024


class Pump:
    """Owns `pipe`. `deliver` gets at most CHUNK bytes a call; `ended` is set once all writers closed the pipe."""

    def __init__(self, pipe: IO[bytes], deliver: Callable[[bytes], None]) -> None:
        self.ended = asyncio.Event()
        self._pipe = pipe
        self._fd = pipe.fileno()
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._gathered = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Deliver what is in the pipe now, then close it."""
        if not self.ended.is_set():
            self._read()
            self._flush()
        if not self.ended.is_set():
            self._let_go()
        if self._timer:
            self._timer.cancel()

    def _readable(self) -> None:
        self._read()
        if self._timer is None or self.ended.is_set():
            self._flush()
        elif len(self._gathered) >= QUANTUM:
            self._loop.remove_reader(self._fd)
        if self._timer is None and not self.ended.is_set():
            self._timer = self._loop.call_later(PERIOD_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._gathered or self.ended.is_set():
            return
        self._flush()
        self._loop.add_reader(self._fd, self._readable)
        self._timer = self._loop.call_later(PERIOD_S, self._tick)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        self._gathered += data
        if not data:
            self._let_go()

    def _let_go(self) -> None:
        self._loop.remove_reader(self._fd)
        self._pipe.close()
        self.ended.set()

    def _flush(self) -> None:
        data, self._gathered = bytes(self._gathered), bytearray()
        for start in range(0, len(data), CHUNK):
            self._deliver(data[start : start + CHUNK])
