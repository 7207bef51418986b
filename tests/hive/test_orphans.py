"""Whatever is killed, nothing of ours runs that the hive does not know: real bots, whose agents daemonise."""

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots
from deia_tui.host.presence import living_hosts
from deia_tui.identity import ended, wait_for_end
from tests.hive.conftest import HiveInTest

NUMBERS = itertools.count(100_000 + os.getpid() * 10)


def processes(seconds: int) -> list[int]:
    """Those that run `sleep SECONDS`."""
    line = f"sleep\0{seconds}\0".encode()
    return [pid for pid in _pids() if _cmdline(pid) == line and not ended(pid)]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def seconds() -> Iterator[int]:
    """A number by which the daemon of this test is known; nothing of it survives the test."""
    number = next(NUMBERS)
    yield number
    for pid in processes(number):
        os.kill(pid, signal.SIGKILL)


async def daemon_of(lab: HiveInTest, seconds: int) -> int:
    """A bot whose agent left a daemon without environment; the daemon's pid."""
    await lab.ask("BOT-001", f"env -i setsid -f sleep {seconds}")
    await lab.until(lambda: processes(seconds))
    [daemon] = processes(seconds)
    return daemon


async def end(*pids: int | None) -> None:
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        assert pid is not None and await asyncio.to_thread(wait_for_end, pid)


@pytest.mark.parametrize("hosts", [1, 2])
async def test_hosts_and_bot_killed_leave_nothing(lab: HiveInTest, seconds: int, hosts: int) -> None:
    """Once at the same moment, and once after a second host had taken over."""
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell"))
        await daemon_of(lab, seconds)
        bot, host = lab.bot().pid, lab.state.host_pid
        if hosts == 2:
            await end(host)
            await lab.until(lambda: lab.state.host_pid not in (None, host))
            host = lab.state.host_pid
    await end(host, bot)
    assert processes(seconds), "nobody is left who could have ended it"
    async with lab.supervised():
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        await lab.until(lambda: not processes(seconds))


async def test_a_killed_bot_of_a_killed_host_takes_its_daemon_along(lab: HiveInTest, seconds: int) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await daemon_of(lab, seconds)
        bot, host = lab.bot().pid, lab.state.host_pid
        await end(host)
        await lab.until(lambda: lab.state.host_pid not in (None, host))
        await end(bot)
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        await lab.until(lambda: not processes(seconds))
        assert len(living_hosts(lab.folder)) == 1
