"""Bots come up, crash, come back, give up and stop: real processes under a real supervisor."""

import asyncio
import json
import os
import signal

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import KillBot, LaunchBots, RestartBot, SendMessage, StopAll, StopBot
from deia_tui.core.errors import CommandRejected
from deia_tui.identity import ended
from tests.hive.conftest import PROBED_OFTEN, HiveInTest


async def test_launch_names_bots_upward_and_all_of_them_run(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        assert await hive.submit(LaunchBots(what="shell", count=3)) == ["BOT-001", "BOT-002", "BOT-003"]
        assert {bot.state for bot in lab.state.bots.values()} == {BotState.RUNNING}
        assert len({bot.port for bot in lab.state.bots.values()}) == 3
        assert await hive.submit(LaunchBots(what="shell")) == ["BOT-004"]


async def test_launches_at_the_same_time_share_no_id(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        launches = (hive.submit(LaunchBots(what="shell", count=2, wait=False)) for _ in range(4))
        named = [bot_id for bots in await asyncio.gather(*launches) for bot_id in bots]
        assert sorted(named) == [f"BOT-{number:03d}" for number in range(1, 9)]


async def test_a_launch_under_way_does_not_outlive_the_supervisor(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        launching = asyncio.create_task(hive.submit(LaunchBots(what="shell", count=3)))
        while not hive.snapshot().state.bots and not launching.done():
            await asyncio.sleep(0)
        launching.cancel()
    assert list(lab.folder.runs.iterdir()) == []


async def test_a_bot_of_the_same_make_that_is_off_is_used_again(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        await hive.submit(StopBot(bot_id="BOT-001"))
        assert await hive.submit(LaunchBots(what="shell", count=2)) == ["BOT-001", "BOT-003"]


async def test_an_id_runs_once_and_the_refusal_names_its_pid(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        launch = LaunchBots(what="shell", bot_id="SCOUT")
        outcomes = await asyncio.gather(*(hive.submit(launch) for _ in range(8)), return_exceptions=True)
        assert outcomes.count(["SCOUT"]) == 1
        assert all(isinstance(outcome, CommandRejected) for outcome in outcomes if outcome != ["SCOUT"])
        with pytest.raises(CommandRejected, match=f"pid {lab.bot('SCOUT').pid}"):
            await hive.submit(launch)
        assert lab.bot("SCOUT").run == 1


async def test_a_killed_bot_is_back_at_once_with_its_signal_kept(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        first = lab.bot().pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        bot = lab.bot()
        assert bot.pid != first
        assert bot.restarts == 1
        assert bot.exit is not None
        assert bot.exit.signal == "SIGKILL"
        assert [alert.kind for alert in lab.state.alerts if alert.cleared_at is None] == ["crash"]


async def test_a_crash_loop_starts_six_times_and_is_fatal(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        for run in range(1, 7):
            await lab.until(lambda run=run: lab.bot().run == run and lab.bot().state is BotState.RUNNING)
            pid = lab.bot().pid
            assert pid is not None
            os.kill(pid, signal.SIGSEGV)
        await lab.until(lambda: lab.bot().state is BotState.FATAL)
        starts = [entry for entry in await hive.events(limit=5000) if isinstance(entry.event, ev.BotStarting)]
        assert len(starts) == 6
        assert lab.bot().run == 6
        assert "fatal" in [alert.kind for alert in lab.state.alerts if alert.cleared_at is None]
        await hive.submit(RestartBot(bot_id="BOT-001"))
        assert lab.bot().state is BotState.RUNNING
        assert lab.bot().restarts == 0


@pytest.mark.parametrize(("policy", "state"), [("temporary", BotState.EXITED), ("permanent", BotState.RUNNING)])
async def test_the_restart_policy_is_honoured(lab: HiveInTest, policy: str, state: BotState) -> None:
    lab.configure(f'[bots.B]\nagent = "shell"\nrestart = "{policy}"')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="B"))
        pid = lab.bot("B").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await lab.until(lambda: lab.bot("B").exit is not None and lab.bot("B").state is state)


async def test_a_frozen_bot_is_found_killed_and_restarted(lab: HiveInTest) -> None:
    lab.configure(PROBED_OFTEN)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        frozen = lab.bot().pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        assert ended(frozen)
        events = [entry.event for entry in await hive.events(bot_id="BOT-001", limit=5000)]
        exits = [event.exit for event in events if isinstance(event, ev.BotExited)]
        assert [(exit.signal, exit.reason) for exit in exits] == [("SIGKILL", "hung")]
        assert [event.streak for event in events if isinstance(event, ev.ProbeFailed)] == [1, 2, 3]


async def test_kill_ends_the_whole_tree_and_the_bot_stays_off(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 300"))
        bot_pid = lab.bot().pid
        await lab.until(lambda: _children(bot_pid))
        tree = [bot_pid, *_children(bot_pid)]
        await hive.submit(KillBot(bot_id="BOT-001"))
        assert lab.bot().state is BotState.STOPPED
        await lab.until(lambda: all(ended(pid) for pid in tree))
        turns = await hive.chat("BOT-001")
        assert [(turn.status, turn.text) for turn in turns] == [("interrupted", "sleep 300")]
        assert "killed" in [alert.kind for alert in lab.state.alerts]


async def test_stop_waits_for_the_bot_to_end_cleanly(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        await hive.submit(StopBot(bot_id="BOT-001"))
        exit = lab.bot().exit
        assert lab.bot().state is BotState.STOPPED
        assert exit is not None
        assert (exit.code, exit.signal, exit.reason) == (0, None, "stopped")
        assert json.loads(lab.folder.last_words("BOT-001").read_bytes())["reason"] == "SIGTERM"
        assert not lab.folder.workspace("BOT-001").exists()
        with pytest.raises(CommandRejected, match="does not run"):
            await hive.submit(StopBot(bot_id="BOT-001"))


async def test_the_hive_writes_the_last_words_of_a_bot_that_could_not(lab: HiveInTest) -> None:
    lab.configure("[process]\ngrace_period_s = 0.3\nwork_grace_s = 30.0\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 60"))
        await lab.until(lambda: lab.bot().message_id == message_id)
        await hive.submit(StopBot(bot_id="BOT-001"))
        words = json.loads(lab.folder.last_words("BOT-001").read_bytes())
        assert (words["run"], words["reason"]) == (1, "stopped (SIGKILL)")
        assert words["interrupted_messages"] == [message_id]


async def test_stop_all_ends_every_bot_and_says_which(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        ids = await hive.submit(LaunchBots(what="shell", count=5))
        pids = [bot.pid for bot in lab.state.bots.values()]
        assert sorted(await hive.submit(StopAll())) == ids
        assert all(pid is not None and ended(pid) for pid in pids)
        assert await hive.submit(StopAll()) == []


async def test_a_stop_wins_over_a_start_under_way(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=12, wait=False))
        await hive.submit(StopAll())
        assert {bot.state for bot in lab.state.bots.values()} == {BotState.STOPPED}
        assert all(bot.pid is None and not bot.wanted for bot in lab.state.bots.values())


async def test_all_ports_taken_is_one_clear_sentence(lab: HiveInTest) -> None:
    lab.configure("[process]\nfirst_port = 8950\nlast_port = 8950\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        with pytest.raises(CommandRejected, match="8950"):
            await hive.submit(LaunchBots(what="shell"))
        assert lab.bot("BOT-002").state is BotState.FATAL


def _children(pid: int | None) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]
