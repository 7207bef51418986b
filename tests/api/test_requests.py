"""The hive's socket under bad requests: one sentence each, never a crash, and nothing changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deia_tui.api.app import create_app
from deia_tui.api.server import serving
from tests.hive.conftest import HiveInTest

LAUNCH = "/api/bot/launch"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The API of a hive without bots."""
    lab = HiveInTest(tmp_path)
    async with lab.supervised() as hive, serving(create_app(hive, version="test"), lab.folder):
        transport = httpx.AsyncHTTPTransport(uds=str(lab.folder.run / "hive.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://hive") as api:
            yield api


async def test_a_body_that_cannot_be_is_told_in_a_sentence(api: httpx.AsyncClient) -> None:
    for path, body, sentence in (
        (LAUNCH, b"{bad", "JSON decode error"),
        (LAUNCH, b"[]", "the body: "),
        (LAUNCH, b'{"what": "shell", "x": 1}', "x: Extra inputs"),
        (LAUNCH, b'{"what": "shell", "count": 1e400}', "count: "),
        (LAUNCH, b'{"what": "shell", "count": NaN}', "count: "),
        ("/api/tasks", b'{"text": "hi", "priority": -1}', "'-1' is no priority: use P0 (urgent), P1, P2 or P3."),
        ("/api/bot/send/BOT-001", b'{"text": "hi", "message_id": "\\ud800"}', "message_id: "),
        ("/api/approvals/x", b'{"outcome": "allow_once", "by": " Policy"}', "the bot's own"),
        ("/api/approvals/x", b'{"outcome": "allow_once", "note": "\\ud800"}', "note: "),
    ):
        answer = await api.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, body
        assert answer.json()["detail"].startswith("Bad request: ") and sentence in answer.json()["detail"]
        assert not answer.json()["detail"].endswith("..")
        assert (await api.get("/api/bots")).json() == []


async def test_events_want_numbers_within_bounds(api: httpx.AsyncClient) -> None:
    for query in ("last=-1", f"last={10**30}", f"after={10**30}", "after=-1", "last=many"):
        assert (await api.get(f"/api/events?{query}")).status_code == 422, query


async def test_the_last_no_events_are_none(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/events?last=0")).text == ""
    assert (await api.get("/api/events?last=1")).text.count("\n") == 1


async def test_half_a_character_is_answered_with_a_sentence(api: httpx.AsyncClient) -> None:
    for body in (b'{"what": "\\ud800"}', b'{"what": "shell", "bot_id": "\\ud800"}'):
        answer = await api.post(LAUNCH, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404) and "'?'" in answer.json()["detail"]
