"""What the next supervisor makes of a bot's row: wall times of the store on this process's clock."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from deia_tui.core import breaker as brk
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import AgentSpec, BotSpec, BotState
from deia_tui.core.breaker import BreakerPolicy, Phase
from deia_tui.core.state import BotView
from deia_tui.hive.clock import Clock
from deia_tui.hive.restore import breaker_of, life_of

POLICY = lc.LifePolicy()
VIEW = BotView(bot_id="B", spec=BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell")), run=7)
SLACK_S = 0.01
"""How far wall and monotonic clock drift apart within a test, at most."""


def restored(exits: tuple[float, ...] = (), **view: object) -> lc.Life:
    return life_of(replace(VIEW, **view), POLICY, exits, Clock())


def lies(ahead_s: float, read: Callable[[], float]) -> bool:
    """Is the monotonic time that `read` returns so many seconds from the moment it was made?"""
    before = time.monotonic()
    value = read()
    after = time.monotonic()
    earliest = before - (after - before)  # its two clocks may be read that far apart
    return earliest - SLACK_S <= value - ahead_s <= after + SLACK_S


def since(life: lc.Life) -> float:
    assert isinstance(life.state, lc.Starting | lc.Running | lc.Stopping)
    return life.state.since


def deadline(life: lc.Life) -> float:
    assert life.deadline is not None
    return life.deadline


@pytest.mark.parametrize("how", [BotState.STOPPED, BotState.EXITED, BotState.FATAL])
def test_a_bot_that_was_off_stays_off(how: BotState) -> None:
    life = restored(state=how)
    assert (life.state, life.run, life.policy) == (lc.Off(how=how), 7, POLICY)


def test_a_running_bot_has_run_all_the_while() -> None:
    assert lies(-90.0, lambda: since(restored(state=BotState.RUNNING, since=time.time() - 90)))


def test_a_starting_bot_gets_a_whole_start_time_out() -> None:
    assert lies(60.0, lambda: deadline(restored(state=BotState.STARTING, since=time.time() - 3600)))


def test_a_stopping_bot_gets_a_whole_grace_period() -> None:
    assert lies(10.0, lambda: deadline(restored(state=BotState.STOPPING, since=time.time() - 3600)))


@pytest.mark.parametrize(
    ("wanted", "reason", "then"),
    [(False, "stopped", "stop"), (False, "killed", "stop"), (True, "restarted", "restart"), (True, "hung", "policy")],
)
def test_what_follows_the_exit_is_what_was_asked(wanted: bool, reason: str, then: str) -> None:
    state = restored(state=BotState.STOPPING, since=time.time(), wanted=wanted, reason=reason).state
    assert isinstance(state, lc.Stopping)
    assert (state.then, state.reason, state.killed) == (then, reason, False)


@pytest.mark.parametrize(
    ("due_in_s", "waits_s"),
    [(5.0, 5.0), (-3600.0, -3600.0), (3600.0, 60.0)],  # the last: the clock was set back by an hour
)
def test_a_restart_that_was_pending_is_still_due(due_in_s: float, waits_s: float) -> None:
    assert lies(waits_s, lambda: deadline(restored(state=BotState.BACKOFF, due_at=time.time() + due_in_s)))


def test_a_clock_that_was_set_back_makes_no_restart_later_than_it_was_meant() -> None:
    noted = time.time() + 3600
    assert lies(5.0, lambda: deadline(restored(state=BotState.BACKOFF, since=noted, due_at=noted + 5)))


def test_a_backoff_without_a_time_is_due() -> None:
    life = restored(state=BotState.BACKOFF, since=time.time())
    _, effects = lc.step(life, lc.Tick(), time.monotonic() + SLACK_S)
    assert effects == (lc.Spawn(8, "restart after backoff", True),)


def test_the_count_of_exits_survives() -> None:
    now = time.time()
    life = restored((now - 700, now - 300, now - 200, now - 100, now - 5), state=BotState.RUNNING, since=now)
    assert (life.history.count, life.history.step) == (4, 4), "the first is older than ten minutes"
    assert lies(-300.0, lambda: life.history.exits[0] + time.monotonic() - time.monotonic())


def test_the_sixth_exit_is_fatal_though_five_were_seen_by_another_supervisor() -> None:
    now = time.time()
    life = restored(tuple(now - age for age in (500, 400, 300, 200, 100)), state=BotState.RUNNING, since=now - 90)
    life, _ = lc.step(life, lc.Exited(7, lc.ExitRecord(at=now, code=1), roll=0.0), time.monotonic())
    assert life.state == lc.Off(how=BotState.FATAL)


# The breaker


def breaker(phase: Phase, retry_at: float | None = None) -> brk.Breaker:
    return breaker_of(
        replace(VIEW, breaker=phase, retry_at=retry_at, breaker_reason="why"), BreakerPolicy(), (), Clock()
    )


def test_a_closed_breaker_begins_anew() -> None:
    assert breaker(Phase.CLOSED) == brk.Breaker(policy=BreakerPolicy())


@pytest.mark.parametrize(("left_s", "waits_s"), [(12.0, 12.0), (-5.0, -5.0), (3600.0, 30.0)])
def test_an_open_breaker_waits_for_what_is_left_of_its_cooldown(left_s: float, waits_s: float) -> None:
    assert lies(waits_s, lambda: breaker(Phase.OPEN, time.time() + left_s).until)
    assert breaker(Phase.OPEN, time.time() + left_s).reason == "why"


def test_a_locked_breaker_still_waits_for_a_human() -> None:
    _, answer = brk.ask(breaker(Phase.OPEN), time.monotonic() + 1e6)
    assert answer == brk.Refusal(wait_s=None, reason="why")


def test_a_trial_under_way_is_given_back() -> None:
    half = breaker(Phase.HALF_OPEN)
    _, answer = brk.ask(half, time.monotonic())
    assert isinstance(answer, brk.Permit)
    assert answer.trial
