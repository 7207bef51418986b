"""How much work one bot is given, and how much is taken in for it: a gate that shuts when too much waits for the bot
and opens again when little does, and the pace at which it is handed tasks ahead.

Both learn how fast the bot works from what it has done. Times are seconds on one monotonic clock, passed in.
"""

import math
from dataclasses import dataclass
from typing import Literal

from deia_tui.core.work.tasks import NORMAL, URGENT

LEARNING = 0.3
"""How much the newest piece of work counts in the time that one takes."""
UNKNOWN_S = 5.0
"""When to come back, where nobody knows yet how fast the bot works."""
MAX_RETRY_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPolicy:
    """`refuse_at` pieces of work waiting for one bot are too many until fewer than `release_below` wait; what is urgent
    may use `urgent_reserve` places more. At most `ahead` are handed to a bot that has not begun them, one every
    `first_pace_s` as long as nobody knows how fast it works."""

    refuse_at: int = 10
    release_below: int = 5
    urgent_reserve: int = 5
    ahead: int = 5
    first_pace_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """`retry_after_s` is when there may be room again, as far as anybody can tell."""

    limit: int
    retry_after_s: float


class Gate:
    """Shut from `refuse_at` waiting on, until fewer than `release_below` wait. `depth` is always how many wait now."""

    def __init__(self, policy: FlowPolicy, depth: int = 0) -> None:
        self._policy = policy
        self.is_shut = depth >= policy.refuse_at

    def note(self, depth: int) -> Literal["engaged", "released"] | None:
        """What a new depth means for the gate, where it means something new."""
        if not self.is_shut and depth >= self._policy.refuse_at:
            self.is_shut = True
            return "engaged"
        if self.is_shut and depth < self._policy.release_below:
            self.is_shut = False
            return "released"
        return None

    def refusal(self, depth: int, *, priority: int = NORMAL, piece_s: float | None = None) -> Refusal | None:
        """Why no more is taken in now; None when it is. `piece_s` is how long the bot takes for one."""
        policy = self._policy
        limit = policy.refuse_at + (policy.urgent_reserve if priority <= URGENT else 0)
        if depth < limit and (priority <= URGENT or not self.is_shut):
            return None
        free_at = limit if priority <= URGENT else policy.release_below
        wait_s = UNKNOWN_S if piece_s is None else (depth - free_at + 1) * piece_s
        return Refusal(limit, float(min(MAX_RETRY_S, max(1, math.ceil(wait_s)))))


class Pace:
    """Not faster than the bot works. One that has nothing gets something at once; what goes on for long shows before it
    ends that the bot is slow: the next waits as long again as that has taken by now."""

    def __init__(self, policy: FlowPolicy) -> None:
        self._policy = policy
        self._handed_at = -math.inf
        self._began_at: float | None = None
        self.piece_s: float | None = None
        """How long it takes for one piece of work, by now; None when it has not ended any."""

    def handed(self, now: float) -> None:
        """It was given one."""
        self._handed_at = now

    def began(self, now: float) -> None:
        """It has begun one."""
        self._began_at = now

    def ended(self, now: float) -> None:
        """The one it had begun is over, however it ended."""
        if self._began_at is None:
            return
        took_s = max(0.0, now - self._began_at)
        self._began_at = None
        self.piece_s = took_s if self.piece_s is None else (1 - LEARNING) * self.piece_s + LEARNING * took_s

    def opens_at(self, *, ahead: int) -> float | None:
        """When it may be handed the next, -inf for at once, if it was handed `ahead` that it has not begun; None as
        long as it begins none of them."""
        if ahead >= self._policy.ahead:
            return None
        if self._began_at is None and not ahead:
            return -math.inf
        pace_s = self._policy.first_pace_s if self.piece_s is None else self.piece_s
        taken_s = 0.0 if self._began_at is None else self._handed_at - self._began_at
        return self._handed_at + max(pace_s, taken_s)
