"""Who may talk to a bot: a caller with the run's token, on loopback, not a web page that rebound its name to us."""

import json
import re
import secrets
from collections.abc import Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 8 * 1024 * 1024
_HOST = re.compile(rb"(127\.0\.0\.1|localhost)(:\d{1,5})?")
_ORIGIN = re.compile(rb"https?://(127\.0\.0\.1|localhost)(:\d{1,5})?")


class Guard:
    """Stands before every route and the WebSocket; the token is that of the app's `state.life`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope, scope["app"].state.life.seed.token)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, send, *refusal)


def _refusal(scope: Scope, token: str) -> tuple[int, str] | None:
    hosts, origins = list(_values(scope, b"host")), list(_values(scope, b"origin"))
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return 403, "The Host header must be 127.0.0.1 or localhost."
    if not all(map(_ORIGIN.fullmatch, origins)):
        return 403, "Web pages of other origins may not call this service."
    given = next(_values(scope, b"authorization"), b"")
    if not secrets.compare_digest(given, b"Bearer " + token.encode()):
        return 401, "This needs 'Authorization: Bearer' with the token of this run."
    return _body_refusal(scope)


def _body_refusal(scope: Scope) -> tuple[int, str] | None:
    if next(_values(scope, b"transfer-encoding"), None) is not None:
        return 411, "Send the body with a Content-Length."
    length = next(_values(scope, b"content-length"), b"0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return 413, f"The body is longer than {MAX_BODY >> 20} MiB."
    return None


def _values(scope: Scope, name: bytes) -> Iterator[bytes]:
    return (value for key, value in scope["headers"] if key.lower() == name)


async def _refuse(scope: Scope, send: Send, status: int, sentence: str) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (401, 403):
        headers.append((b"connection", b"close"))  # a stranger may not keep a descriptor busy
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
