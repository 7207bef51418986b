"""A store that takes nothing, as on a full disk: supervision goes on, and nobody is kept from leaving."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.commands import KillBot, LaunchBots, RestartBot, SendMessage, StopBot
from deia_tui.core.errors import StoreError
from deia_tui.folder import Folder
from deia_tui.hive.calls import Calls
from deia_tui.hive.clock import Clock
from deia_tui.host.presence import living_hosts
from deia_tui.identity import ended, wait_for_end
from tests.hive.conftest import HiveInTest


@asynccontextmanager
async def refusing(folder: Folder, when: str = "") -> AsyncIterator[None]:
    """Every commit fails, or those that `when` names, by a trigger that another program put into the database."""
    refuse = f"CREATE TRIGGER refuse BEFORE INSERT ON events {when} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    await asyncio.to_thread(_change, folder, refuse)
    try:
        yield
    finally:
        await asyncio.to_thread(_change, folder, "DROP TRIGGER refuse")


def _change(folder: Folder, statement: str) -> None:
    """With the write lock from the start: a lock taken later may be refused without any waiting. In another thread:
    who has the lock now may need our loop to let go of it."""
    with closing(sqlite3.connect(folder.state_db, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute(statement)
        other.execute("COMMIT")


async def test_a_crash_meanwhile_is_one_crash_once_the_store_is_back(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        first = lab.bot().pid
        assert first is not None
        async with refusing(lab.folder):
            with pytest.raises(StoreError):
                await hive.submit(RestartBot(bot_id="BOT-001"))
            os.kill(first, signal.SIGKILL)
            await lab.until(lambda: ended(first))
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        assert lab.bot().restarts == 1


@pytest.mark.parametrize("wish", [StopBot(bot_id="BOT-001"), KillBot(bot_id="BOT-001")])
async def test_a_stop_wins_over_a_store_that_takes_nothing(lab: HiveInTest, wish: StopBot | KillBot) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        pid = lab.bot().pid
        assert pid is not None
        async with refusing(lab.folder):
            stopping = asyncio.create_task(hive.submit(wish))
            await lab.until(lambda: ended(pid))
        await stopping
        assert (lab.bot().state, lab.bot().run) == (BotState.STOPPED, 1)
        events = [entry.event for entry in await hive.events(limit=5000)]
        assert [type(event) for event in events if isinstance(event, ev.BotStopping | ev.BotExited)] == [
            ev.BotStopping,
            ev.BotExited,
        ]


async def test_who_asks_is_answered_while_reports_wait(lab: HiveInTest) -> None:
    """A bot ends a turn, then is frozen, and nothing of that can be stored: it is killed all the same."""
    script, begin = lab.folder.root / "agent", lab.folder.root / "begin"
    script.write_text(f"#!/bin/sh\nuntil [ -e {begin} ]; do sleep 0.05; done\necho said\n")
    script.chmod(0o700)
    lab.configure("[process]\nwork_grace_s = 0.1\ngrace_period_s = 0.5\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        pid = lab.bot().pid
        assert pid is not None
        await hive.submit(SendMessage(bot_id="BOT-001", text=str(script)))
        await lab.until(lambda: lab.bot().activity is Activity.BUSY)
        async with refusing(lab.folder):
            begin.touch()
            await lab.until(lambda: b"turn_ended" in lab.folder.spool("BOT-001", 1).read_bytes())
            for _ in range(3):
                with pytest.raises(StoreError):
                    await hive.submit(SendMessage(bot_id="BOT-001", text="echo hi"))
            os.kill(pid, signal.SIGSTOP)
            stopping = asyncio.create_task(hive.submit(StopBot(bot_id="BOT-001")))
            await lab.until(lambda: ended(pid))
        await stopping
        assert (lab.bot().state, lab.bot().run) == (BotState.STOPPED, 1)
        [turn] = await hive.chat("BOT-001")
        assert (turn.status, turn.answer) == ("answered", "said\n")


async def test_a_lost_host_is_replaced_and_known_once_the_store_is_back(lab: HiveInTest) -> None:
    async with lab.supervised():
        first = lab.state.host_pid
        assert first is not None
        async with refusing(lab.folder):
            os.kill(first, signal.SIGKILL)
            await lab.until(lambda: host_pid(lab.folder) not in (None, first))
        await lab.until(lambda: lab.state.host_pid == host_pid(lab.folder))


def host_pid(folder: Folder) -> int | None:
    return next((host.pid for host in living_hosts(folder)), None)


async def test_the_end_stops_bots_that_cannot_be_stopped_on_record(lab: HiveInTest) -> None:
    lab.configure("[process]\nwork_grace_s = 0.1\ngrace_period_s = 0.2\n")
    async with AsyncExitStack() as trouble:
        async with lab.supervised() as hive:
            await hive.submit(LaunchBots(what="shell", count=2))
            pids = [bot.pid for bot in lab.state.bots.values() if bot.pid]
            await trouble.enter_async_context(refusing(lab.folder))
        for pid in pids:
            assert await asyncio.to_thread(wait_for_end, pid)


def test_a_failure_that_could_not_be_stored_is_not_counted() -> None:
    calls = Calls("BOT-001", brk.Breaker(policy=brk.BreakerPolicy(consecutive_failures=2)), Clock(), under_way=())
    for _ in range(5):
        with pytest.raises(StoreError), calls.provisional():
            calls.failed("crashed")
            raise StoreError("The disk is full.")
    assert calls.failed("crashed") == []
    assert [move.to_phase for move in calls.failed("crashed")] == [Phase.OPEN]
