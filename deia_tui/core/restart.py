"""Whether and when a bot that exited starts again: a policy returns a decision.

The first restart in a window is immediate, then 1 s doubling to 60 s with full jitter. One exit more than
`max_restarts` within `window_s` gives up, and so does a bot that says that it cannot start. A run of `stable_s` resets
the delay, never the window.
"""

from dataclasses import dataclass

from deia_tui.core.backoff import backoff_s
from deia_tui.core.bots import CANNOT_START, ExitRecord, RestartPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartLimits:
    max_restarts: int = 5
    window_s: float = 600.0
    backoff_base_s: float = 1.0
    backoff_max_s: float = 60.0
    stable_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartHistory:
    """`exits` are the times of exits in the window, oldest first; `step` counts delays since the last stable run."""

    exits: tuple[float, ...] = ()
    step: int = 0

    @property
    def count(self) -> int:
        return len(self.exits)


@dataclass(frozen=True, slots=True)
class RestartIn:
    delay_s: float


@dataclass(frozen=True, slots=True)
class StayExited:
    pass


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


Decision = RestartIn | StayExited | GiveUp


def after_exit(
    history: RestartHistory,
    exit: ExitRecord,
    *,
    policy: RestartPolicy,
    limits: RestartLimits,
    now: float,
    ran_s: float,
    roll: float,
) -> tuple[RestartHistory, Decision]:
    """Decide after a run of `ran_s` seconds ended at `now`; `roll` is uniform in [0, 1) and jitters the delay."""
    exits = (*(at for at in history.exits if now - at < limits.window_s), now)
    step = 0 if ran_s >= limits.stable_s else history.step
    if policy is RestartPolicy.TEMPORARY or (policy is RestartPolicy.TRANSIENT and exit.clean):
        return RestartHistory(exits=exits, step=step), StayExited()
    if exit.code == CANNOT_START:
        return RestartHistory(exits=exits, step=step), GiveUp("it cannot start: its log says why")
    if len(exits) > limits.max_restarts:
        reason = f"{len(exits)} exits within {limits.window_s / 60:g} min, last: {exit}"
        return RestartHistory(exits=exits, step=step), GiveUp(reason)
    delay_s = delay(step if len(exits) > 1 else 0, limits, roll)
    return RestartHistory(exits=exits, step=step + 1), RestartIn(delay_s)


def delay(step: int, limits: RestartLimits, roll: float) -> float:
    """Seconds before the restart number `step` (from 0) since the last stable run."""
    if step == 0:
        return 0.0
    return backoff_s(step, base_s=limits.backoff_base_s, max_s=limits.backoff_max_s) * roll
