"""A task comes into the queue, goes to a bot that can do it, and ends: on real bots and a real store."""

import asyncio
import sys

import pytest

from deia_tui.core import events as ev
from deia_tui.core.commands import (
    AddTask,
    CancelTask,
    ChangeTask,
    InterruptBot,
    LaunchBots,
    RetryTask,
    SendMessage,
    StopBot,
)
from deia_tui.core.errors import CommandRejected
from deia_tui.core.work.tasks import Task, TaskState
from tests.hive.conftest import HiveInTest

AGENTS = f"""
[agents.patient]
kind = "command"
argv = [{sys.executable!r}, "-c", '''
import pathlib, time
while not pathlib.Path("go").exists():
    time.sleep(0.02)
''']
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


async def begun(lab: HiveInTest) -> list[str]:
    """The messages that agents were given, in order."""
    assert lab.hive is not None
    told = [entry.event for entry in await lab.hive.events(limit=5000)]
    return [event.message_id for event in told if isinstance(event, ev.TurnStarted)]


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
        async with asyncio.timeout(20):
            while (await state_of(lab, task_id)).attempt < 8:
                await asyncio.sleep(0.01)
        await until_state(lab, task_id, TaskState.DEAD)
        assert hive.snapshot().work.dead == 1


async def test_tasks_come_in_the_order_of_their_priority_and_after_others(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        order = [("low", 3, ()), ("last", 0, ("low",)), ("urgent", 0, ()), ("normal", 2, ())]
        for task_id, priority, after in order:
            await hive.submit(AddTask(text=task_id, task_id=task_id, priority=priority, after=after))
        assert (await hive.task("last")).waits_for == "waits for low (queued)"
        await hive.submit(LaunchBots(what="echo"))
        await until_state(lab, "last", TaskState.DONE)
        turns = await hive.chat("BOT-001")
        assert [turn.text for turn in turns] == ["urgent", "normal", "low", "last"]


async def test_one_that_comes_after_what_nobody_knows_yet_waits_for_it(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        await hive.submit(AddTask(text="second", task_id="second", after=("first",)))
        assert (await hive.task("second")).waits_for == "waits for first (unknown)"
        with pytest.raises(CommandRejected, match="first waits for second waits for first"):
            await hive.submit(AddTask(text="first", task_id="first", after=("second",)))
        await hive.submit(AddTask(text="first", task_id="first"))
        await until_state(lab, "second", TaskState.DONE)
        await hive.submit(AddTask(text="third", task_id="third", after=("first", "second")))
        await until_state(lab, "third", TaskState.DONE)


async def test_a_cancelled_need_keeps_a_task_waiting_until_it_is_done_after_all(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(AddTask(text="first", task_id="first"))
        await hive.submit(AddTask(text="second", task_id="second", after=("first",)))
        await hive.submit(CancelTask(task_id="first"))
        await hive.submit(LaunchBots(what="echo"))
        await hive.submit(AddTask(text="other", task_id="other"))
        await until_state(lab, "other", TaskState.DONE)
        assert (await hive.task("second")).waits_for == "waits for first (cancelled)"
        await hive.submit(RetryTask(task_id="first"))
        await until_state(lab, "second", TaskState.DONE)


async def test_the_same_task_again_is_nothing_new_and_another_with_its_id_is_refused(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        same = AddTask(text="once", task_id="T-1")
        assert await asyncio.gather(*(hive.submit(same) for _ in range(3))) == [["T-1"]] * 3
        assert hive.snapshot().work.waiting == 1
        with pytest.raises(CommandRejected, match="'T-1' is taken by another task"):
            await hive.submit(AddTask(text="twice", task_id="T-1"))


async def test_what_is_held_waits_until_it_is_released(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        await hive.submit(AddTask(text="held", task_id="held", held="not yet"))
        await hive.submit(AddTask(text="free", task_id="free"))
        await until_state(lab, "free", TaskState.DONE)
        assert hive.snapshot().work.held == 1
        assert (await hive.task("held")).waits_for == "held: not yet"
        await hive.submit(ChangeTask(task_id="held", held=""))
        await until_state(lab, "held", TaskState.DONE)


async def test_cancelling_a_running_task_interrupts_its_bot_and_nothing_else(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await hive.submit(AddTask(text="sleep 300", task_id="long"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(AddTask(text="echo next", task_id="next"))
        with pytest.raises(CommandRejected, match="BOT-001 is working on long"):
            await hive.submit(ChangeTask(task_id="long", to="BOT-001"))
        await hive.submit(CancelTask(task_id="long"))
        assert (await state_of(lab, "long")).state is TaskState.CANCELLED
        await until_state(lab, "next", TaskState.DONE)
        assert [turn.status for turn in await hive.chat("BOT-001")] == ["interrupted", "answered"]
        assert [attempt.outcome for attempt in (await hive.task("long")).attempts] == ["cancelled"]
        with pytest.raises(CommandRejected, match="nothing to cancel"):
            await hive.submit(CancelTask(task_id="long"))


async def test_a_task_whose_turn_a_human_interrupts_is_held(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await hive.submit(AddTask(text="sleep 300", task_id="long"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(InterruptBot(bot_id="BOT-001"))
        task = await until_state(lab, "long", TaskState.QUEUED)
        assert (task.held, task.tries, task.attempt) == ("interrupted by a human", 0, 1)


async def test_what_a_stopped_bot_had_goes_to_another_and_no_try_is_lost(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await hive.submit(AddTask(text="sleep 300", task_id="long", to="BOT-001"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(AddTask(text="echo one", task_id="one"))
        await until_state(lab, "one", TaskState.SCHEDULED)
        await hive.submit(StopBot(bot_id="BOT-001"))
        long = await until_state(lab, "long", TaskState.QUEUED)
        assert (long.tries, long.held) == (0, "")
        assert (await until_state(lab, "one", TaskState.QUEUED)).tries == 0
        await hive.submit(LaunchBots(what="shell", bot_id="BOT-002"))
        done = await until_state(lab, "one", TaskState.DONE)
        assert (done.bot_id, done.tries) == ("BOT-002", 1)
        await hive.submit(ChangeTask(task_id="long", to="BOT-002"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(CancelTask(task_id="long"))


async def test_too_much_for_one_bot_is_refused_until_less_waits(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        await hive.submit(StopBot(bot_id="BOT-001"))
        for number in range(10):
            await hive.submit(AddTask(text=f"task {number}", to="BOT-001"))
        with pytest.raises(CommandRejected, match="Bot busy, please wait: 10 tasks wait for BOT-001") as refusal:
            await hive.submit(AddTask(text="one too many", to="BOT-001"))
        assert refusal.value.status == 429
        assert refusal.value.retry_after_s
        assert hive.snapshot().work.bots["BOT-001"].refuses
        await hive.submit(AddTask(text="urgent", to="BOT-001", priority=0))
        await hive.submit(AddTask(text="for anyone"))
        await hive.submit(LaunchBots(what="echo", bot_id="BOT-001"))
        await lab.until(lambda: not hive.snapshot().work.waiting)
        await hive.submit(AddTask(text="again", to="BOT-001"))


REFUSED: tuple[tuple[AddTask, str, int], ...] = (
    (AddTask(text="  "), "empty", 400),
    (AddTask(text="x" * (1 << 20) + "y"), "1 MiB", 413),
    (AddTask(text="x", task_id="../x"), "cannot name a task", 400),
    (AddTask(text="x", after=("a b",)), "cannot name a task", 400),
    (AddTask(text="x", sender="a\nb"), "printable characters", 400),
    (AddTask(text="x", priority=4), "0 \\(urgent\\) to 3", 400),
    (AddTask(text="x", to="GHOST"), "no bot 'GHOST'", 404),
    (AddTask(text="x", task_id="self", after=("self",)), "self waits for self", 409),
)


async def test_what_makes_no_sense_is_refused_in_a_sentence(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        for command, reason, status in REFUSED:
            with pytest.raises(CommandRejected, match=reason) as refusal:
                await hive.submit(command)
            assert refusal.value.status == status
        for order in (CancelTask(task_id="ghost"), RetryTask(task_id="ghost"), ChangeTask(task_id="ghost")):
            with pytest.raises(CommandRejected, match="no task 'ghost'"):
                await hive.submit(order)
        assert not hive.snapshot().work.waiting


async def test_many_at_once_come_into_the_queue_in_few_commits(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        added = await asyncio.gather(*(hive.submit(AddTask(text=f"task {number}")) for number in range(1000)))
        assert len({task_id for [task_id] in added}) == 1000
        assert hive.snapshot().work.waiting == 1000
    async with lab.supervised() as hive:
        assert hive.snapshot().work.waiting == 1000


async def test_a_task_goes_on_with_its_bot_when_the_supervisor_changes(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait for it", task_id="long"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(AddTask(text="next", task_id="next", to="BOT-001"))
        await until_state(lab, "next", TaskState.SCHEDULED)
    async with lab.supervised() as hive:
        (lab.folder.workspace("BOT-001") / "go").touch()
        done = await until_state(lab, "next", TaskState.DONE)
        assert done.attempt == 1
        assert (await state_of(lab, "long")).attempt == 1


async def test_what_is_urgent_is_next_though_much_was_handed_ahead(lab: HiveInTest) -> None:
    lab.configure(AGENTS + "[flow]\nfirst_pace_s = 0.01\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait", task_id="long"))
        await until_state(lab, "long", TaskState.RUNNING)
        for number in range(7):
            await hive.submit(AddTask(text=f"task {number}", task_id=f"T-{number}"))
        await lab.until(lambda: hive.snapshot().work.scheduled == 5)
        await hive.submit(AddTask(text="at once", task_id="urgent", priority=0))
        await until_state(lab, "urgent", TaskState.SCHEDULED)
        assert hive.snapshot().work.waiting == 2, "no more than five ahead of what is not urgent"
        (lab.folder.workspace("BOT-001") / "go").touch()
        await lab.until(lambda: not hive.snapshot().work.waiting and not hive.snapshot().work.scheduled)
        assert (await begun(lab))[:2] == ["long.1", "urgent.1"]


async def test_a_human_is_answered_before_tasks(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="patient"))
        await hive.submit(AddTask(text="wait", task_id="long"))
        await until_state(lab, "long", TaskState.RUNNING)
        await hive.submit(AddTask(text="a task", task_id="next", priority=0))
        await until_state(lab, "next", TaskState.SCHEDULED)
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="a question"))
        (lab.folder.workspace("BOT-001") / "go").touch()
        await lab.answer("BOT-001", message_id)
        await until_state(lab, "next", TaskState.DONE)
        assert await begun(lab) == ["long.1", message_id, "next.1"]
