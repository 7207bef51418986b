"""The line to one run of a bot: its frames, in order, none twice; and the requests one can make of it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.frames import Frame, decode, encode

log = logging.getLogger(__name__)

BATCH = 512
FIRST_RETRY_S = 0.02
LAST_RETRY_S = 2.0

Take = Callable[[Sequence[Frame]], Awaitable[None]]


class Link:
    """`take` commits a batch of frames; only then are they acknowledged, and the next ones read."""

    def __init__(self, http: httpx.AsyncClient, *, port: int, token: str, after: int, take: Take) -> None:
        self._http = http
        self._address = f"127.0.0.1:{port}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._after = after
        self._take = take

    async def follow(self) -> None:
        """Read `/events` until cancelled; a broken connection is made again and goes on where it ended."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                async with connect(
                    f"ws://{self._address}/events?after={self._after}",
                    additional_headers=self._headers,
                    compression=None,
                    max_size=4 << 20,
                    max_queue=64,
                    open_timeout=30,
                    proxy=None,
                ) as socket:
                    retry_s = FIRST_RETRY_S
                    await self._read(socket)
            except (OSError, WebSocketException) as error:
                log.debug("%s: %s", self._address, error)
            await asyncio.sleep(retry_s)
            retry_s = min(LAST_RETRY_S, 2 * retry_s)

    async def post(self, route: str, body: dict[str, Any] | None = None, *, timeout_s: float = 5.0) -> dict[str, Any]:
        """Raises CommandRejected with the bot's own sentence, or BotUnreachable."""
        return await self._request("POST", route, body, timeout_s)

    async def probe(self, timeout_s: float) -> None:
        """Raises BotUnreachable unless `/health` answers in time; that it starts or drains is an answer."""
        try:
            await self._request("GET", "/health", None, timeout_s)
        except CommandRejected as refused:
            if refused.status != 503:
                raise BotUnreachable(str(refused)) from refused

    async def _request(self, method: str, route: str, body: dict[str, Any] | None, timeout_s: float) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()  # ASCII: whatever the text holds can be sent
        try:
            response = await self._http.request(
                method, f"http://{self._address}{route}", headers=self._headers, content=content, timeout=timeout_s
            )
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
            raise BotUnreachable(reason or type(error).__name__) from error
        if response.is_error:
            detail = answer.get("detail", response.reason_phrase) if isinstance(answer, dict) else answer
            raise CommandRejected(str(detail), status=response.status_code)
        return dict(answer)

    async def _read(self, socket: ClientConnection) -> None:
        """Frames that arrive while a batch is being committed form the next one."""
        waiting: asyncio.Queue[Frame | None] = asyncio.Queue(BATCH)
        receiving = asyncio.create_task(_receive(socket, waiting))
        try:
            ended = False
            while not ended:
                batch = [await waiting.get()]
                while not waiting.empty():
                    batch.append(waiting.get_nowait())
                ended = batch[-1] is None
                if frames := [frame for frame in batch if frame is not None]:
                    await self._take(frames)
                    self._after = frames[-1]["seq"]
                    await socket.send(encode({"ack": self._after}).decode())
        finally:
            receiving.cancel()


async def _receive(socket: ClientConnection, waiting: asyncio.Queue[Frame | None]) -> None:
    """A None marks the end of the connection, however it ended."""
    try:
        async for message in socket:
            frame = decode(message)
            if frame is not None:
                await waiting.put(frame)
    except WebSocketException as error:
        log.debug("events end: %s", error)
    await waiting.put(None)
