"""Why the scheduler chose a bot, in short words for people."""

from collections.abc import Iterator

from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.work.tasks import TaskType

WELL = 0.8
"""Who does at least this share of its tasks does them well."""


def ability(task_type: TaskType, known: Performance, at_all: Performance, *, min_samples: int) -> str:
    """What is known of a bot at this type, or, where that is little, `at_all` tasks."""
    kind = "other work" if task_type is TaskType.OTHER else task_type
    if known.samples >= min_samples:
        return f"does {kind}{' well' if known.success_rate >= WELL else ''}: {record(known)}"
    if at_all.samples >= min_samples:
        return f"new to {kind}, at all else: {record(at_all)}"
    return f"new to {kind}"


def record(known: Performance) -> str:
    """92% of 34 done, 41 s each."""
    each = f", {lasting(known.duration_s)} each" if known.done else ""
    return f"{known.success_rate:.0%} of {known.samples} done{each}"


def lasting(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def load(in_hand: int) -> str:
    return f"{in_hand} before it" if in_hand else "idle"


def circumstances(known: Performance, *, in_hand: int, is_sound: bool, others: int) -> Iterator[str]:
    """What else there is to say of whoever was chosen among so many others."""
    yield load(in_hand)
    if known.trend in ("improving", "declining"):
        yield known.trend
    if not is_sound:
        yield "not well, but nobody else may"
    elif not others:
        yield "nobody else may take it"


def in_spite_of(surest: str, its_in_hand: int, in_hand: int) -> str:
    """Why not whoever would do it most probably."""
    return f"{surest} is surer, but {f'has {its_in_hand} before it' if its_in_hand > in_hand else 'takes longer'}"
