"""The quiet server serves from any thread and any listening socket, and ends when told."""

import asyncio
import socket
import threading
from pathlib import Path

import httpx
from fastapi import FastAPI, WebSocket
from websockets.sync.client import unix_connect

from deia_tui.serving import QuietServer, quiet_config

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
