"""The quiet server serves from any thread and any listening socket, and ends when told."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import httpx
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect
from websockets.sync.client import unix_connect

from deia_tui.serving import BoundedHttp, QuietServer, quiet_config

app = FastAPI()


@app.get("/")
async def root() -> dict[str, str]:
    return {"thread": threading.current_thread().name}


@app.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.receive()


async def test_answers_over_tcp_are_not_delayed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = QuietServer(quiet_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            assert (await client.get("/")).status_code == 200
            [connection] = server.server_state.connections
            accepted = connection.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            server.end()
            await serving


def test_it_serves_a_unix_socket_from_a_second_thread_until_it_is_ended(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    started = threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, QuietServer]] = []

    async def serve() -> None:
        server = QuietServer(quiet_config(app))
        handles.append((asyncio.get_running_loop(), server))
        started.set()
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="server")
    thread.start()
    started.wait()
    with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://localhost") as client:
        assert client.get("/").json() == {"thread": "server"}
        assert "date" not in client.get("/").headers
        with unix_connect(path, "ws://localhost/stream") as open_stream:
            assert open_stream.recv() == "hello"
            loop, server = handles[0]
            loop.call_soon_threadsafe(server.end)
            thread.join(30)
            assert not thread.is_alive()
    assert listener.fileno() == -1


class Impatient(BoundedHttp):
    request_s = 0.1


async def test_requests_that_do_not_arrive_are_not_waited_for_and_streams_are() -> None:
    config = quiet_config(app)
    config.http = Impatient
    whole = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = QuietServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with connect(f"ws://127.0.0.1:{port}/stream", proxy=None) as open_stream:
            assert await open_stream.recv() == "hello"
            for said, answers in ((b"", 0), (whole[:20], 0), (whole + whole[:20], 1), (whole[:-2] + b"X: ", 0)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(said)
                answer = await _until_cut(reader)
                assert answer.count(b"HTTP/1.1 200") == answers
                writer.close()
            await open_stream.send("still there")
        server.end()
        await serving


async def _until_cut(reader: asyncio.StreamReader) -> bytes:
    """All that comes, however the connection ends."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(65536):
            answer += data
    return answer
