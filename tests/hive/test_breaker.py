"""The breaker of a bot at work: what it counts outlives the supervisor, and a call that never ends counts too."""

import asyncio

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core.breaker import BreakerPolicy, Phase
from deia_tui.core.commands import AddTask, LaunchBots, SendMessage
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.calls import Calls
from deia_tui.hive.clock import Clock
from tests.hive.conftest import HiveInTest

GATED = """
[agents.gated]
kind = "command"
argv = ["sh", "-c", "read word; case $word in fail) exit 1;; wait) until test -e gate; do sleep 0.02; done;; esac"]
"""


async def test_failures_under_two_supervisors_count_together(lab: HiveInTest) -> None:
    lab.configure("[breaker]\nconsecutive_failures = 3\n")
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell"))
        for _ in range(2):
            await lab.ask("BOT-001", "ls /nowhere")
        assert lab.bot().breaker is Phase.CLOSED
    async with lab.supervised():
        await lab.until(lambda: lab.bot().port is not None)
        await lab.ask("BOT-001", "ls /nowhere")
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        assert lab.bot().breaker_reason.startswith("3 failures in a row")


async def test_a_call_that_goes_on_too_long_has_failed_and_its_late_answer_changes_nothing(lab: HiveInTest) -> None:
    lab.configure("[breaker]\nconsecutive_failures = 1\nslow_call_s = 0.3\ncooldown_s = 60.0\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 1.5"))
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        assert lab.bot().message_id == message_id, "it opened while the answer was still under way"
        assert "slow call" in lab.bot().breaker_reason
        assert (await lab.answer("BOT-001", message_id))[1].status == "answered"
        changes = [e.event for e in await hive.events(limit=5000) if isinstance(e.event, ev.BreakerChanged)]
        assert len(changes) == 1


async def test_a_trial_that_does_not_end_in_time_opens_the_breaker_again(lab: HiveInTest) -> None:
    lab.configure("[breaker]\nconsecutive_failures = 1\ncooldown_s = 0.001\ntrial_s = 0.3\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await lab.ask("BOT-001", "ls /nowhere")
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 2"))
        await lab.until(lambda: lab.bot().breaker_reason == "trial took too long")
        assert lab.bot().breaker is Phase.OPEN


async def test_a_trial_whose_supervisor_ended_is_given_back_on_record(lab: HiveInTest) -> None:
    """Who looks whether the bot may be given work would otherwise see a trial that nobody waits for, for ever."""
    lab.configure(GATED + "[breaker]\nconsecutive_failures = 1\ncooldown_s = 0.001\n")
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="gated"))
        await lab.ask("BOT-001", "fail")
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        await hive.submit(SendMessage(bot_id="BOT-001", text="wait"))
        await lab.until(lambda: lab.bot().breaker is Phase.HALF_OPEN and lab.bot().message_id)
    (lab.folder.workspace("BOT-001") / "gate").touch()
    async with lab.supervised() as hive:
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        assert lab.bot().breaker_reason == "trial given back"
        [task_id] = await hive.submit(AddTask(text="go on"))
        while (await hive.task(task_id)).task.state is not TaskState.DONE:
            await asyncio.sleep(0.01)
        assert lab.bot().breaker is Phase.CLOSED


def test_waiting_in_line_is_not_slow() -> None:
    calls = Calls("B", brk.Breaker(policy=BreakerPolicy(slow_call_s=1e-9)), Clock(), under_way=())
    calls.admit("waits")
    assert calls.deadline is None
    calls.began("waits")
    assert calls.deadline is not None
