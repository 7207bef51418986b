"""The host's one thread: waits for descriptors, timers and signals, and calls whoever waits for them."""

import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable

Callback = Callable[[], object]


class Loop:
    """`on_child` runs after every SIGCHLD; SIGTERM ends the loop."""

    def __init__(self, on_child: Callback) -> None:
        self._on_child = on_child
        self._ended = False
        self._timers: list[tuple[float, int, Callback]] = []
        self._number = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ, self._woken)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.end())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return self._wake, self._waker

    def watch(self, fd: int, callback: Callback, *, write: bool = False) -> None:
        """Call `callback` whenever `fd` can be read (with `write`: or written)."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, callback)
        else:
            self._selector.register(fd, events, callback)

    def unwatch(self, fd: int) -> None:
        self._selector.unregister(fd)

    def later(self, delay_s: float, callback: Callback) -> None:
        """Call once, after `delay_s`; with 0, in the next turn, once descriptors had theirs."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._number), callback))

    def end(self) -> None:
        self._ended = True

    def run(self) -> None:
        while not self._ended:
            wait_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(wait_s):
                key.data()
            for callback in self._due():
                callback()

    def _due(self) -> list[Callback]:
        now = time.monotonic()
        due = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        return due

    def _woken(self) -> None:
        try:
            self._wake.recv(4096)
        except BlockingIOError:
            return
        self._on_child()
