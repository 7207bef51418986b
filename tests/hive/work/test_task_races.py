"""What comes at the same moment: humans who change their minds, bots that come and go, a store that takes nothing."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import (
    AddTask,
    CancelTask,
    ChangeTask,
    InterruptBot,
    KillBot,
    LaunchBots,
    RestartBot,
    RetryTask,
    StopBot,
)
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.work.tasks import ENDED, TaskState
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest
from tests.hive.test_refusing_store import refusing

AGENTS = """
[agents.slow]
kind = "command"
argv = ["sh", "-c", "sleep 0.05; cat"]
[tasks]
max_tries = 50
backoff_base_s = 0.05
backoff_max_s = 0.1
ageing_s = 1.0
"""
BOTS = ("BOT-001", "BOT-002", "BOT-003")
TASKS = 20


async def all_ended(hive: Hive, task_ids: list[str]) -> Counter[TaskState]:
    async with asyncio.timeout(60):
        while True:
            states = Counter([(await hive.task(task_id)).task.state for task_id in task_ids])
            if states.keys() <= ENDED:
                return states
            await asyncio.sleep(0.05)


async def ends(hive: Hive) -> tuple[Counter[str], Counter[str]]:
    """How often tasks were done, and how often messages ended."""
    events = [entry.event for entry in await hive.events(limit=5000)]
    done = Counter(event.task_id for event in events if isinstance(event, ev.TaskDone))
    return done, Counter(event.message_id for event in events if isinstance(event, ev.TurnEnded))


async def test_humans_change_their_minds_while_bots_come_and_go(lab: HiveInTest) -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    print(f"seed {seed}")
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="slow", count=len(BOTS)))
        tasks = [(await hive.submit(AddTask(text=f"do {number}")))[0] for number in range(TASKS)]

        async def meddle(task_id: str) -> None:
            await asyncio.sleep(dice.uniform(0, 2))
            for _ in range(3):
                wishes = (
                    CancelTask(task_id=task_id),
                    RetryTask(task_id=task_id),
                    ChangeTask(task_id=task_id, to=dice.choice(("", *BOTS))),
                    ChangeTask(task_id=task_id, priority=dice.randrange(4)),
                    ChangeTask(task_id=task_id, held=dice.choice(("", "later"))),
                )
                with suppress(CommandRejected):
                    await hive.submit(dice.choices(wishes, (1, 2, 4, 2, 2))[0])

        async def come_and_go(bot_id: str) -> None:
            for _ in range(4):
                wishes = (StopBot(bot_id=bot_id), KillBot(bot_id=bot_id), InterruptBot(bot_id=bot_id))
                with suppress(CommandRejected):
                    await hive.submit(dice.choice(wishes))
                await asyncio.sleep(dice.uniform(0, 0.2))
                with suppress(CommandRejected):
                    await hive.submit(RestartBot(bot_id=bot_id))

        await asyncio.gather(*map(meddle, tasks), *map(come_and_go, BOTS))
        for task_id in tasks:
            with suppress(CommandRejected):
                await hive.submit(ChangeTask(task_id=task_id, held=""))
        states = await all_ended(hive, tasks)
        assert not states[TaskState.DEAD]
        done, ended = await ends(hive)
        assert set(done.values()) <= {1}, "done twice"
        assert set(ended.values()) == {1}, "a message ended twice"
        await lab.until(lambda: all(lab.bot(bot_id).state is BotState.RUNNING for bot_id in BOTS))
        await lab.until(lambda: all(lab.bot(bot_id).message_id is None for bot_id in BOTS))
        work = hive.snapshot().work
        assert (work.waiting, work.scheduled, work.running, work.held) == (0, 0, 0, 0)
        assert not [alert for alert in lab.state.alerts if alert.kind == "chore"], "a chore failed"


async def test_a_store_that_takes_nothing_for_a_while_loses_no_task_and_does_none_twice(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="slow", count=len(BOTS)))
        tasks = [(await hive.submit(AddTask(text=f"do {number}")))[0] for number in range(TASKS)]
        for when in ("", "WHEN NEW.type = 'task_assigned'", "WHEN NEW.type = 'turn_ended'"):
            async with refusing(lab.folder, when):
                if not when:
                    with pytest.raises(StoreError):
                        await hive.submit(AddTask(text="do it later", task_id="later"))
                await asyncio.sleep(0.3)  # everything that is under way meets it
        await hive.submit(AddTask(text="do it later", task_id="later"))
        states = await all_ended(hive, [*tasks, "later"])
        assert states == {TaskState.DONE: TASKS + 1}
        done, ended = await ends(hive)
        assert set(done.values()) == {1}
        assert set(ended.values()) == {1}
