"""Ways to choose a bot for a task: the scheduler's, and two that learn nothing."""

import random
from collections.abc import Sequence

from deia_tui.core import events as ev
from deia_tui.core.scheduling.scheduler import Contender, Scheduler, verdict
from deia_tui.core.work.tasks import Task
from tests.simulated.hive import Learn, Pick
from tests.simulated.world import World


def adaptive(world: World, scheduler: Scheduler) -> tuple[Pick, Learn]:
    dice = random.Random(f"choice {world.seed}")

    def pick(task: Task, contenders: Sequence[Contender], at: float) -> tuple[str, float | None]:
        choice = scheduler.choose(task.task_type, contenders, priority=task.priority, now=at, chance=dice.random())
        assert choice is not None
        return choice.bot_id, choice.confidence

    def learn(task: Task, end: ev.TaskDone | ev.TaskPutBack | ev.TaskDied) -> None:
        succeeded = verdict(end)
        assert succeeded is not None
        scheduler.note(
            scheduler.record_performance(
                task.bot_id,
                task.task_type,
                task.task_id,
                succeeded=succeeded,
                duration_s=end.duration_s,
                tokens=0,
                at=end.at,
            )
        )

    return pick, learn


def by_turns(world: World) -> tuple[Pick, Learn]:
    """Of those with the least to do, whoever is next after the last."""
    place = {bot_id: number for number, bot_id in enumerate(world.bots)}
    last = -1

    def pick(_: Task, contenders: Sequence[Contender], __: float) -> tuple[str, float | None]:
        nonlocal last
        chosen = min(_least(contenders), key=lambda one: (place[one.bot_id] - last - 1) % len(place))
        last = place[chosen.bot_id]
        return chosen.bot_id, None

    return pick, _learn_nothing


def at_random(world: World) -> tuple[Pick, Learn]:
    """Of those with the least to do, anybody."""
    dice = random.Random(f"choice {world.seed}")

    def pick(_: Task, contenders: Sequence[Contender], __: float) -> tuple[str, float | None]:
        return dice.choice(_least(contenders)).bot_id, None

    return pick, _learn_nothing


def _least(contenders: Sequence[Contender]) -> list[Contender]:
    least = min(one.in_hand for one in contenders)
    return [one for one in contenders if one.in_hand == least]


def _learn_nothing(_: Task, __: ev.TaskDone | ev.TaskPutBack | ev.TaskDied) -> None:
    return
