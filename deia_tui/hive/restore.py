"""The life of a bot as the store remembers it, on this process's clocks."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import DRAINS, OFF, BotState, ExitRecord
from deia_tui.core.restart import RestartHistory
from deia_tui.core.state import BotView
from deia_tui.engine.protocol import Ended
from deia_tui.hive.calls import verdict
from deia_tui.hive.clock import Clock


def life_of(view: BotView, policy: lc.LifePolicy, exits: tuple[float, ...], clock: Clock) -> lc.Life:
    """`exits` are wall times of exits since the last launch. A live state is taken at its word: see who is adopted."""
    recent = tuple(clock.of(at) for at in exits if time.time() - at < policy.limits.window_s)
    history = RestartHistory(exits=recent, step=len(recent))
    return lc.Life(policy=policy, state=_state(view, policy, clock), run=view.run, history=history)


def breaker_of(view: BotView, policy: brk.BreakerPolicy, recent: Iterable[ev.Event], clock: Clock) -> brk.Breaker:
    """A closed breaker counts what `recent` tells; an open one stays open for what is left of its cooldown; a trial
    under way is given back."""
    if view.breaker is brk.Phase.CLOSED:
        return _counted(brk.Breaker(policy=policy), recent, clock)
    locked = view.breaker is brk.Phase.OPEN and view.retry_at is None
    now = clock.now()
    until = now if view.retry_at is None else min(now + policy.cooldown_s, clock.of(view.retry_at))
    return brk.Breaker(
        policy=policy, phase=brk.Phase.OPEN, epoch=1, until=until, locked=locked, reason=view.breaker_reason
    )


def given_back(view: BotView) -> list[ev.Event]:
    """What ends a trial whose supervisor is gone, on record: another one may begin."""
    if view.breaker is not brk.Phase.HALF_OPEN:
        return []
    now = time.time()
    return [
        ev.BreakerChanged(
            at=now,
            bot_id=view.bot_id,
            from_phase=brk.Phase.HALF_OPEN,
            to_phase=brk.Phase.OPEN,
            reason="trial given back",
            retry_at=now,
            failure_rate=0.0,
            success_rate=0.0,
            consecutive_failures=0,
        )
    ]


def unseen(bot_id: str, run: int, reason: str = "") -> Ended:
    """The end of a run that nobody saw: nothing is guessed."""
    return Ended(bot_id, run, ExitRecord(at=time.time(), reason=reason), ())


def _counted(breaker: brk.Breaker, recent: Iterable[ev.Event], clock: Clock) -> brk.Breaker:
    """Closed, with the failures and successes since it last was made anew."""
    fresh = breaker
    for event in recent:
        at = clock.of(event.at)
        if isinstance(event, ev.BotLaunched | ev.BreakerChanged):
            breaker = fresh
        elif verdict(event):
            breaker = brk.succeed(breaker, brk.Permit(epoch=breaker.epoch, trial=False, granted=at), at)
        elif verdict(event) is False:
            breaker = brk.observe_failure(breaker, at, "")
    return replace(fresh, streak=breaker.streak, calls=breaker.calls)


def _state(view: BotView, policy: lc.LifePolicy, clock: Clock) -> lc.State:
    since = clock.of(view.since)
    match view.state:
        case BotState.STARTING:
            return lc.Starting(since=since, deadline=clock.now() + policy.start_timeout_s)
        case BotState.RUNNING:
            return lc.Running(since=since)
        case BotState.STOPPING:
            deadline = None if view.reason in DRAINS else clock.now() + policy.grace_period_s
            then: Literal["stop", "restart", "policy"] = "policy" if view.wanted else "stop"
            if view.wanted and view.reason == "restarted":
                then = "restart"
            return lc.Stopping(since=since, deadline=deadline, then=then, reason=view.reason)
        case BotState.BACKOFF:
            due_at = view.due_at or view.since
            longest_s = min(policy.limits.backoff_max_s, due_at - view.since)  # the wall clock may have been set back
            return lc.Backoff(due=min(clock.now() + longest_s, clock.of(due_at)))
        case BotState.STOPPED | BotState.EXITED | BotState.FATAL:
            assert view.state in OFF
            return lc.Off(how=view.state)
