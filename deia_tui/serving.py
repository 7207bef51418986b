"""A uvicorn server that costs nothing while nobody calls: it waits for an event instead of ticking, ends at once,
and leaves signals to its owner, so that it also serves from the event loop of a second thread."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FLUSH_S = 0.5
"""How long an ending server waits for its connections to take what was written to them."""


MAX_HEAD = 64 * 1024
"""Bytes of a request line with its headers, about."""


REQUEST_S = 20.0
"""How long a connection may take to be made use of, and a request to arrive."""
MAX_CONNECTIONS = 64
"""Beyond, the oldest connection that has not made a request yet makes room for the newest."""


class BoundedHttp(HttpToolsProtocol):
    """Ends connections whose headers do not end, or whose request does not arrive, and when there are too many those
    that only wait: who makes them has not shown a token yet."""

    request_s = REQUEST_S
    _in_head = False
    _head = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await_no_more()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._await_no_more()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._in_head = True
        if self._deadline is None:
            self._await_request()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._await_no_more()
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        super().on_headers_complete()

    def _make_room(self) -> None:
        http = (other for other in self.connections if isinstance(other, BoundedHttp))
        waiting = {other._deadline.when(): other for other in http if other._deadline}
        if waiting:
            oldest = waiting[min(waiting)]
            oldest._await_no_more()
            oldest.transport.abort()

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(self.request_s, self.transport.abort)

    def _await_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def data_received(self, data: bytes) -> None:
        before = self._in_head  # or these bytes are mostly the body of the request before
        super().data_received(data)
        if before and self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("The headers are too long.")


def quiet_config(app: Any, **more: Any) -> uvicorn.Config:
    """The configuration a QuietServer needs: nothing in it ticks, logs or looks at other hosts' headers."""
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=120,
        **more,
    )


class QuietServer(uvicorn.Server):
    """`serve(sockets=[…])` runs until `end()`; both belong to one event loop, in whichever thread."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self._ending = asyncio.Event()
        self._patience_s = 0.0

    def end(self, *, patience_s: float = 0.0) -> None:
        """Stop serving: requests under way are answered; streams get `patience_s` to end by themselves."""
        self._patience_s = patience_s
        self._ending.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            if listener.family == socket.AF_INET:
                # Inherited by accepted sockets, for which asyncio only does it when `proto` is not 0; without it every
                # answer on a kept connection waits 40 ms for a delayed acknowledgement.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if self.server_state.tasks and self._patience_s:
            await asyncio.wait(self.server_state.tasks, timeout=self._patience_s)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._flush()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _FLUSH_S
        while self.server_state.connections and loop.time() < deadline:
            await asyncio.sleep(0.001)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def _is_news(record: logging.LogRecord) -> bool:
    """That the end of a server cuts a request short is none: its caller sees the line close."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)
