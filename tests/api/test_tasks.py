"""Work by HTTP: what programs and bots' agents may do with tasks, and what they are told."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deia_tui.api.app import create_app
from deia_tui.api.server import serving
from deia_tui.core.commands import LaunchBots
from tests.hive.conftest import HiveInTest

AGENTS = f"""
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.broken]
kind = "command"
argv = ["false"]
[agents.sleeper]
kind = "command"
argv = ["sleep", "1000"]
[agents.teller]
kind = "command"
provider = ""
argv = [{sys.executable!r}, "-c", 'import os; open("token", "w").write(os.environ["DEIA_TOKEN"]); print("told")']
[tasks]
backoff_base_s = 0.01
backoff_max_s = 0.02
"""


class Api:
    """A hive and its socket."""

    def __init__(self, lab: HiveInTest, client: httpx.AsyncClient) -> None:
        self.lab = lab
        self.client = client

    async def add(self, text: str, headers: dict[str, str] | None = None, **body: Any) -> str:
        answer = await self.client.post("/api/tasks", json={"text": text, **body}, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["task_id"])

    async def task(self, task_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, task_id: str, *states: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while (task := await self.task(task_id))["state"] not in states:
                await asyncio.sleep(0.01)
        return task

    async def listed(self, query: str = "") -> list[str]:
        return [task["task_id"] for task in (await self.client.get(f"/api/tasks?{query}")).json()]

    async def launch(self, what: str, count: int = 1) -> None:
        assert self.lab.hive is not None
        await self.lab.hive.submit(LaunchBots(what=what, count=count))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    lab = HiveInTest(tmp_path)
    lab.configure(AGENTS)
    async with lab.supervised() as hive, serving(create_app(hive, version="test"), lab.folder):
        transport = httpx.AsyncHTTPTransport(uds=str(lab.folder.run / "hive.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://hive", timeout=30) as client:
            yield Api(lab, client)


async def test_a_task_is_added_waits_in_its_place_and_is_answered(api: Api) -> None:
    first = await api.add("look it up", title="look", type="analysis", sender="ana")
    urgent = await api.add("now", priority="P0", task_id="now-1")
    last = await api.add("later", priority=3, after=[first])
    assert urgent == "now-1" and await api.add("now", priority=0, task_id="now-1") == "now-1"
    assert await api.listed() == [urgent, first, last]
    assert await api.listed("state=queued&limit=1&offset=1") == [first]
    assert await api.listed("state=done&state=dead") == []
    assert (await api.task(last))["needs"] == {first: "queued"}
    work = (await api.client.get("/api/work")).json()
    assert (work["waiting"], work["running"], work["oldest_s"] >= 0) == (3, 0, True)
    assert (await api.client.get("/api/status")).json()["work"]["waiting"] == 3
    await api.launch("echo")
    done = await api.until(last, "done")
    assert (done["output"], done["priority"], done["bot_id"], done["tries"]) == ("later", 3, "BOT-001", 1)
    assert [attempt["outcome"] for attempt in done["attempts"]] == ["done"]
    measured = (await api.client.get("/api/metrics/summary")).json()
    hour = measured["bots"]["BOT-001"]["hour"]
    assert (hour["tasks_done"], hour["calls"], hour["calls_failed"]) == (3, 3, 0)
    assert hour["task_wait_s"]["p50"] > 0 and hour["task_run_s"]["p99"] > 0
    assert measured["total"]["hour"]["api_latency_ms"]["p50"] > 0
    known = await api.task(first)
    assert (known["title"], known["type"], known["sender"], known["text"]) == ("look", "analysis", "ana", "look it up")
    assert await api.listed("bot_id=BOT-001") == [last, first, urgent]
    assert await api.listed("bot_id=BOT-002") == []


async def test_what_cannot_be_is_said_in_a_sentence(api: Api) -> None:
    post = api.client.post
    for body, status, said in (
        ({}, 422, "text: "),
        ({"text": "x", "priority": "P7"}, 422, "use P0 (urgent)"),
        ({"text": "x", "priority": True}, 422, "priority: "),
        ({"text": "x", "type": "art"}, 422, "type: "),
        ({"text": "x", "color": "red"}, 422, "color: "),
        ({"text": "x", "task_id": "../etc"}, 400, "cannot name a task"),
        ({"text": "x", "to": "NOBODY"}, 404, "no bot 'NOBODY'"),
        ({"text": "x", "task_id": "a", "after": ["a"]}, 409, "wait for itself"),
        ({"text": "   "}, 400, "empty"),
    ):
        answer = await post("/api/tasks", json=body)
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), (body, answer.text)
    for verb in ("cancel", "retry", "hold", "release"):
        answer = await post(f"/api/tasks/nothing/{verb}")
        assert (answer.status_code, "no task 'nothing'" in answer.json()["detail"]) == (404, True)
    assert (await api.client.get("/api/tasks/nothing")).status_code == 404
    assert (await api.client.get("/api/tasks/nothing/events")).status_code == 404
    assert (await api.client.patch("/api/tasks/nothing", json={"priority": 1})).status_code == 404
    for query in ("state=asleep", "limit=0", "limit=many", "offset=-1"):
        assert (await api.client.get(f"/api/tasks?{query}")).status_code == 422
    for retry in ({}, {"dead": True, "task_ids": ["a"]}):
        assert (await post("/api/tasks/retry", json=retry)).status_code == 422
    assert await api.listed() == []


async def test_a_task_is_held_released_changed_and_cancelled(api: Api) -> None:
    task_id = await api.add("wait for me", held="until noon")
    await api.launch("sleeper")
    assert (await api.task(task_id))["held"] == "until noon"
    assert (await api.client.patch(f"/api/tasks/{task_id}", json={"priority": "P1", "to": "BOT-001"})).json() == {
        "task_id": task_id
    }
    changed = await api.task(task_id)
    assert (changed["priority"], changed["to"], changed["held"]) == (1, "BOT-001", "until noon")
    await api.client.post(f"/api/tasks/{task_id}/hold", json={"by": "ana"})
    assert (await api.task(task_id))["held"] == "by ana"
    await api.client.post(f"/api/tasks/{task_id}/release")
    await api.until(task_id, "running")
    refused = await api.client.patch(f"/api/tasks/{task_id}", json={"to": ""})
    assert refused.status_code == 409 and "is working on" in refused.json()["detail"]
    assert (await api.client.post(f"/api/tasks/{task_id}/cancel", json={"by": "ana"})).status_code == 200
    cancelled = await api.until(task_id, "cancelled")
    assert cancelled["error"] == "by ana"
    again = await api.client.post(f"/api/tasks/{task_id}/cancel")
    assert again.status_code == 409 and "nothing to cancel" in again.json()["detail"]


async def test_the_dead_are_retried_all_at_once(api: Api) -> None:
    dead = [await api.add(f"impossible {number}") for number in range(3)]
    await api.launch("broken", count=3)
    for task_id in dead:
        assert len((await api.until(task_id, "dead"))["attempts"]) == 4
    named = await api.client.post("/api/tasks/retry", json={"task_ids": [dead[0], "nothing"]})
    assert named.json() == {"retried": 1, "refused": {"nothing": "There is no task 'nothing'."}}
    assert len((await api.until(dead[0], "dead"))["attempts"]) > 4
    every = await api.client.post("/api/tasks/retry", json={"dead": True, "by": "ana"})
    assert every.json() == {"retried": 3, "refused": {}}
    for task_id in dead:
        await api.until(task_id, "dead")


async def test_what_becomes_of_a_task_is_told_until_it_ended(api: Api) -> None:
    seq = (await api.client.get("/api/status")).json()["hive"]["seq"]
    task_id = await api.add("say it")

    async def told(query: str = "") -> list[dict[str, Any]]:
        answer = await api.client.get(f"/api/tasks/{task_id}/events{query}")
        return [json.loads(line) for line in answer.text.splitlines()]

    following = asyncio.create_task(told(f"?after={seq}"))
    await api.add("something else")
    await api.launch("echo", count=2)
    rows = await following
    types = [row["type"] for row in rows]
    assert types[0] == "task_queued" and types[-1] == "task_done"
    assert "".join(row["text"] for row in rows if row["type"] == "output_added") == "say it"
    assert {row["task_id"] for row in rows if row["type"].startswith("task_")} == {task_id}
    assert await told() == [], "it has ended"
    assert await told(f"?after={seq}") == rows


async def test_a_bot_adds_in_its_own_name_and_reads_but_changes_nothing(api: Api) -> None:
    await api.launch("teller", count=2)
    await api.lab.ask("BOT-001", "tell")
    mine = {"Authorization": f"Bearer {(api.lab.folder.workspace('BOT-001') / 'token').read_text()}"}
    task_id = await api.add("help me", headers=mine, sender="human", to="BOT-002")
    others = await api.add("of a human", to="BOT-002")
    done = await api.until(task_id, "done")
    await api.until(others, "done")
    assert done["sender"] == "BOT-001", "it does not speak for a human"
    get, post = api.client.get, api.client.post
    assert (await get(f"/api/tasks/{task_id}", headers=mine)).json()["output"].strip() == "told"
    assert (await get(f"/api/tasks/{others}", headers=mine)).json()["output"] is None
    assert (await get(f"/api/tasks/{task_id}/events?after=0", headers=mine)).status_code == 200
    assert {path: (await get(path, headers=mine)).status_code for path in ("/api/tasks", "/api/work")} == {
        "/api/tasks": 200,
        "/api/work": 200,
    }
    refused = [
        *[await post(f"/api/tasks/{task_id}/{verb}", headers=mine) for verb in ("cancel", "retry", "hold", "release")],
        await post("/api/tasks/retry", json={"dead": True}, headers=mine),
        await api.client.patch(f"/api/tasks/{task_id}", json={"priority": 0}, headers=mine),
        await get(f"/api/tasks/{others}/events", headers=mine),
    ]
    assert {answer.status_code for answer in refused} == {403}


async def test_every_route_of_work_is_documented_with_what_it_refuses(api: Api) -> None:
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    for path, status in (("/api/tasks", "429"), ("/api/tasks/{task_id}/cancel", "409"), ("/api/tasks/retry", "403")):
        answers = paths[path]["post"]["responses"]
        assert answers[status]["content"]["application/json"]["example"]["detail"].endswith(".")
