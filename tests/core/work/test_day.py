"""A day of a hive in seconds: ten bots, mixed tasks, failures, crashes, a provider that wants to be left alone, a bot
that is broken for hours, and scaling: nothing is lost, nothing done twice, no limit exceeded, nobody forgotten."""

from statistics import mean

import pytest

from deia_tui.core.load.scaler import Limits
from deia_tui.core.scheduling.performance import SchedulingPolicy
from deia_tui.core.scheduling.scheduler import Scheduler
from tests.simulated.hive import SimulatedHive, Trouble
from tests.simulated.picking import adaptive, by_turns
from tests.simulated.world import make_world

JOBS = 900
TROUBLE = Trouble(crash=0.02, overload=0.01)


@pytest.mark.parametrize("seed", range(2))
def test_a_day(seed: int) -> None:
    world = make_world(seed, bots=10, jobs=JOBS, load=0.55)
    scheduler = Scheduler(SchedulingPolicy())
    told = SimulatedHive(world, *adaptive(world, scheduler), trouble=TROUBLE, limits=Limits(2, 10)).run()
    assert told.wrongs == []
    assert told.makespan_s > 8 * 3600, "it was a whole working day"
    assert told.crashes, "trouble there was"
    assert told.pauses
    assert len(told.done) + len(told.dead) == JOBS, "all are done, or dead"
    assert not told.done.keys() & told.dead.keys()
    assert set(told.done.values()) == {1}, "none twice"
    assert all(told.dead.values()), "each with a reason"
    assert 2 < told.most_bots <= 10
    assert mean(told.waits[0]) < mean(told.waits[3]), "P0 waits less than P3"
    assert len(told.given) == told.most_bots, "every bot got something"
    assert min(told.given.values()) >= JOBS / 100


def test_a_day_with_more_to_do_than_the_bots_can() -> None:
    world = make_world(7, bots=10, jobs=JOBS // 2, load=1.0)
    ours = SimulatedHive(world, *adaptive(world, Scheduler(SchedulingPolicy())), trouble=TROUBLE).run()
    turns = SimulatedHive(world, *by_turns(world), trouble=TROUBLE).run()
    assert ours.wrongs == turns.wrongs == []
    assert len(ours.done) + len(ours.dead) == JOBS // 2
    assert ours.failures < turns.failures
    assert ours.worked_s < turns.worked_s
    assert mean(ours.waits[0]) < mean(ours.waits[3]) / 2, "the urgent overtake the others"
