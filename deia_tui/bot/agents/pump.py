"""Moves what a program writes into a pipe to a callback: the first bytes at once, then gathered. In a flood, emptying
the pipe comes first, so that the program runs as fast as if it wrote to a file; what it wrote is delivered (without
secrets, which takes longer) as there is time for it, and after the program's end."""

import asyncio
import time
from collections.abc import Callable

from deia_tui.bot.agents.backlog import CHUNK, Backlog

READ_S = 0.005
"""How often a pipe is read in which something is written. Not at every write: each would wake the bot."""
GATHER_S = 0.03
"""How long small pieces are gathered before they are delivered, and how often some of a flood is."""
FULL_SPEED = 128 * 1024 * 1024
"""Bytes of a program still running that are delivered as fast as can be. No log keeps more: what follows may have CHUNK
bytes every READ_S, so that a flood without end does not cost everybody else a processor."""
_FLOOD = 4 * 1024
"""So many bytes at once are a flood, even out of the smallest pipe."""
_NAP_S = 0.0005
"""How often a pipe is read in a flood. By then a large one is not full; more often would be in the program's way."""


class Pump:
    """`deliver` gets at most CHUNK bytes a call. `complete` is set once all writers closed the pipe, `ended` once all
    is delivered as well."""

    def __init__(self, backlog: Backlog, deliver: Callable[[bytes], None]) -> None:
        self.complete = asyncio.Event()
        self.ended = asyncio.Event()
        self._backlog = backlog
        self._fd = backlog.fd
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._delivered = 0
        self._delivered_at = 0.0
        self._is_last = False
        self._next: asyncio.Handle | None = None
        self._loop.add_reader(self._fd, self._wake)

    def close(self) -> None:
        """Take what is in the pipe now, and no more. Until `ended`, it is being delivered."""
        self._rest()
        self._is_last = True
        self._backlog.limit()
        self._work()

    def drop(self) -> int:
        """End without delivering the rest; returns how much of it there was."""
        self._rest()
        dropped = self._backlog.drop()
        self._work()
        return dropped

    def _wake(self) -> None:
        self._loop.remove_reader(self._fd)
        self._work()

    def _rest(self) -> None:
        """Do nothing until `_work`."""
        if self._next is not None:
            self._next.cancel()
        elif not self.complete.is_set():
            self._loop.remove_reader(self._fd)

    def _work(self) -> None:
        """Read, deliver, and decide when to do so again."""
        self._next = None
        got, now = self._backlog.fill(), self._loop.time()
        if self._backlog.complete:
            self.complete.set()
        waiting = len(self._backlog)
        if self._hurries or now - self._delivered_at >= (READ_S if got < CHUNK <= waiting else GATHER_S):
            self._deliver_chunk(now)
        if self._backlog.complete and not self._backlog:
            self._backlog.close()
            self.ended.set()
        elif self._hurries:
            self._next = self._loop.call_soon(self._work)
        elif got >= _FLOOD:
            time.sleep(_NAP_S)  # here, for the event loop sleeps no less than a millisecond
            self._next = self._loop.call_soon(self._work)
        elif got or waiting:
            self._next = self._loop.call_later(READ_S, self._work)
        else:
            self._loop.add_reader(self._fd, self._wake)

    @property
    def _hurries(self) -> bool:
        """Deliver as fast as can be: the program is over, or there is soon no room for what it writes."""
        if self._is_last or self._backlog.complete:
            return True
        return self._backlog.is_tight and self._delivered < FULL_SPEED

    def _deliver_chunk(self, now: float) -> None:
        if data := self._backlog.take():
            self._delivered += len(data)
            self._delivered_at = now
            self._deliver(data)
