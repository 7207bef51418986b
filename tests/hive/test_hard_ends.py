"""Ends that are not the bot's own idea: stopped processes, memory above the limit; and what a host knows of secrets."""

import os
import signal
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import KillBot, LaunchBots, StopBot
from tests.hive.conftest import HiveInTest

GLUTTON = """
[bots.GLUTTON]
agent = "shell"
memory_max_mb = 200
"""


@pytest.mark.parametrize("adopted", [False, True])
async def test_a_frozen_bot_is_stopped_gracefully_and_killed(lab: HiveInTest, adopted: bool) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        if adopted:
            host = lab.state.host_pid
            assert host is not None
            os.kill(host, signal.SIGKILL)
            await lab.until(lambda: lab.state.host_pid not in (None, host))
        for bot in lab.state.bots.values():
            assert bot.pid is not None
            os.kill(bot.pid, signal.SIGSTOP)
        await hive.submit(StopBot(bot_id="BOT-001"))
        exit = lab.bot("BOT-001").exit
        assert exit is not None and (exit.code, exit.reason) == (0, "stopped"), "it heard SIGTERM and left by itself"
        await hive.submit(KillBot(bot_id="BOT-002"))
        exit = lab.bot("BOT-002").exit
        assert exit is not None and (exit.code, exit.reason) == (None, "killed")


async def test_a_bot_above_its_limit_ends_with_reason_oom_and_comes_back(lab: HiveInTest) -> None:
    lab.configure(GLUTTON)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="GLUTTON"))
        _, turn = await lab.ask("GLUTTON", "python3 -c 'x = bytearray(300_000_000); import time; time.sleep(60)'")
        assert turn.status == "interrupted"
        await lab.until(lambda: lab.bot("GLUTTON").run == 2 and lab.bot("GLUTTON").state is BotState.RUNNING)
        [exited] = [e.event for e in await hive.events(limit=5000) if isinstance(e.event, ev.BotExited)]
        assert (exited.exit.signal, exited.exit.reason) == ("SIGKILL", "oom")
        assert [alert.text for alert in lab.state.alerts if alert.kind == "crash"] == ["oom (SIGKILL)"]


async def test_a_host_has_none_of_the_secrets_of_the_console(lab: HiveInTest) -> None:
    os.environ["DEIA_TEST_API_KEY"] = "not for the host"
    try:
        async with lab.supervised() as hive:
            await hive.submit(LaunchBots(what="shell"))
            for pid in (lab.state.host_pid, lab.bot().pid):
                environ = Path(f"/proc/{pid}/environ").read_bytes()
                assert b"not for the host" not in environ
                assert f"DEIA_HIVE={lab.folder.root}".encode() in environ.split(b"\0")
    finally:
        del os.environ["DEIA_TEST_API_KEY"]
