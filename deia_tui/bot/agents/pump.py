"""Moves what a program writes into a pipe to a callback: the first bytes at once, then gathered. The pipe is emptied as
fast as the program fills it, up to BUFFERED bytes ahead of the callback, so that a burst does not slow the program."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO

READ_S = 0.005
"""How often a pipe is read in which something is written. Not at every write: each would wake the bot."""
FLOOD_READ_S = 0.001
"""The same once there was a flood: a large pipe is full as soon."""
GATHER_S = 0.03
"""How long small pieces are gathered before they are delivered."""
CHUNK = 64 * 1024
"""Bytes of a piece at most."""
BUFFERED = 8 * 1024 * 1024
"""Bytes read ahead; beyond, the program waits."""
FULL_SPEED = 128 * 1024 * 1024
"""Bytes of one program that are delivered as fast as they come. No log keeps more: what follows may have CHUNK bytes
every READ_S, so that a flood without end does not cost everybody else a processor."""
_FLOOD = 32 * 1024
"""So many bytes in READ_S are a flood, for which the pipe is made larger (each user may only have a few of these)."""
_LARGE_PIPE = 1024 * 1024


class Pump:
    """Owns `pipe`. `deliver` gets at most CHUNK bytes a call; `ended` is set once all writers closed the pipe and all
    is delivered."""

    def __init__(self, pipe: IO[bytes], deliver: Callable[[bytes], None]) -> None:
        self.ended = asyncio.Event()
        self._pipe = pipe
        self._fd = pipe.fileno()
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._delivered = 0
        self._delivered_at = 0.0
        self._is_large = False
        self._next: asyncio.Handle | None = None
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._wake)

    @property
    def at_end(self) -> bool:
        """All writers closed the pipe; something may still be delivered."""
        return self._pipe.closed

    def close(self) -> None:
        """Take what is in the pipe now, and no more. Until `ended`, it is being delivered."""
        if not self.at_end:
            self._read(self._buffered + _LARGE_PIPE)  # a pipe holds no more
        if not self.at_end:
            self._let_go()
        if self._next is not None:
            self._next.cancel()
        self._work()

    def _wake(self) -> None:
        self._loop.remove_reader(self._fd)
        self._work()

    def _work(self) -> None:
        """Read, deliver, and decide when to do so again."""
        self._next = None
        got = 0 if self.at_end else self._read(min(BUFFERED, self._buffered + _LARGE_PIPE))
        now = self._loop.time()
        # In a flood reading comes first, as long as there is room.
        if got < CHUNK <= self._buffered or now - self._delivered_at >= GATHER_S or self.at_end:
            self._deliver_chunk(now)
        if self.at_end and not self._buffered:
            self.ended.set()
        elif self.at_end or self._buffered >= CHUNK or got >= CHUNK:
            hurries = self.at_end or self._delivered < FULL_SPEED
            self._next = self._loop.call_soon(self._work) if hurries else self._loop.call_later(READ_S, self._work)
        elif got or self._buffered:
            self._next = self._loop.call_later(FLOOD_READ_S if self._is_large else READ_S, self._work)
        else:
            self._loop.add_reader(self._fd, self._wake)

    def _read(self, limit: int) -> int:
        """Take what is there, until `limit` bytes wait for delivery; returns how much it was."""
        before = self._buffered
        with suppress(BlockingIOError):
            while self._buffered < limit:
                data = os.read(self._fd, CHUNK)
                if not data:
                    self._let_go()
                    break
                self._pieces.append(data)
                self._buffered += len(data)
        got = self._buffered - before
        if got >= _FLOOD and not self._is_large and not self.at_end:
            self._is_large = True
            self._delivered_at = self._loop.time()  # it may be over before anybody else needs the processors
            with suppress(OSError):
                fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)
        return got

    def _deliver_chunk(self, now: float) -> None:
        gathered, size = [], 0
        while self._pieces and size + len(self._pieces[0]) <= CHUNK:
            gathered.append(self._pieces.popleft())
            size += len(gathered[-1])
        self._buffered -= size
        self._delivered += size
        if size:
            self._delivered_at = now
            self._deliver(b"".join(gathered))

    def _let_go(self) -> None:
        self._loop.remove_reader(self._fd)
        self._pipe.close()
