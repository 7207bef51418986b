"""Bots outlive their supervisor; the next one takes them over, process and all."""

import asyncio
import os
import signal
import sys

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots, SendMessage, StopBot
from deia_tui.identity import wait_for_end
from tests.hive.conftest import HiveInTest

SLOWLY = f"""
[agents.slowly]
kind = "command"
argv = [{sys.executable!r}, "-c", '''
import time
for number in range(10):
    print(number, flush=True)
    time.sleep(0.1)
''']
"""


async def test_bots_are_adopted_with_the_same_pids(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", count=5))
        before = {bot_id: (bot.pid, bot.run) for bot_id, bot in lab.state.bots.items()}
    async with lab.supervised():
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        assert {bot_id: (bot.pid, bot.run) for bot_id, bot in lab.state.bots.items()} == before
        assert (await lab.ask("BOT-003", "echo same"))[0] == "same\n"


async def test_an_answer_given_while_nobody_watched_is_complete_and_there_once(lab: HiveInTest) -> None:
    lab.configure(SLOWLY)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="slowly"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="count"))
        await lab.until(lambda: lab.bot().message_id == message_id)
    await asyncio.sleep(0.3)  # part of the answer is given while no supervisor runs
    async with lab.supervised() as hive:
        _, turn = await lab.answer("BOT-001", message_id)
        assert turn.status == "answered"
        [row] = await hive.chat("BOT-001")
        assert row.answer == "".join(f"{number}\n" for number in range(10))


async def test_an_exit_that_no_supervisor_saw_is_known_and_the_bot_comes_back(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell"))
        pid = lab.bot().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with lab.supervised() as hive:
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        exits = [e.event for e in await hive.events(limit=5000) if isinstance(e.event, ev.BotExited)]
        assert [exited.exit.signal for exited in exits] == ["SIGKILL"]


async def test_a_stopped_bot_stays_stopped(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        await hive.submit(StopBot(bot_id="BOT-001"))
    async with lab.supervised():
        await lab.until(lambda: lab.bot("BOT-002").state is BotState.RUNNING)
        assert lab.bot("BOT-001").state is BotState.STOPPED


async def test_a_killed_host_costs_no_bot_and_a_new_one_takes_over(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=3))
        pids = [bot.pid for bot in lab.state.bots.values()]
        host = lab.state.host_pid
        assert host is not None
        os.kill(host, signal.SIGKILL)
        await lab.until(lambda: lab.state.host_pid not in (None, host))
        assert [bot.pid for bot in lab.state.bots.values()] == pids
        assert (await lab.ask("BOT-002", "echo alive"))[0] == "alive\n"
        first = pids[0]
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        exit = lab.bot().exit
        assert exit is not None
        assert (exit.code, exit.signal) == (None, None), "nobody could see that exit: nothing is guessed"


async def test_bots_that_died_with_their_host_come_back(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        pids = [lab.state.host_pid, *(bot.pid for bot in lab.state.bots.values())]
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await asyncio.to_thread(wait_for_end, pid)
    async with lab.supervised():
        await lab.until(lambda: all(bot.run == 2 and bot.state is BotState.RUNNING for bot in lab.state.bots.values()))


async def test_declared_bots_start_with_the_hive(lab: HiveInTest) -> None:
    lab.configure('[bots.SCOUT]\nagent = "shell"\nautostart = true\n[bots.SPARE]\nagent = "shell"\n')
    async with lab.supervised():
        await lab.until(lambda: "SCOUT" in lab.state.bots and lab.bot("SCOUT").state is BotState.RUNNING)
        assert "SPARE" not in lab.state.bots


async def test_a_host_that_stands_still_is_told_of_and_goes_on(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        host = lab.state.host_pid
        assert host is not None
        os.kill(host, signal.SIGSTOP)
        try:
            await lab.until(lambda: "silence" in [alert.kind for alert in lab.state.alerts])
        finally:
            os.kill(host, signal.SIGCONT)
        await lab.until(lambda: not [alert for alert in lab.state.alerts if alert.cleared_at is None])
