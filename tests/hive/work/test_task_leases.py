"""A bot that shows no sign of life loses its task, and what it says of it later changes nothing; a provider that rests
costs no task a try."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.core.commands import AddTask, CancelTask, LaunchBots, StopBot
from deia_tui.core.work.tasks import Task, TaskState
from tests.hive.conftest import HiveInTest

LEASES = """
[tasks]
lease_s = 1.5
backoff_base_s = 0.05
[liveness]
period_s = 0.25
timeout_s = 0.5
failure_threshold = 1000
"""
PATIENT = f"""
[agents.patient]
kind = "command"
argv = [{sys.executable!r}, "-c", '''
import pathlib, time
while not pathlib.Path("go").exists():
    time.sleep(0.02)
''']
"""
REPLICA = Path(__file__).parents[2] / "agents" / "claude_replica.py"
REFUSALS = 11
"""So often the replica asks its API in one turn."""


async def until_state(lab: HiveInTest, task_id: str, *states: TaskState) -> Task:
    assert lab.hive is not None
    async with asyncio.timeout(30):
        while (task := (await lab.hive.task(task_id)).task).state not in states:
            await asyncio.sleep(0.02)
    return task


async def events(lab: HiveInTest) -> list[ev.Event]:
    assert lab.hive is not None
    return [entry.event for entry in await lab.hive.events(limit=5000)]


async def test_when_two_bots_finish_the_same_task_one_completion_counts(lab: HiveInTest) -> None:
    lab.configure(PATIENT + LEASES)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait", task_id="T-1"))
        await until_state(lab, "T-1", TaskState.RUNNING)
        await hive.submit(AddTask(text="another", task_id="T-2"))
        await until_state(lab, "T-2", TaskState.SCHEDULED)
        frozen = lab.bot("BOT-001").pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        try:
            back = await until_state(lab, "T-1", TaskState.QUEUED, TaskState.RETRYABLE)
            assert (back.tries, back.attempt) == (1, 1), "its bot may have died of it"
            assert (await until_state(lab, "T-2", TaskState.QUEUED)).tries == 0, "it was not begun"
            (lab.folder.workspace("BOT-001") / "go").touch()
            await hive.submit(LaunchBots(what="patient"))
            (lab.folder.workspace("BOT-002") / "go").touch()
            done = await until_state(lab, "T-1", TaskState.DONE)
            assert (done.bot_id, done.attempt) == ("BOT-002", 2)
        finally:
            os.kill(frozen, signal.SIGCONT)
        await lab.answer("BOT-001", "T-1.1")
        after = (await hive.task("T-1")).task
        assert (after.state, after.attempt, after.ended_at) == (TaskState.DONE, 2, done.ended_at)
        [completion] = [
            event for event in await events(lab) if isinstance(event, ev.TaskDone) and event.task_id == "T-1"
        ]
        assert completion.attempt == 2
        outcomes = [attempt.outcome for attempt in (await hive.task("T-1")).attempts]
        assert outcomes == ["failed", "done"]
        await until_state(lab, "T-2", TaskState.DONE)


async def test_the_next_supervisor_renews_the_lease_of_a_bot_that_lives(lab: HiveInTest) -> None:
    lab.configure(PATIENT + LEASES)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait", task_id="T-1"))
        await until_state(lab, "T-1", TaskState.RUNNING)
    await asyncio.sleep(1.6)  # nobody renews it
    async with lab.supervised():
        (lab.folder.workspace("BOT-001") / "go").touch()
        assert (await until_state(lab, "T-1", TaskState.DONE)).attempt == 1


async def test_what_was_cancelled_while_its_bot_had_no_supervisor_is_not_begun(lab: HiveInTest) -> None:
    lab.configure(PATIENT)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait", task_id="T-1"))
        await until_state(lab, "T-1", TaskState.RUNNING)
        await hive.submit(AddTask(text="another", task_id="T-2"))
        await until_state(lab, "T-2", TaskState.SCHEDULED)
        frozen = lab.bot("BOT-001").pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)  # the next one cannot know yet what it was given
    async with lab.supervised() as hive:
        await hive.submit(CancelTask(task_id="T-2"))
        os.kill(frozen, signal.SIGCONT)
        (lab.folder.workspace("BOT-001") / "go").touch()
        await until_state(lab, "T-1", TaskState.DONE)
        assert (await lab.answer("BOT-001", "T-2.1"))[1].status == "interrupted"
        assert (await hive.task("T-2")).task.state is TaskState.CANCELLED


async def test_a_provider_that_rests_costs_no_task_a_try_and_none_starts_early(lab: HiveInTest) -> None:
    argv = json.dumps([sys.executable, "-S", "-E", str(REPLICA)])
    lab.configure(f"[agents.claude]\nkind = 'claude'\nargv = {argv}\nenv = {{ HOME = '{lab.folder.root}' }}\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="claude", count=2))
        await hive.submit(AddTask(text=f"[[fail:429:{REFUSALS}]] hello", task_id="refused", to="BOT-001"))
        await lab.until(lambda: lab.state.pauses)
        others = [f"other-{number}" for number in range(4)]
        for task_id in others:
            await hive.submit(AddTask(text=f"hello {task_id}", task_id=task_id, priority=0))
        for task_id in ("refused", *others):
            done = await until_state(lab, task_id, TaskState.DONE)
            assert done.tries == 1, f"{task_id} lost a try"
        assert (await hive.task("refused")).attempts[0].outcome == "put back"
        told = await events(lab)
        [pause] = [event for event in told if isinstance(event, ev.ProviderPaused)]
        began = [event.at for event in told if isinstance(event, ev.TurnStarted) and event.at > pause.at]
        assert min(began) >= pause.until - 0.1, "none starts early"
        await hive.submit(StopBot(bot_id="BOT-001"))
