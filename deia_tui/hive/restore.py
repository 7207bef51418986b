"""The life of a bot as the store remembers it, on this process's clocks."""

import time
from typing import Literal

from deia_tui.core import breaker as brk
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import OFF, BotState, ExitRecord
from deia_tui.core.restart import RestartHistory
from deia_tui.core.state import BotView
from deia_tui.engine.protocol import Ended


def life_of(view: BotView, policy: lc.LifePolicy, exits: tuple[float, ...]) -> lc.Life:
    """`exits` are wall times of exits since the last launch. A live state is taken at its word: see who is adopted."""
    recent = tuple(_monotonic(at) for at in exits if time.time() - at < policy.limits.window_s)
    history = RestartHistory(exits=recent, step=len(recent))
    return lc.Life(policy=policy, state=_state(view, policy), run=view.run, history=history)


def breaker_of(view: BotView, policy: brk.BreakerPolicy) -> brk.Breaker:
    """An open breaker stays open for what is left of its cooldown; a trial under way is given back."""
    if view.breaker is brk.Phase.CLOSED:
        return brk.Breaker(policy=policy)
    locked = view.breaker is brk.Phase.OPEN and view.retry_at is None
    now = time.monotonic()
    until = now if view.retry_at is None else min(now + policy.cooldown_s, _monotonic(view.retry_at))
    return brk.Breaker(
        policy=policy, phase=brk.Phase.OPEN, epoch=1, until=until, locked=locked, reason=view.breaker_reason
    )


def unseen(bot_id: str, run: int) -> Ended:
    """The end of a run that nobody saw: nothing is guessed."""
    return Ended(bot_id, run, ExitRecord(at=time.time()), ())


def _state(view: BotView, policy: lc.LifePolicy) -> lc.State:
    since = _monotonic(view.since)
    match view.state:
        case BotState.STARTING:
            return lc.Starting(since=since, deadline=time.monotonic() + policy.start_timeout_s, spawned=True)
        case BotState.RUNNING:
            return lc.Running(since=since)
        case BotState.STOPPING:
            deadline = time.monotonic() + policy.grace_period_s
            then: Literal["stop", "restart", "policy"] = "policy" if view.wanted else "stop"
            if view.wanted and view.reason == "restarted":
                then = "restart"
            return lc.Stopping(since=since, deadline=deadline, then=then, reason=view.reason)
        case BotState.BACKOFF:
            latest = time.monotonic() + policy.limits.backoff_max_s
            return lc.Backoff(due=min(latest, _monotonic(view.due_at or view.since)))
        case BotState.STOPPED | BotState.EXITED | BotState.FATAL:
            assert view.state in OFF
            return lc.Off(how=view.state)


def _monotonic(at: float) -> float:
    """The monotonic time of a wall time: in the future when the clock was set back, so bound any wait."""
    return time.monotonic() + at - time.time()
