"""A newer version of the program on a hive whose bots an older one has started."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots, StopAll, StopBot
from deia_tui.host.presence import living_hosts
from deia_tui.identity import wait_for_end
from tests.hive.conftest import HiveInTest
from tests.host.living import another_version


class Program:
    """A version of the program, called as an operator would."""

    def __init__(self, package: Path, root: Path) -> None:
        self.package = package
        self._argv = [sys.executable, "-m", "deia_tui", "--hive", str(root)]
        self._env = {**os.environ, "PYTHONPATH": str(package)}

    def run(self, *words: str) -> bytes:
        return subprocess.run([*self._argv, *words], env=self._env, cwd="/", stdout=subprocess.PIPE, check=True).stdout

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        argv = [*self._argv, "serve"]
        with subprocess.Popen(argv, env=self._env, cwd="/", stdout=subprocess.PIPE) as supervisor:
            assert supervisor.stdout is not None and b"Supervising" in supervisor.stdout.readline()
            yield
            supervisor.stdout.read()


@pytest.fixture
def program(lab: HiveInTest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(another_version(tmp_path_factory.mktemp("older")), lab.folder.root)


@pytest.fixture
def older(lab: HiveInTest, program: Program) -> int:
    """The host of an older version, left with two bots."""
    with program.serving():
        program.run("launch", "shell", "--count", "2")
        program.run("shutdown", "--leave-bots")
    [host] = living_hosts(lab.folder)
    return host.pid


def host_of(lab: HiveInTest, bot_id: str) -> int:
    """The pid of the host that has the bot."""
    bot = lab.bot(bot_id)
    record = lab.folder.run_record(bot_id, bot.run)
    assert f'"pid":{bot.pid},' in record.read_text()
    return int(record.read_text().partition('"host_pid":')[2].partition(",")[0])


async def test_bots_are_adopted_new_ones_get_a_new_host_and_the_old_one_ends(lab: HiveInTest, older: int) -> None:
    async with lab.supervised() as hive:
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        home = lab.state.host_pid
        assert home not in (None, older) and host_of(lab, "BOT-001") == older
        assert (await lab.ask("BOT-001", "echo adopted"))[0] == "adopted\n"
        await hive.submit(LaunchBots(what="shell"))
        assert host_of(lab, "BOT-003") == home
        first = lab.bot("BOT-001").pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        assert host_of(lab, "BOT-001") == home
        await hive.submit(StopBot(bot_id="BOT-002"))
        await lab.until(lambda: [host.pid for host in living_hosts(lab.folder)] == [home])
        assert lab.state.host_pid == home and lab.state.alerts[-1].kind != "host"
        await hive.submit(StopAll())
        assert {bot.state for bot in lab.state.bots.values()} == {BotState.STOPPED}


async def test_an_old_host_that_is_killed_costs_no_bot(lab: HiveInTest, older: int) -> None:
    async with lab.supervised() as hive:
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        pids = [bot.pid for bot in lab.state.bots.values()]
        os.kill(older, signal.SIGKILL)
        wait_for_end(older)
        home = lab.state.host_pid
        await lab.until(lambda: host_of(lab, "BOT-001") == host_of(lab, "BOT-002") == home)
        assert (await lab.ask("BOT-001", "echo alive"))[0] == "alive\n"
        assert [(bot.pid, bot.run) for bot in lab.state.bots.values()] == [(pid, 1) for pid in pids]
        await hive.submit(StopBot(bot_id="BOT-001"))
        assert lab.bot("BOT-001").state is BotState.STOPPED


def test_a_supervisor_gets_a_host_also_after_its_program_was_upgraded(lab: HiveInTest, program: Program) -> None:
    with program.serving():
        program.run("launch", "shell")
        [host] = living_hosts(lab.folder)
        with (program.package / "deia_tui" / "host" / "host.py").open("a") as code:
            code.write("# and a newer one\n")
        os.kill(host.pid, signal.SIGKILL)
        assert wait_for_end(host.pid)
        program.run("restart", "BOT-001")
        [newer] = living_hosts(lab.folder)
        assert newer.fingerprint != host.fingerprint
        program.run("shutdown")
    assert wait_for_end(newer.pid)
