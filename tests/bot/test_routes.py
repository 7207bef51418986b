"""Who may call a bot, what it answers, and which messages it takes."""

import asyncio
import json
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from deia_tui.folder import Folder

from .conftest import Bot, Launch, text_of

ROUTES = [
    ("GET", "/health"),
    ("GET", "/status"),
    ("POST", "/message"),
    ("POST", "/task"),
    ("POST", "/interrupt"),
    ("POST", "/stop"),
    ("POST", "/terminate"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
]


def detail(response: httpx.Response) -> str:
    """The one sentence of an error."""
    body = response.json()
    assert list(body) == ["detail"] and isinstance(body["detail"], str) and "Traceback" not in body["detail"]
    return str(body["detail"])


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic dG9rZW4=", "Bearer x y", "token of BOT-001"])
async def test_every_route_wants_the_token(bot: Bot, given: str | None) -> None:
    headers = {"Authorization": given} if given else {}
    async with httpx.AsyncClient(base_url=bot.http.base_url, trust_env=False, verify=False) as stranger:
        for method, path in ROUTES:
            response = await stranger.request(method, path, headers=headers)
            assert response.status_code == 401, path
            assert "token" in detail(response)
            assert response.headers["www-authenticate"] == "Bearer"
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{bot.port}/events", additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": "localhost"}, True),
        ({"Host": "127.0.0.1:8001"}, True),
        ({"Origin": "http://localhost:3000"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "localhost.evil.example"}, False),
        ({"Host": "127.0.0.1@evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_rebound_names_and_foreign_pages_are_kept_out(bot: Bot, headers: dict[str, str], allowed: bool) -> None:
    response = await bot.http.get("/health", headers=headers)
    assert response.status_code == (200 if allowed else 403)
    lines = {"Host": f"127.0.0.1:{bot.port}", **headers}
    assert await upgrade(bot, lines) == (101 if allowed else 403)


async def upgrade(bot: Bot, headers: dict[str, str]) -> int:
    """The status that a WebSocket handshake with exactly these headers gets."""
    more = {
        "Authorization": f"Bearer {bot.token}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **more}.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(f"GET /events HTTP/1.1\r\n{lines}\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


async def test_health_and_status_tell_who_it_is(bot: Bot) -> None:
    health = await bot.http.get("/health")
    assert health.status_code == 200
    assert health.json() == {"status": "ok", "bot_id": "BOT-001", "run": 1, "activity": "idle"}
    status = await bot.status()
    assert status["pid"] == bot.pid
    assert (status["agent"], status["activity"], status["last_seq"], status["acked_seq"]) == ("shell", "idle", 1, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[" * 100_000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"text": 7}', 422),
        (b'{"text": ""}', 400),
        (b'{"text": " \\n"}', 400),
        (b'{"text": "\\ud800"}', 422),
        (b'{"text": "true", "message_id": "a b"}', 422),
        (b'{"text": "true", "message_id": ""}', 422),
        (b"\xff\xfe", 422),
        (json.dumps({"text": "x" * (1024 * 1024 + 1)}).encode(), 413),
        (json.dumps({"text": "ü" * (512 * 1024 + 1)}, ensure_ascii=False).encode(), 413),
        (b" " * (9 * 1024 * 1024), 413),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_bad_messages_get_a_sentence_and_change_nothing(bot: Bot, body: bytes, code: int) -> None:
    response = await bot.http.post("/message", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == code
    assert detail(response)
    assert (await bot.status())["last_seq"] == 1


async def test_a_body_of_unknown_length_is_refused(bot: Bot) -> None:
    async def pieces() -> Any:
        yield b'{"text": "true"}'

    response = await bot.http.post("/message", content=pieces(), headers={"Content-Type": "application/json"})
    assert response.status_code == 411
    assert detail(response)


async def test_unknown_paths_and_methods_get_a_sentence(bot: Bot) -> None:
    for method, path, code in (("GET", "/nowhere", 404), ("GET", "/message", 405), ("POST", "/health", 405)):
        response = await bot.http.request(method, path)
        assert response.status_code == code
        assert detail(response)


async def test_the_same_message_id_runs_once(bot: Bot) -> None:
    first = await bot.send("echo once", message_id="m-1")
    again = [await bot.send("echo once", message_id="m-1") for _ in range(3)]
    assert again == [first] * 3
    async with bot.events() as events:
        await events.turn("m-1")
    assert await bot.send("echo once", message_id="m-1") == first
    status = await bot.status()
    assert status["answered"] == 1
    assert sum(frame["type"] == "accepted" for frame in bot.spooled()) == 1


async def test_messages_are_answered_in_order_and_too_many_are_refused(bot: Bot) -> None:
    await bot.send("sleep 60", message_id="long")
    for number in range(10):
        await bot.send(f"echo {number}", message_id=f"m{number}")
    full = await bot.http.post("/message", json={"text": "echo more", "message_id": "more"})
    assert full.status_code == 429
    assert int(full.headers["retry-after"]) > 0
    assert detail(full) == "Bot busy, please wait."
    status = await bot.status()
    assert (status["activity"], status["message_id"], status["queued"]) == ("busy", "long", 10)
    interrupted = await bot.http.post("/interrupt")
    assert interrupted.json() == {"interrupted": "long"}
    async with bot.events() as events:
        frames = await events.turn("m9")
    assert text_of(frames).split() == [str(number) for number in range(10)]
    assert (await bot.http.post("/interrupt")).json() == {"interrupted": None}


async def test_the_aliases_work(bot: Bot) -> None:
    task = await bot.http.post("/task", json={"text": "echo hello", "message_id": "t", "sender": "BOT-002"})
    assert task.status_code == 202
    async with bot.events() as events:
        assert text_of(await events.turn("t")) == "hello\n"
    assert (await bot.http.post("/terminate")).status_code == 202
    assert bot.wait() == 0


async def test_the_schema_documents_every_status_with_an_example(bot: Bot) -> None:
    paths = (await bot.http.get("/openapi.json")).json()["paths"]
    assert set(paths) == {
        "/health",
        "/status",
        "/message",
        "/task",
        "/interrupt",
        "/permissions/{request_id}",
        "/stop",
        "/terminate",
    }
    expected = {"/message": {"202", "400", "411", "413", "422", "429", "503"}, "/health": {"200", "503"}}
    for path, methods in paths.items():
        for method in methods.values():
            responses = method["responses"]
            assert {"401", "403"} <= set(responses)
            assert expected.get(path, set()) <= set(responses)
            assert all(
                "example" in answer["content"]["application/json"]
                for code, answer in responses.items()
                if code >= "400"
            )


@pytest.mark.parametrize("query", ["?after=-1", "?after=x"])
async def test_events_want_a_number(bot: Bot, query: str) -> None:
    headers = {"Authorization": f"Bearer {bot.token}"}
    with pytest.raises(InvalidStatus):
        await connect(f"ws://127.0.0.1:{bot.port}/events{query}", additional_headers=headers, proxy=None)


async def test_listeners_that_come_and_go_leave_nothing_in_the_log(bot: Bot) -> None:
    for _ in range(5):
        async with bot.events() as events:
            sent = await bot.send("seq 20000")
            await events.until("turn_started", sent["message_id"])
            events.socket.transport.abort()
    await bot.answer("true")
    assert "Traceback" not in bot.log()


async def test_headers_without_end_are_cut(bot: Bot) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    with pytest.raises(ConnectionError):
        while True:
            writer.write(b"X: " + b"x" * 1000 + b"\r\n")
            await writer.drain()
    writer.close()
    assert (await bot.http.get("/health")).status_code == 200


async def test_a_stranger_keeps_no_connection(bot: Bot) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
    await reader.read()  # to its end
    writer.close()


async def test_connections_that_ask_nothing_make_room(bot: Bot) -> None:
    with ExitStack() as silent:
        lines = [silent.enter_context(socket.create_connection(("127.0.0.1", bot.port))) for _ in range(150)]
        for _ in range(3):
            assert (await bot.http.get("/health")).status_code == 200
        assert len(os.listdir(f"/proc/{bot.pid}/fd")) < 100
        lines[0].settimeout(30)
        with suppress(ConnectionResetError):
            assert lines[0].recv(1) == b""


async def test_a_message_is_not_taken_when_that_cannot_be_put_on_disk(launch: Launch, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    spool = folder.spool("BOT-001", 1)
    spool.mkdir()
    bot = await launch()
    refused = await bot.http.post("/message", json={"text": "echo hello"})
    assert refused.status_code == 503
    assert detail(refused) == "The bot cannot put on record that it has the message: free space on its disk."
    assert (await bot.status())["queued"] == 0
    spool.rmdir()
    while (await bot.http.post("/message", json={"text": "echo hello", "message_id": "m"})).status_code != 202:
        await asyncio.sleep(0.05)
    async with bot.events() as events:
        assert text_of(await events.turn("m")) == "hello\n"
    assert [frame["seq"] for frame in bot.spooled()] == list(range(1, len(bot.spooled()) + 1))
