"""The circuit breaker of one bot: decides whether a call may be made, from how the last ones ended.

    closed ── 5 failures in a row, or ≥ 50 % of the last 20 calls (at least 10, within 120 s) ──▶ open
    open ── cooldown over, somebody calls ──▶ half_open, which has exactly one trial
    half_open ── trial succeeds ──▶ closed;  trial fails, or misses its deadline ──▶ open
    any ── authentication failure ──▶ open, locked until a human acts

A call is a message handed to the agent until its answer ends. Every permit carries the epoch it was given in;
a result from an earlier epoch changes nothing. Times are seconds on one monotonic clock, passed in.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    consecutive_failures: int = 5
    failure_rate: float = 0.5
    min_calls: int = 10
    window_calls: int = 20
    window_s: float = 120.0
    cooldown_s: float = 30.0
    trial_s: float = 60.0
    slow_call_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """`calls` are (time, succeeded), oldest first; `until` ends the cooldown (open) or the trial (half_open)."""

    policy: BreakerPolicy
    phase: Phase = Phase.CLOSED
    epoch: int = 0
    streak: int = 0
    calls: tuple[tuple[float, bool], ...] = ()
    until: float = 0.0
    locked: bool = False
    reason: str = ""

    @property
    def failure_rate(self) -> float:
        return sum(not ok for _, ok in self.calls) / len(self.calls) if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to make one call; give it back with `succeed`, `fail` or `give_back`."""

    epoch: int
    trial: bool
    granted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No call now; `wait_s` is None when a human must act first."""

    wait_s: float | None
    reason: str


def ask(breaker: Breaker, now: float) -> tuple[Breaker, Permit | Refusal]:
    """May a call be made at `now`? An open breaker whose cooldown is over grants its one trial."""
    breaker = expire(breaker, now)
    match breaker.phase:
        case Phase.CLOSED:
            return breaker, Permit(epoch=breaker.epoch, trial=False, granted=now)
        case Phase.OPEN if breaker.locked:
            return breaker, Refusal(wait_s=None, reason=breaker.reason)
        case Phase.OPEN if now >= breaker.until:
            moved = replace(
                breaker,
                phase=Phase.HALF_OPEN,
                epoch=breaker.epoch + 1,
                until=now + breaker.policy.trial_s,
                reason="cooldown over, one trial",
            )
            return moved, Permit(epoch=moved.epoch, trial=True, granted=now)
        case _:
            return breaker, Refusal(wait_s=max(0.0, breaker.until - now), reason=breaker.reason)


def succeed(breaker: Breaker, permit: Permit, now: float) -> Breaker:
    """The call ended well; one slower than `slow_call_s` counts as failed."""
    if now - permit.granted > breaker.policy.slow_call_s:
        return fail(breaker, permit, now, f"slow call: {now - permit.granted:.0f} s")
    breaker = expire(breaker, now)
    if permit.epoch != breaker.epoch:
        return breaker
    if breaker.phase is Phase.HALF_OPEN:
        return replace(
            breaker, phase=Phase.CLOSED, epoch=breaker.epoch + 1, streak=0, calls=(), reason="trial succeeded"
        )
    return replace(breaker, streak=0, calls=_window(breaker, now, True))


def fail(breaker: Breaker, permit: Permit, now: float, reason: str) -> Breaker:
    """The call made under `permit` failed."""
    return breaker if permit.epoch != breaker.epoch else observe_failure(breaker, now, reason)


def observe_failure(breaker: Breaker, now: float, reason: str) -> Breaker:
    """A failure outside any call: a crash, a hang, a probe without answer."""
    counted = replace(breaker, streak=breaker.streak + 1, calls=_window(breaker, now, False))
    policy = breaker.policy
    if breaker.phase is Phase.OPEN:
        return counted
    if breaker.phase is Phase.HALF_OPEN:
        return _open(counted, now, f"trial failed: {reason}")
    if counted.streak >= policy.consecutive_failures:
        return _open(counted, now, f"{counted.streak} failures in a row, last: {reason}")
    if len(counted.calls) >= policy.min_calls and counted.failure_rate >= policy.failure_rate:
        return _open(counted, now, f"{counted.failure_rate:.0%} of {len(counted.calls)} calls failed, last: {reason}")
    return counted


def give_back(breaker: Breaker, permit: Permit, now: float) -> Breaker:
    """The call was never made, or was cancelled: it says nothing about the bot. A trial can be asked for again."""
    breaker = expire(breaker, now)
    if permit.epoch != breaker.epoch or breaker.phase is not Phase.HALF_OPEN:
        return breaker
    return replace(breaker, phase=Phase.OPEN, epoch=breaker.epoch + 1, until=now, reason="trial given back")


def lock(breaker: Breaker, reason: str) -> Breaker:
    """Open until a human acts (authentication failed)."""
    return replace(breaker, phase=Phase.OPEN, epoch=breaker.epoch + 1, locked=True, reason=reason)


def reset(breaker: Breaker) -> Breaker:
    """A human acted: closed, nothing remembered."""
    if breaker.phase is Phase.CLOSED and not breaker.calls and not breaker.streak:
        return breaker
    return Breaker(policy=breaker.policy, epoch=breaker.epoch + 1, reason="reset by hand")


def expire(breaker: Breaker, now: float) -> Breaker:
    """A trial that missed its deadline counts as failed."""
    if breaker.phase is Phase.HALF_OPEN and now >= breaker.until:
        return _open(breaker, now, "trial took too long")
    return breaker


def _open(breaker: Breaker, now: float, reason: str) -> Breaker:
    return replace(
        breaker,
        phase=Phase.OPEN,
        epoch=breaker.epoch + 1,
        until=now + breaker.policy.cooldown_s,
        reason=reason,
    )


def _window(breaker: Breaker, now: float, succeeded: bool) -> tuple[tuple[float, bool], ...]:
    recent = [call for call in breaker.calls if now - call[0] <= breaker.policy.window_s]
    return tuple([*recent, (now, succeeded)][-breaker.policy.window_calls :])
