"""The supervisors connected to this host; one that is slow, dead or talks nonsense is dropped, never waited for."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from deia_tui.host.loop import Loop
from deia_tui.host.wire import MAX_LINE, Line, Lines, encode

MAX_UNSENT = MAX_LINE
_CHUNK = 65536
_ACCEPT_PAUSE_S = 1.0


class Client:
    """One connection; `greeted` after its hello, `sampling` while it wants samples."""

    def __init__(self, sock: socket.socket, clients: "Clients") -> None:
        sock.setblocking(False)
        self.sock = sock
        self.greeted = False
        self.sampling = False
        self._clients = clients
        self._lines = Lines()
        self._unsent = bytearray()
        self._waits_for_room = False
        self._closed = False

    def send(self, op: str, **fields: Any) -> None:
        self.write(encode(op, **fields))

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._unsent += data
            self._flush()
            if len(self._unsent) > MAX_UNSENT:
                self.close()

    def refuse(self, error: str) -> None:
        """Say why, then end the connection."""
        self.send("refused", error=error)
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._clients.leave(self)
            self.sock.close()

    def ready(self) -> None:
        """Something arrived, or there is room to send again."""
        if not self._closed and self._unsent:
            self._flush()
        if not self._closed:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            for line in self._lines.feed(data):
                if not self._closed:
                    self._clients.obey(self, line)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            self.refuse(f"This host cannot read that: {error}.")

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self.sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._waits_for_room != bool(self._unsent):
            self._waits_for_room = bool(self._unsent)
            self._clients.listen_to(self, room=self._waits_for_room)


class Clients:
    """Accepts connections; `obey` gets each line, `left` is called after every departure."""

    def __init__(
        self, loop: Loop, listener: socket.socket, *, obey: Callable[[Client, Line], None], left: Callable[[], None]
    ) -> None:
        self.obey = obey
        self._left = left
        self._loop = loop
        self._listener = listener
        listener.setblocking(False)
        self._connected: set[Client] = set()
        self._open()

    def __bool__(self) -> bool:
        return bool(self._connected)

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._connected))

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return (self._listener, *(client.sock for client in self._connected))

    def listen(self, listener: socket.socket) -> None:
        """On another socket than before; who is connected stays."""
        with suppress(KeyError):  # it may be resting
            self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        listener.setblocking(False)
        self._listener = listener
        self._open()

    def tell(self, op: str, **fields: Any) -> None:
        """Send a line to everybody who said hello."""
        line = encode(op, **fields)
        for client in self:
            if client.greeted:
                client.write(line)

    def listen_to(self, client: Client, *, room: bool) -> None:
        """Wake `client` for input, and with `room` also when its connection takes more output."""
        self._loop.watch(client.sock.fileno(), client.ready, write=room)

    def leave(self, client: Client) -> None:
        self._connected.discard(client)
        self._loop.unwatch(client.sock.fileno())
        self._left()

    def close(self) -> None:
        for client in self:
            client.close()
        self._listener.close()

    def _open(self) -> None:
        self._loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # out of descriptors: whoever knocks waits until some are free
            self._loop.unwatch(self._listener.fileno())
            self._loop.later(_ACCEPT_PAUSE_S, self._open)
            return
        client = Client(sock, self)
        self._connected.add(client)
        self.listen_to(client, room=False)
