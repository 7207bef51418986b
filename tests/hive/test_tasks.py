"""A task comes into the queue, goes to a bot that can do it, and ends: on real bots and a real store."""

import asyncio

from deia_tui.core.commands import AddTask, LaunchBots, RetryTask
from deia_tui.core.tasks import Task, TaskState
from tests.hive.conftest import HiveInTest

AGENTS = """
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.broken]
kind = "command"
argv = ["false"]
[tasks]
backoff_base_s = 0.05
backoff_max_s = 0.1
"""


async def state_of(lab: HiveInTest, task_id: str) -> Task:
    assert lab.hive is not None
    return (await lab.hive.task(task_id)).task


async def until_state(lab: HiveInTest, task_id: str, *states: TaskState) -> Task:
    async with asyncio.timeout(20):
        while (task := await state_of(lab, task_id)).state not in states:
            await asyncio.sleep(0.01)
    return task


async def test_a_task_is_done_by_a_bot_that_is_free(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        [task_id] = await hive.submit(AddTask(text="# Say hello\n\nhello"))
        assert task_id.startswith("say-hello-")
        assert (await state_of(lab, task_id)).state is TaskState.QUEUED
        assert hive.snapshot().work.waiting == 1
        await hive.submit(LaunchBots(what="echo"))
        task = await until_state(lab, task_id, TaskState.DONE)
        assert (task.bot_id, task.attempt, task.tries) == ("BOT-001", 1, 1)
        [turn] = await hive.chat("BOT-001")
        assert (turn.message_id, turn.text, turn.answer) == (task.message_id, task.text, task.text)
        [attempt] = (await hive.task(task_id)).attempts
        assert (attempt.bot_id, attempt.outcome) == ("BOT-001", "done")
        assert attempt.started_at is not None
        work = hive.snapshot().work
        assert (work.waiting, work.scheduled, work.running, work.dead) == (0, 0, 0, 0)


async def test_a_task_for_one_bot_goes_to_that_bot(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo", count=3))
        added = [
            (await hive.submit(AddTask(text=f"for {bot_id}", to=bot_id)))[0]
            for bot_id in ("BOT-003", "BOT-001", "BOT-003")
        ]
        done = [await until_state(lab, task_id, TaskState.DONE) for task_id in added]
        assert [task.bot_id for task in done] == ["BOT-003", "BOT-001", "BOT-003"]


async def test_one_that_fails_is_tried_again_and_then_dead(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="broken"))
        [task_id] = await hive.submit(AddTask(text="impossible"))
        task = await until_state(lab, task_id, TaskState.DEAD)
        assert (task.tries, task.attempt) == (4, 4)
        outcomes = [attempt.outcome for attempt in (await hive.task(task_id)).attempts]
        assert outcomes == ["failed", "failed", "failed", "dead"]
        assert hive.snapshot().work.dead == 1
        await hive.submit(RetryTask(task_id=task_id))
        assert hive.snapshot().work.dead == 0
        assert (await until_state(lab, task_id, TaskState.DEAD)).attempt > 4
