"""After the machine restarted: what should run starts again, what a human stopped does not, nothing is guessed."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots, StopAll, StopBot
from deia_tui.core.state import BotView
from deia_tui.identity import wait_for_end
from tests.hive.conftest import HiveInTest


async def power_cut(lab: HiveInTest, bots: dict[str, BotView], host_pid: int | None) -> None:
    """Everything of the hive is gone, and what it wrote down is from another boot."""
    for pid in (host_pid, *(bot.pid for bot in bots.values())):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            assert await asyncio.to_thread(wait_for_end, pid)
    with closing(sqlite3.connect(lab.folder.state_db)) as database, database:
        database.execute("UPDATE runs SET boot_id = 'another boot'")


@pytest.mark.parametrize("restore", [True, False])
async def test_what_was_wanted_comes_back(lab: HiveInTest, restore: bool) -> None:
    lab.configure(f"[hive]\nrestore_after_boot = {str(restore).lower()}\n")
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", count=3))
        await hive.submit(StopBot(bot_id="BOT-002"))
        bots, host_pid = dict(lab.state.bots), lab.state.host_pid
    await power_cut(lab, bots, host_pid)
    async with lab.supervised() as hive:
        wanted = BotState.RUNNING if restore else BotState.STOPPED
        await lab.until(lambda: all(lab.bot(bot_id).exit is not None for bot_id in ("BOT-001", "BOT-003")))
        await lab.until(lambda: {lab.bot("BOT-001").state, lab.bot("BOT-003").state} == {wanted})
        assert lab.bot("BOT-002").state is BotState.STOPPED
        events = [entry.event for entry in await hive.events(limit=5000)]
        exits = [event.exit for event in events if isinstance(event, ev.BotExited) and event.bot_id != "BOT-002"]
        assert [(str(exit), exit.reason) for exit in exits] == [("exit unknown", "rebooted")] * 2
        assert [alert.kind for alert in lab.state.alerts if alert.cleared_at is None] == ["reboot"]
        lab.host_pid = lab.state.host_pid


async def test_declared_bots_start_unless_they_were_stopped_alone(lab: HiveInTest) -> None:
    lab.configure('[bots.A]\nagent = "shell"\nautostart = true\n[bots.B]\nagent = "shell"\nautostart = true\n')
    async with lab.supervised() as hive:
        await lab.until(lambda: {bot.state for bot in lab.state.bots.values()} == {BotState.RUNNING})
        await hive.submit(StopBot(bot_id="A"))
        await hive.submit(StopAll())
    async with lab.supervised(leave_bots=True):
        await lab.until(lambda: lab.bot("B").state is BotState.RUNNING)
        assert lab.bot("A").state is BotState.STOPPED
        bots, host_pid = dict(lab.state.bots), lab.state.host_pid
    await power_cut(lab, bots, host_pid)
    async with lab.supervised():
        await lab.until(lambda: [bot.state for bot in lab.state.bots.values()] == [BotState.RUNNING] * 2)
