"""A hive without processes: bots that are good at different things, tasks that arrive, and a clock that jumps.

Whether an attempt succeeds and how long it takes depends on seed, task, attempt and bot alone, so that every way to
choose meets the same luck.
"""

import heapq
import math
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deia_tui.core.scheduler import Contender
from deia_tui.core.tasks import TaskType

TYPES = tuple(TaskType)[:-1]
AHEAD = 5
MAX_TRIES = 4
Choose = Callable[[TaskType, Sequence[Contender], float], tuple[str, float | None]]
"""The bot for a task of this type at this time, and the confidence in it."""
Learn = Callable[[str, TaskType, str, bool, float, float], None]
"""Bot, type, task, succeeded, duration in seconds, time."""


@dataclass(frozen=True, slots=True)
class Job:
    task_id: str
    task_type: TaskType
    at: float
    length: float


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How good bots are, and what there is to do; all of it follows from the seed."""

    seed: int
    jobs: Sequence[Job]
    bots: Sequence[str]
    ability: dict[tuple[str, TaskType], float]
    drift: dict[tuple[str, TaskType], tuple[float, float]]
    pace: dict[tuple[str, TaskType], float]
    broken: str
    broken_from: float
    broken_until: float

    def chance(self, bot_id: str, task_type: TaskType, at: float) -> float:
        """That this bot does it, now."""
        if bot_id == self.broken and self.broken_from <= at < self.broken_until:
            return 0.05
        size, phase = self.drift[bot_id, task_type]
        odds = self.ability[bot_id, task_type] + size * math.sin(at / 20_000 + phase)
        return 1 / (1 + math.exp(-odds))

    def attempt(self, job: Job, attempt: int, bot_id: str, at: float) -> tuple[bool, float]:
        """(succeeded, how long it takes)."""
        luck = random.Random(f"{self.seed} {job.task_id} {attempt} {bot_id}")
        succeeded = luck.random() < self.chance(bot_id, job.task_type, at)
        whole = job.length * self.pace[bot_id, job.task_type] * luck.lognormvariate(0, 0.3)
        return succeeded, whole if succeeded else whole * luck.uniform(0.2, 1.0)


def make_world(seed: int, *, bots: int = 8, jobs: int = 1500, load: float = 0.6) -> World:
    """`load` is the share of their time the bots would work if all of them were average."""
    dice = random.Random(seed)
    names = [f"BOT-{number:03d}" for number in range(1, bots + 1)]
    kinds = [(bot_id, task_type) for bot_id in names for task_type in TYPES]
    talent = {bot_id: dice.gauss(1.2, 0.7) for bot_id in names}
    ease = {task_type: dice.gauss(0, 0.5) for task_type in TYPES}
    speed = {bot_id: dice.lognormvariate(0, 0.3) for bot_id in names}
    usual_s = {task_type: dice.uniform(60, 400) for task_type in TYPES}
    every_s = sum(usual_s.values()) / len(TYPES) / bots / load
    at, todo = 0.0, list[Job]()
    for number in range(jobs):
        at += dice.expovariate(1 / every_s)
        task_type = dice.choice(TYPES)
        todo.append(Job(f"t{number}", task_type, at, usual_s[task_type] * dice.lognormvariate(0, 0.4)))
    return World(
        seed=seed,
        jobs=todo,
        bots=names,
        ability={(bot_id, kind): talent[bot_id] + ease[kind] + dice.gauss(0, 1.0) for bot_id, kind in kinds},
        drift={kind: (abs(dice.gauss(0, 0.5)), dice.uniform(0, 6.28)) for kind in kinds},
        pace={(bot_id, kind): speed[bot_id] * dice.lognormvariate(0, 0.2) for bot_id, kind in kinds},
        broken=dice.choice(names),
        broken_from=at * 0.4,
        broken_until=at * 0.55,
    )


@dataclass(slots=True)
class Ended:
    """What became of all jobs. `said` are the confidences and what came true."""

    failures: int = 0
    dead: int = 0
    makespan_s: float = 0.0
    worked_s: float = 0.0
    waited_s: float = 0.0
    said: list[tuple[float, bool]] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def simulate(world: World, choose: Choose, learn: Learn | None = None) -> Ended:
    """Every job in the order it came; one that failed comes again after 5 s, 10 s, 20 s, at most MAX_TRIES times."""
    ended = Ended()
    in_hand = {bot_id: deque[tuple[Job, int, float | None]]() for bot_id in world.bots}
    waiting = deque[tuple[Job, int]]()
    moments: list[tuple[float, int, str, tuple[Job, int] | str]] = []
    count = 0

    def plan(at: float, kind: str, what: tuple[Job, int] | str) -> None:
        nonlocal count
        count += 1
        heapq.heappush(moments, (at, count, kind, what))

    def begin(bot_id: str, at: float) -> None:
        job, attempt, _ = in_hand[bot_id][0]
        succeeded, takes_s = world.attempt(job, attempt, bot_id, at)
        running[bot_id] = (succeeded, takes_s)
        plan(at + takes_s, "ended", bot_id)

    def hand_out(at: float) -> None:
        while waiting:
            free = [Contender(bot_id=one, in_hand=len(tasks)) for one, tasks in in_hand.items() if len(tasks) < AHEAD]
            if not free:
                return
            job, attempt = waiting.popleft()
            bot_id, confidence = choose(job.task_type, free, at)
            ended.given[bot_id] += 1
            in_hand[bot_id].append((job, attempt, confidence))
            if len(in_hand[bot_id]) == 1:
                begin(bot_id, at)

    running: dict[str, tuple[bool, float]] = {}
    for job in world.jobs:
        plan(job.at, "came", (job, 1))
    while moments:
        at, _, kind, what = heapq.heappop(moments)
        if kind == "came":
            waiting.append(what)  # type: ignore[arg-type]
        else:
            bot_id = str(what)
            job, attempt, confidence = in_hand[bot_id].popleft()
            succeeded, takes_s = running.pop(bot_id)
            ended.worked_s += takes_s
            ended.failures += not succeeded
            ended.makespan_s = max(ended.makespan_s, at)
            if confidence is not None:
                ended.said.append((confidence, succeeded))
            if learn is not None:
                learn(bot_id, job.task_type, job.task_id, succeeded, takes_s, at)
            if succeeded or attempt == MAX_TRIES:
                ended.dead += not succeeded
                ended.waited_s += at - job.at
            else:
                plan(at + 5 * 2 ** (attempt - 1), "came", (job, attempt + 1))
            if in_hand[bot_id]:
                begin(bot_id, at)
        hand_out(at)
    return ended
