"""Who chooses better: the scheduler, turns or chance? The same tasks, bots and luck for each, on simulated days: bots
that are good at different things, some better as time goes on, one broken for a while; few tasks, and more than the
bots can do."""

from collections.abc import Iterator, Sequence
from statistics import mean

from deia_tui.core.scheduling.scheduler import Scheduler
from tests.simulated.hive import SimulatedHive, Told
from tests.simulated.picking import adaptive, at_random, by_turns
from tests.simulated.world import World, make_world

from .figures import Figure

SEEDS = range(20)
JOBS = 800
LOADS = (("few tasks", 0.4), ("many tasks", 0.9))
BINS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))


def scheduling() -> Iterator[Figure]:
    for what, load in LOADS:
        worlds = [make_world(seed, jobs=JOBS, load=load) for seed in SEEDS]
        ours = [SimulatedHive(world, *adaptive(world, Scheduler())).run() for world in worlds]
        turns = [SimulatedHive(world, *by_turns(world)).run() for world in worlds]
        chance = [SimulatedHive(world, *at_random(world)).run() for world in worlds]
        yield from _compared(what, ours, turns, chance)
        yield from _calibrated(what, worlds, ours)


def _compared(what: str, ours: Sequence[Told], turns: Sequence[Told], chance: Sequence[Told]) -> Iterator[Figure]:
    def told(name: str, unit: str, values: Sequence[Sequence[float]], digits: int = 1) -> Iterator[Figure]:
        mine, theirs, random = (mean(one) for one in values)
        about = f"{what}: {name}"
        yield Figure(
            what=f"{about}, scheduler", measured=mine, unit=unit, at_most=round(min(theirs, random), 2), digits=digits
        )
        yield Figure(what=f"{about}, by turns", measured=theirs, unit=unit, digits=digits)
        yield Figure(what=f"{about}, at random", measured=random, unit=unit, digits=digits)
        wins = sum(one < min(other, third) for one, other, third in zip(*values, strict=True))
        yield Figure(what=f"{about}: seeds of {len(ours)} better than both", measured=wins, digits=0)

    days = (ours, turns, chance)
    yield from told("attempts that failed", "", [[one.failures for one in day] for day in days], 0)
    yield from told("tasks that died", "", [[len(one.dead) for one in day] for day in days])
    yield from told("time worked", "h", [[one.worked_s / 3600 for one in day] for day in days])
    yield from told("until the last was done", "h", [[one.makespan_s / 3600 for one in day] for day in days], 2)
    yield from told("until one was done", "s", [[one.until_done_s / JOBS for one in day] for day in days], 0)


def _calibrated(what: str, worlds: Sequence[World], ours: Sequence[Told]) -> Iterator[Figure]:
    """Does the confidence come true? The base rate is that of the very same attempts, known only afterwards."""
    scores = [mean((confidence - came) ** 2 for confidence, came in one.said) for one in ours]
    rates = [mean(came for _, came in one.said) for one in ours]
    base = [rate * (1 - rate) for rate in rates]
    yield Figure(
        what=f"{what}: Brier score of the confidence", measured=mean(scores), at_most=round(mean(base), 4), digits=4
    )
    yield Figure(what=f"{what}: Brier score of the base rate", measured=mean(base), digits=4)
    wins = sum(score < other for score, other in zip(scores, base, strict=True))
    yield Figure(what=f"{what}: seeds of {len(worlds)} with a better Brier score", measured=wins, digits=0)
    said = [pair for one in ours for pair in one.said]
    for low, high in BINS:
        within = [pair for pair in said if low <= pair[0] < high]
        if within:
            foreseen, came = mean(pair[0] for pair in within), mean(pair[1] for pair in within)
            about = f"{what}: {foreseen:.0%} sure ({len(within):,} attempts), came true"
            yield Figure(what=about, measured=100 * came, unit="%")
