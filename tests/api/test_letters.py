"""Messages between bots by HTTP: every route, and that a bot writes and reads in its own name only."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deia_tui.api.app import create_app
from deia_tui.api.server import serving
from deia_tui.core.commands import LaunchBots, StopBot
from tests.hive.conftest import HiveInTest

AGENT = f"""
[agents.teller]
kind = "command"
provider = ""
argv = [{sys.executable!r}, "-c", 'import os; open("token", "w").write(os.environ["DEIA_TOKEN"])']
"""
Api = tuple[HiveInTest, httpx.AsyncClient, dict[str, str]]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """BOT-001 with the pass that its agent has, and BOT-002 and BOT-003, which are off."""
    lab = HiveInTest(tmp_path)
    lab.configure(AGENT)
    async with lab.supervised() as hive, serving(create_app(hive, version="test"), lab.folder):
        transport = httpx.AsyncHTTPTransport(uds=str(lab.folder.run / "hive.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://hive", timeout=30) as client:
            await hive.submit(LaunchBots(what="teller", count=3))
            for bot_id in ("BOT-002", "BOT-003"):
                await hive.submit(StopBot(bot_id=bot_id))
            await lab.ask("BOT-001", "tell")
            token = (lab.folder.workspace("BOT-001") / "token").read_text()
            yield lab, client, {"Authorization": f"Bearer {token}"}


async def send(client: httpx.AsyncClient, to_bot: str, text: str, **more: Any) -> str:
    answer = await client.post("/api/messages", json={"to_bot": to_bot, "text": text, **more})
    assert answer.status_code == 201, answer.text
    message_id: str = answer.json()["message_id"]
    return message_id


async def test_a_human_sends_looks_and_marks_as_read(api: Api) -> None:
    _, client, _ = api
    slow = await send(client, "BOT-002", "when you can", priority=3)
    urgent = await send(client, "BOT-002", "now", priority="P0", from_bot="BOT-003", ttl_s=60)
    answer = await send(client, "BOT-003", "done", from_bot="BOT-002", reply_to=urgent)
    inbox = (await client.get("/api/messages/inbox/BOT-002")).json()
    assert [one["message_id"] for one in inbox] == [urgent, slow]
    assert (inbox[0]["priority"], inbox[0]["state"], inbox[0]["from_bot"]) == (0, "pending", "BOT-003")
    assert inbox[0]["expires_at"] == pytest.approx(inbox[0]["sent_at"] + 60)
    assert inbox[1]["from_bot"] == "human"
    between = (await client.get("/api/messages", params={"bot_id": "BOT-002", "with": "BOT-003"})).json()
    assert [one["message_id"] for one in between] == [answer, urgent]
    assert between[0]["reply_to"] == urgent
    assert len((await client.get("/api/messages", params={"limit": 2})).json()) == 2
    assert len((await client.get("/api/messages", params={"with": "BOT-003"})).json()) == 2
    status = (await client.get("/api/messages/status")).json()
    assert status["counts"] == {"pending": 3, "delivered": 0, "read": 0, "failed": 0, "expired": 0}
    assert status["pending_for"] == {"BOT-002": 2, "BOT-003": 1} and status["oldest_s"] >= 0
    read = (await client.post(f"/api/messages/{urgent}/read")).json()
    assert read["state"] == "read"
    assert (await client.get(f"/api/messages/{urgent}")).json() == read
    assert [one["message_id"] for one in (await client.get("/api/messages/inbox/BOT-002")).json()] == [slow]


async def test_what_cannot_be_is_a_sentence(api: Api) -> None:
    _, client, _ = api
    for body, status, sentence in (
        ({"to_bot": "BOT-9", "text": "x"}, 404, "There is no bot 'BOT-9'"),
        ({"to_bot": "BOT-001"}, 422, "text: Field required"),
        ({"to_bot": "BOT-001", "text": "x", "priority": "P9"}, 422, "use P0 (urgent), P1, P2 or P3"),
        ({"to_bot": "BOT-001", "text": "x", "ttl_s": 0}, 422, "ttl_s"),
        ({"to_bot": "BOT-001", "text": "x", "reply_to": "gone"}, 404, "no message 'gone' to answer"),
        ({"to_bot": "BOT-001", "text": "x", "from_bot": "BOT-001"}, 400, "cannot write to itself"),
        ({"to_bot": "BOT-001", "text": "x", "from_bot": "a\nb"}, 400, "1 to 128 printable characters"),
    ):
        answer = await client.post("/api/messages", json=body)
        assert answer.status_code == status and sentence in answer.json()["detail"], answer.text
    for path in ("/api/messages/gone", "/api/messages/inbox/BOT-9"):
        assert (await client.get(path)).status_code == 404
    assert (await client.post("/api/messages/gone/read")).status_code == 404


async def test_who_sends_too_much_learns_when_to_come_back(api: Api) -> None:
    _, client, _ = api
    for number in range(10):
        await send(client, "BOT-002", str(number))
    refused = await client.post("/api/messages", json={"to_bot": "BOT-002", "text": "more"})
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert refused.json()["detail"] == "Bot busy, please wait: 10 messages wait for BOT-002."


async def test_a_bot_writes_and_reads_in_its_own_name_only(api: Api) -> None:
    _, client, mine = api
    others = await send(client, "BOT-003", "secret", from_bot="BOT-002")
    sent = await client.post("/api/messages", json={"to_bot": "BOT-002", "text": "hi"}, headers=mine)
    assert sent.status_code == 201
    own = sent.json()["message_id"]
    letter = (await client.get(f"/api/messages/{own}", headers=mine)).json()
    assert (letter["from_bot"], letter["to_bot"]) == ("BOT-001", "BOT-002")
    for allowed in ("/inbox/BOT-001", "?bot_id=BOT-001", "?with=BOT-001", "?bot_id=BOT-002&with=BOT-001", "/status"):
        assert (await client.get(f"/api/messages{allowed}", headers=mine)).status_code == 200, allowed
    forged = {"to_bot": "BOT-003", "text": "hi", "from_bot": "BOT-002"}
    refused = [
        await client.post("/api/messages", json=forged, headers=mine),
        await client.post(f"/api/messages/{others}/read", headers=mine),
        await client.post(f"/api/messages/{own}/read", headers=mine),
        *[
            await client.get(f"/api/messages{path}", headers=mine)
            for path in ("", "?bot_id=BOT-002", "?bot_id=BOT-002&with=BOT-003", "?with=BOT-002", "/inbox/BOT-002")
        ],
        await client.get(f"/api/messages/{others}", headers=mine),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert refused[0].json()["detail"] == "BOT-001 is a bot: it writes in its own name only."


async def test_the_description_of_the_api_shows_how(api: Api) -> None:
    _, client, _ = api
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path, method in (
        ("/api/messages", "post"),
        ("/api/messages", "get"),
        ("/api/messages/status", "get"),
        ("/api/messages/inbox/{bot_id}", "get"),
        ("/api/messages/{message_id}", "get"),
        ("/api/messages/{message_id}/read", "post"),
    ):
        answers = paths[path][method]["responses"]
        done = answers.get("201") or answers["200"]
        assert "example" in done["content"]["application/json"], path
