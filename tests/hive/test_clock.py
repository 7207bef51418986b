"""Time in which the supervisor could not act passes for nobody: no deadline runs out, no silence counts."""

import asyncio
import time

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots
from deia_tui.hive.clock import BEAT_S, LAG_S, Clock
from tests.hive.conftest import HiveInTest


async def test_a_clock_that_beats_keeps_the_time() -> None:
    clock = Clock()
    beating = asyncio.create_task(clock.beat())
    before, began = clock.now(), time.monotonic()
    while clock.now() - before < 2 * (BEAT_S + LAG_S):
        await asyncio.sleep(0.01)
    lost_s = (time.monotonic() - began) - (clock.now() - before)
    beating.cancel()
    assert lost_s < 0.01 or clock.lapses, "only a lapse loses time"


def test_a_lapse_takes_its_time_out() -> None:
    clock = Clock()
    before = clock.now()
    time.sleep(1.5)  # what SIGSTOP, a starved machine or a bug of ours would do
    assert clock.now() - before < BEAT_S + LAG_S
    assert clock.lapses == 1


def test_a_wall_time_is_as_far_from_now_as_on_the_wall() -> None:
    clock = Clock()
    assert abs(clock.of(time.time() + 100) - clock.now() - 100) < 0.1


async def test_a_supervisor_that_stood_still_blames_no_bot(lab: HiveInTest) -> None:
    lab.configure("[liveness]\nperiod_s = 0.05\ntimeout_s = 1.0\nfailure_threshold = 1\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=4))
        for _ in range(2):
            await asyncio.sleep(0.1)
            time.sleep(1.6)  # noqa: ASYNC251 – the whole loop stands still, with probes under way
        await asyncio.sleep(0.3)
        assert [bot.run for bot in lab.state.bots.values()] == [1, 1, 1, 1]
        assert {bot.state for bot in lab.state.bots.values()} == {BotState.RUNNING}
        events = [entry.event for entry in await hive.events(limit=5000)]
        assert not [event for event in events if isinstance(event, ev.ProbeFailed)]
