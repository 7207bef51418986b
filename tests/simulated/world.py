"""Bots that are good at different things, some better as time goes on and one broken for a while, and tasks that come.

Whether an attempt succeeds and how long it takes depends on seed, task, attempt and bot alone, so that every way to
choose meets the same luck.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from deia_tui.core.work.tasks import PRIORITIES, TaskType

TYPES = tuple(TaskType)[:-1]


@dataclass(frozen=True, slots=True)
class Job:
    task_id: str
    task_type: TaskType
    priority: int
    at: float
    length_s: float


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
        whole = job.length_s * self.pace[bot_id, job.task_type] * luck.lognormvariate(0, 0.3)
        return succeeded, whole if succeeded else whole * luck.uniform(0.2, 1.0)


def make_world(seed: int, *, bots: int = 8, jobs: int = 1500, load: float = 0.6) -> World:
    """`load` is the share of their time the bots would work if all of them were average and nothing failed."""
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
        [priority] = dice.choices(PRIORITIES, (1, 2, 5, 2))
        todo.append(Job(f"t{number}", task_type, priority, at, usual_s[task_type] * dice.lognormvariate(0, 0.4)))
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
