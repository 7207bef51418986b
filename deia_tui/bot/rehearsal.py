"""Serves a bot that never lives to a few clients before the first fork: what the libraries import, build and specialise
on their way is then shared by all bots (0.9 of 8.2 MB each), and their first answers are as quick as later ones."""

import asyncio
import json
import socket
from pathlib import Path

import uvicorn

from deia_tui.bot.life import Life
from deia_tui.bot.seed import Seed
from deia_tui.core.bots import AgentSpec, BotSpec
from deia_tui.serving import QuietServer

ROUNDS = 10
"""CPython 3.11 specialises code that ran eight times; a specialised page is not written to any more."""
_TOKEN = "rehearsal"
_REQUESTS = (
    ("GET", "/health", b""),
    ("GET", "/status", b""),
    ("POST", "/message", json.dumps({"text": "true", "message_id": "1"}).encode()),
    ("POST", "/message", b"no JSON"),
    ("POST", "/interrupt", b""),
    ("GET", "/nowhere", b""),
)
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "cmVoZWFyc2FsLW5vbmNlLg==",
    "Sec-WebSocket-Version": "13",
}
_ACK = b'\x81\x89\0\0\0\0{"ack":0}'
"""A masked text frame."""


async def rehearse(config: uvicorn.Config) -> None:
    """Nothing is written, started or left: the bot takes no message before it lives."""
    spec = BotSpec(bot_id="rehearsal", agent=AgentSpec(name="shell", kind="shell"))
    app = config.loaded_app
    app.state.life = Life(Seed(root=Path("/nonexistent"), bot_id="", run=0, nonce="", token=_TOKEN, spec=spec))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = QuietServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        for _ in range(ROUNDS):
            await _requests(port)
            await _listen(port)
        server.end()
    del app.state.life


async def _requests(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for method, path, body in _REQUESTS:
        writer.write(_request(method, path, {"Content-Type": "application/json"}, body))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
    await _hang_up(writer)


async def _listen(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("GET", "/events?after=0", _UPGRADE))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_ACK)
    await _hang_up(writer)


def _request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {_TOKEN}", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _length(head: bytes) -> int:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return int(fields[b"content-length"])


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
