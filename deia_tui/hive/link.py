"""The line to one run of a bot: its frames, in order, none twice; and the requests one can make of it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import h11
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.frames import Frame, decode, encode
from deia_tui.hive.asking import LOOPBACK, ask

log = logging.getLogger(__name__)

BATCH_BYTES = 1024 * 1024
"""How much of what a bot says is committed in one go, about; and as much may wait meanwhile."""
FIRST_RETRY_S = 0.02
LAST_RETRY_S = 2.0
ANSWER_S = 5.0
FAREWELL_S = 0.2
"""How long a bot that is frozen may take to say goodbye: nobody's end waits for it."""

Take = Callable[[Sequence[Frame]], Awaitable[None]]


class Link:
    """`take` commits a batch of frames; only then are they acknowledged, and the next ones read."""

    def __init__(self, *, port: int, token: str, after: int, take: Take) -> None:
        self._port = port
        self._address = f"{LOOPBACK}:{port}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._after = after
        self._take = take
        self._taken = asyncio.Event()

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
                    max_queue=16,
                    open_timeout=30,
                    close_timeout=FAREWELL_S,
                    proxy=None,
                ) as socket:
                    retry_s = FIRST_RETRY_S
                    await self._read(socket)
            except (OSError, WebSocketException) as error:
                log.debug("%s: %s", self._address, error)
            await asyncio.sleep(retry_s)
            retry_s = min(LAST_RETRY_S, 2 * retry_s)

    async def catch_up(self) -> None:
        """Until everything is taken that the bot has said by now. Raises BotUnreachable or CommandRejected."""
        status = await self._request("GET", "/status", None, ANSWER_S)
        while max(self._after, status["acked_seq"]) < status["last_seq"]:
            self._taken.clear()
            await self._taken.wait()

    async def post(
        self, route: str, body: dict[str, Any] | None = None, *, timeout_s: float = ANSWER_S
    ) -> dict[str, Any]:
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
        content = b"" if body is None else json.dumps(body).encode()  # ASCII: whatever the text holds can be sent
        try:
            status, said = await ask(
                self._port, method, route, headers=self._headers, content=content, timeout_s=timeout_s
            )
            answer = json.loads(said)
        except TimeoutError as error:
            raise BotUnreachable("no answer in time") from error
        except (OSError, ValueError, h11.RemoteProtocolError) as error:
            raise BotUnreachable(str(error) or type(error).__name__) from error
        if status >= 400:
            detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
            raise CommandRejected(str(detail), status=status)
        return dict(answer)

    async def _read(self, socket: ClientConnection) -> None:
        """Frames that arrive while a batch is being committed form the next one."""
        arrivals = _Arrivals()
        receiving = asyncio.create_task(_receive(socket, arrivals))
        try:
            while frames := await arrivals.take():
                await self._take(frames)
                self._after = frames[-1]["seq"]
                self._taken.set()
                await socket.send(encode({"ack": self._after}).decode())
        finally:
            receiving.cancel()


class _Arrivals:
    """Frames that wait to be committed, BATCH_BYTES of them at most and one: a flood costs the supervisor no more."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._bytes = 0
        self._ended = False
        self._changed = asyncio.Event()

    async def add(self, frame: Frame, size: int) -> None:
        while self._bytes >= BATCH_BYTES:
            await self._change()
        self._frames.append(frame)
        self._bytes += size
        self._changed.set()

    def end(self) -> None:
        """Nothing more arrives."""
        self._ended = True
        self._changed.set()

    async def take(self) -> list[Frame]:
        """All that wait, as soon as there is any; none at the end."""
        while not self._frames and not self._ended:
            await self._change()
        frames, self._frames, self._bytes = self._frames, [], 0
        self._changed.set()
        return frames

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


async def _receive(socket: ClientConnection, arrivals: _Arrivals) -> None:
    try:
        async for message in socket:
            frame = decode(message)
            if frame is not None:
                await arrivals.add(frame, len(message))
    except WebSocketException as error:
        log.debug("events end: %s", error)
    arrivals.end()
