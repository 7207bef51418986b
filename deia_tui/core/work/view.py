"""How much work the hive has, as everybody sees it: counts, and numbers by which a pane knows when to read again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Strain = Literal["healthy", "degraded", "critical"]
"""How the hive as a whole copes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotWork:
    """`addressed`: tasks that wait for this bot alone; `ahead`: handed to it and not begun; `running`: its task."""

    addressed: int = 0
    ahead: int = 0
    running: str = ""
    refuses: bool = False
    """Work addressed to it is refused until less waits."""


NO_WORK = BotWork()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """How much work there is. `revision` grows with every change of a task, `letters_revision` of a message between
    bots, so that a pane sees whether it must read again. `waiting` counts queued and retryable tasks, `held` those of
    them that are kept back; `ready` what a bot more could begin at once, also if a bot has it that has others to do
    first. `oldest_at` is when the longest waiting was created."""

    revision: int = 0
    waiting: int = 0
    held: int = 0
    ready: int = 0
    scheduled: int = 0
    running: int = 0
    dead: int = 0
    oldest_at: float | None = None
    bots: Mapping[str, BotWork] = field(default_factory=lambda: MappingProxyType({}))
    letters_revision: int = 0
    letters_pending: int = 0
    strain: Strain = "healthy"
    strain_reason: str = ""
