"""Who gets a task, on real bots: the better one once it is known, with reasons; what was learned outlives a supervisor
until somebody wants it forgotten."""

import asyncio
import json

import pytest

from deia_tui.core import events as ev
from deia_tui.core.commands import AddTask, ForgetPerformance, LaunchBots
from deia_tui.core.errors import CommandRejected
from deia_tui.core.work.tasks import TaskState, TaskType
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest

AGENTS = """
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.broken]
kind = "command"
argv = ["false"]
[agents.slow]
kind = "command"
argv = ["sh", "-c", "sleep 0.3; cat"]
[tasks]
backoff_base_s = 0.01
backoff_max_s = 0.02
max_tries = 1
[breaker]
consecutive_failures = 100
min_calls = 100
[scheduling]
explore_share = 0.0
"""


async def done_by(hive: Hive, text: str, *, to: str = "") -> str:
    """The bot that had the task when it ended."""
    [task_id] = await hive.submit(AddTask(text=text, to=to, task_type=TaskType.CODE))
    async with asyncio.timeout(20):
        while (task := (await hive.task(task_id)).task).state not in (TaskState.DONE, TaskState.DEAD):
            await asyncio.sleep(0.01)
    return task.bot_id


async def test_the_better_bot_gets_the_task_once_both_are_known(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="broken"))
        await hive.submit(LaunchBots(what="echo"))
        tried = [await done_by(hive, f"try {number}") for number in range(6)]
        assert sorted(tried) == ["BOT-001"] * 3 + ["BOT-002"] * 3, "each is tried three times first"
        assert [await done_by(hive, f"do {number}") for number in range(5)] == ["BOT-002"] * 5
        learned = hive.standings()
        assert learned.bots["BOT-001"].parts["code"].success_rate == 0.0
        assert learned.bots["BOT-002"].parts["code"].samples == 8
        [for_code] = learned.recommendations
        assert (for_code.bot_id, [one.bot_id for one in for_code.candidates]) == ("BOT-002", ["BOT-002", "BOT-001"])
        events = [entry.event for entry in await hive.events(limit=1000)]
        chosen = [event for event in events if isinstance(event, ev.TaskAssigned)]
        assert all(event.confidence is not None and event.reasons for event in chosen)
        assert chosen[0].reasons[0] == "explored: 0 of 3 samples"
        assert chosen[-1].reasons[0].startswith("does code well: 100% of ")
    async with lab.supervised() as hive:
        again = hive.standings()
        assert {one: stats.parts for one, stats in again.bots.items()} == {
            one: stats.parts for one, stats in learned.bots.items()
        }
    rows = [json.loads(line) for line in (lab.folder.logs / "adaptive-scheduling.jsonl").read_text().splitlines()]
    assert {"performance_recorded", "efficiency_updated", "bot_selected"} <= {row["event"] for row in rows}


async def test_what_is_forgotten_is_tried_anew(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        assert await done_by(hive, "one", to="BOT-001") == "BOT-001"
        assert hive.standings().bots["BOT-001"].total.samples == 1
        await hive.submit(ForgetPerformance(bot_id="BOT-001"))
        assert hive.standings().bots["BOT-001"].total.samples == 0
        with pytest.raises(CommandRejected, match="nothing to forget"):
            await hive.submit(ForgetPerformance(bot_id="BOT-009"))
    async with lab.supervised() as hive:
        assert hive.standings().bots["BOT-001"].parts == {}


async def test_who_would_get_a_task_that_waits_is_told_with_it(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        [task_id] = await hive.submit(AddTask(text="held", held="until later"))
        detail = await hive.task(task_id)
        assert [one.bot_id for one in detail.choice] == ["BOT-001"]
        assert detail.reasons == ("new to other work", "idle", "nobody else may take it")


async def test_a_task_waits_for_the_bot_that_does_it_rather_than_go_to_one_that_fails(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="broken"))
        await hive.submit(LaunchBots(what="slow"))
        for bot_id in ("BOT-001", "BOT-002") * 3:
            assert await done_by(hive, f"learn {bot_id}", to=bot_id) == bot_id
        both = await asyncio.gather(done_by(hive, "one"), done_by(hive, "two"))
        assert both == ["BOT-002", "BOT-002"]
