"""One HTTP request to a bot, on a connection of its own, which ends with the answer or with whoever waits for it."""

import asyncio
from collections.abc import Mapping

import h11

LOOPBACK = "127.0.0.1"
_CHUNK = 64 * 1024


async def ask(
    port: int, method: str, route: str, *, headers: Mapping[str, str], content: bytes, timeout_s: float
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises TimeoutError, OSError, or h11.RemoteProtocolError for what is no HTTP."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            about = {
                "Host": f"{LOOPBACK}:{port}",
                "Connection": "close",
                "Content-Length": str(len(content)),
                **headers,
            }
            line = h11.Connection(h11.CLIENT)
            request = h11.Request(method=method, target=route, headers=list(about.items()))
            for event in (request, h11.Data(data=content), h11.EndOfMessage()):
                writer.write(line.send(event) or b"")
            return await _answer(line, reader)
        finally:
            writer.transport.abort()  # nothing is left to be said, and a frozen bot would not take it


async def _answer(line: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
    status, body = 0, bytearray()
    while True:
        match line.next_event():
            case h11.NEED_DATA:
                line.receive_data(await reader.read(_CHUNK))
            case h11.Response(status_code=status):
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                return status, bytes(body)
            case h11.ConnectionClosed():
                raise ConnectionResetError("the connection ended before the answer did")
