"""A bot's agent may look and write messages; what else it asks of its hive is refused."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deia_tui.api.app import create_app
from deia_tui.api.server import serving
from deia_tui.core.commands import LaunchBots
from deia_tui.core.passes import token_of
from tests.hive.conftest import HiveInTest

AGENT = f"""
[agents.teller]
kind = "command"
provider = ""
argv = [{sys.executable!r}, "-c", 'import os; open("token", "w").write(os.environ["DEIA_TOKEN"])']
"""


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[tuple[HiveInTest, httpx.AsyncClient, str]]:
    """Two bots, and the token that the first one's agent found in its environment."""
    lab = HiveInTest(tmp_path)
    lab.configure(AGENT)
    async with lab.supervised() as hive, serving(create_app(hive, version="test"), lab.folder):
        transport = httpx.AsyncHTTPTransport(uds=str(lab.folder.run / "hive.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://hive", timeout=30) as api:
            await hive.submit(LaunchBots(what="teller", count=2))
            await lab.ask("BOT-001", "tell")
            token = (lab.folder.workspace("BOT-001") / "token").read_text()
            yield lab, api, token


async def test_a_bot_looks_and_writes_and_nothing_else(hive: tuple[HiveInTest, httpx.AsyncClient, str]) -> None:
    lab, api, token = hive
    mine = {"Authorization": f"Bearer {token}"}
    for path in ("/health", "/api/status", "/api/bots", "/api/bot/BOT-002/status", "/api/events?bot_id=BOT-001"):
        assert (await api.get(path, headers=mine)).status_code == 200, path
    for path in ("bots", "bots/BOT-002", "types", "recommendations", "export"):
        assert (await api.get(f"/api/scheduling/{path}", headers=mine)).status_code == 200, path
    sent = await api.post("/api/bot/send/BOT-002", json={"text": "hello", "sender": "human"}, headers=mine)
    assert sent.status_code == 200
    await lab.answer("BOT-002", sent.json()["message_id"])
    assert lab.hive is not None
    [turn] = await lab.hive.chat("BOT-002")
    assert turn.sender == "BOT-001", "it does not speak for a human"
    refused = [
        await api.post("/api/approvals/r1", json={"outcome": "allow_once"}, headers=mine),
        await api.post("/api/bot/launch", json={"what": "teller"}, headers=mine),
        *[
            await api.post(f"/api/bot/{verb}/BOT-001", headers=mine)
            for verb in ("stop", "kill", "restart", "interrupt")
        ],
        await api.post("/api/bots/stop", headers=mine),
        await api.post("/api/scheduling/reset/BOT-001", headers=mine),
        await api.post("/api/shutdown", json={}, headers=mine),
        *[await api.get(path, headers=mine) for path in ("/api/approvals", "/api/cost", "/api/events")],
        await api.get("/api/events?bot_id=BOT-002", headers=mine),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert refused[0].json()["detail"] == (
        "BOT-001 is a bot: it may look and write messages, and leaves /api/approvals/r1 to humans."
    )
    assert len(lab.state.bots) == 2 and all(bot.pid for bot in lab.state.bots.values())


async def test_a_token_of_nobody_is_refused(hive: tuple[HiveInTest, httpx.AsyncClient, str]) -> None:
    lab, api, token = hive
    run = next(lab.folder.runs.glob("BOT-001.1.json")).read_text()
    assert token not in run, "it is not what opens the bot's own service, and not stored"
    for header in (f"Bearer {token}x", "Bearer", f"Basic {token}", "Bearer ü"):
        answer = await api.get("/api/status", headers={"Authorization": header.encode()})
        assert answer.status_code == 401, header
    assert (await api.get("/api/status")).status_code == 200


async def test_the_token_outlives_the_supervisor(tmp_path: Path) -> None:
    lab = HiveInTest(tmp_path)
    lab.configure(AGENT)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="teller"))
        await lab.ask("BOT-001", "tell")
        token = (lab.folder.workspace("BOT-001") / "token").read_text()
        assert hive.bearer(token) == "BOT-001"
    async with lab.supervised() as hive:
        assert hive.bearer(token) == "BOT-001"
        assert hive.bearer(token_of("")) is None


async def test_requests_for_leave_and_costs_can_be_asked_for(hive: tuple[HiveInTest, httpx.AsyncClient, str]) -> None:
    _, api, _ = hive
    assert (await api.get("/api/approvals")).json() == []
    answer = await api.post("/api/approvals/r1", json={"outcome": "allow_once"})
    assert answer.status_code == 404 and "not open" in answer.json()["detail"]
    assert (await api.post("/api/approvals/r1", json={"outcome": "perhaps"})).status_code == 422
    assert (await api.get("/api/cost?days=7")).json()["days"] == []
    assert (await api.get("/api/cost?days=0")).status_code == 422
    assert (await api.get("/api/cost?bot_id=NOBODY")).status_code == 404
