"""How well a bot does one type of task, as far as it is known by now."""

from dataclasses import dataclass
from typing import Literal

Trend = Literal["unknown", "improving", "steady", "declining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Exponentially weighted: `success_rate` 0 to 1, `duration_s` and `tokens` of a task that was done. `score` is its
    efficiency, 0 to 1. `samples` counts all that was ever recorded."""

    samples: int = 0
    success_rate: float = 0.0
    duration_s: float = 0.0
    tokens: float = 0.0
    score: float = 0.0
    trend: Trend = "unknown"
