"""Pushes requests of every kind through the app of a bot that never lives, so that what the libraries import and build
at first use is there before the first fork."""

import json
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message

from deia_tui.bot.life import Life
from deia_tui.bot.seed import Seed
from deia_tui.core.bots import AgentSpec, BotSpec

_TOKEN = "rehearsal"
_REQUESTS = (
    ("GET", "/health", b""),
    ("GET", "/status", b""),
    ("POST", "/message", json.dumps({"text": "true", "message_id": "1"}).encode()),
    ("POST", "/message", b"no JSON"),
    ("POST", "/interrupt", b""),
    ("GET", "/nowhere", b""),
)


async def rehearse(app: Any) -> None:
    """Nothing is written, started or left: the bot takes no message before it lives."""
    spec = BotSpec(bot_id="rehearsal", agent=AgentSpec(name="shell", kind="shell"))
    app.state.life = Life(Seed(root=Path("/nonexistent"), bot_id="", run=0, nonce="", token=_TOKEN, spec=spec))
    for method, path, body in _REQUESTS:
        await _request(app, method, path, body)
    await _socket(app)
    del app.state.life


async def _request(app: ASGIApp, method: str, path: str, body: bytes) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    await app({"type": "http", "method": method, "http_version": "1.1", **_scope(path, body)}, receive, _ignore)


async def _socket(app: ASGIApp) -> None:
    messages = iter(({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}))

    async def receive() -> Message:
        return next(messages)

    await app({"type": "websocket", "subprotocols": [], **_scope("/events", b"")}, receive, _ignore)


async def _ignore(_: Message) -> None:
    return


def _scope(path: str, body: bytes) -> dict[str, Any]:
    headers = {
        "host": "localhost",
        "authorization": f"Bearer {_TOKEN}",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    return {
        "asgi": {"version": "3.0"},
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
        "state": {},
    }
