"""Whether a bot runs away: too much CPU or memory in most of its last samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunawayPolicy:
    """Runaway is more than `cpu_percent` (100 = one core) or `memory_mb` in over `share` of the last `samples`."""

    cpu_percent: float = 80.0
    memory_mb: float = 500.0
    samples: int = 10
    share: float = 0.8

    def with_memory(self, memory_mb: float) -> "RunawayPolicy":
        return replace(self, memory_mb=memory_mb)


def exceeds(series: Sequence[float], limit: float, policy: RunawayPolicy) -> bool:
    """Is `limit` exceeded in over `share` of at least `samples` one-second samples, oldest first?"""
    recent = series[-policy.samples :]
    return len(recent) >= policy.samples and sum(value > limit for value in recent) > policy.share * len(recent)


def recovered(series: Sequence[float], limit: float, policy: RunawayPolicy) -> bool:
    """Is `limit` kept in more than `share` of the last `samples`? Between the two, nothing changes (hysteresis)."""
    recent = series[-policy.samples :]
    return len(recent) >= policy.samples and sum(value <= limit for value in recent) > policy.share * len(recent)
