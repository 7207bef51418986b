from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.bots import CANNOT_START, ExitRecord, RestartPolicy
from deia_tui.core.restart import (
    Decision,
    GiveUp,
    RestartHistory,
    RestartIn,
    RestartLimits,
    StayExited,
    after_exit,
    delay,
)

LIMITS = RestartLimits()
PATIENT = replace(LIMITS, max_restarts=100)
CRASH = ExitRecord(at=0.0, code=1)
CLEAN = ExitRecord(at=0.0, code=0)
MAX_ROLL = 1.0 - 2**-53


def decide(
    history: RestartHistory,
    exit: ExitRecord = CRASH,
    *,
    now: float = 0.0,
    ran_s: float = 0.0,
    roll: float = MAX_ROLL,
    policy: RestartPolicy = RestartPolicy.PERMANENT,
    limits: RestartLimits = LIMITS,
) -> tuple[RestartHistory, Decision]:
    return after_exit(history, exit, policy=policy, limits=limits, now=now, ran_s=ran_s, roll=roll)


def delays(history: RestartHistory, crashes: int) -> list[float]:
    """The delays after so many crashes in a row, one second apart, with the highest roll."""
    found = []
    for now in range(crashes):
        history, decision = decide(history, now=float(now), limits=PATIENT)
        assert isinstance(decision, RestartIn)
        found.append(decision.delay_s)
    return found


def test_the_first_restart_is_immediate_and_then_the_delay_doubles_to_a_minute() -> None:
    assert delays(RestartHistory(), 10) == pytest.approx([0, 1, 2, 4, 8, 16, 32, 60, 60, 60])


@given(step=st.integers(0, 10_000), roll=st.floats(0, 1, exclude_max=True), base=st.floats(0.01, 10))
def test_jitter_stays_below_the_ceiling_for_any_roll(step: int, roll: float, base: float) -> None:
    limits = RestartLimits(backoff_base_s=base)
    seconds = delay(step, limits, roll)
    ceiling = min(limits.backoff_max_s, base * 2.0 ** min(step - 1, 60)) if step else 0.0
    assert 0.0 <= seconds <= ceiling <= limits.backoff_max_s
    assert seconds == pytest.approx(roll * ceiling)


def test_the_sixth_exit_within_ten_minutes_gives_up() -> None:
    history, decisions = RestartHistory(), []
    for now in (0.0, 100.0, 200.0, 300.0, 400.0, 599.0):
        history, decision = decide(history, now=now)
        decisions.append(decision)
    assert [type(decision) for decision in decisions] == [RestartIn] * 5 + [GiveUp]
    assert decisions[-1] == GiveUp("6 exits within 10 min, last: exit 1")


def test_an_exit_leaves_the_window_after_ten_minutes() -> None:
    history = RestartHistory(exits=(0.0, 100.0, 200.0, 300.0, 400.0), step=5)
    history, decision = decide(history, now=600.0)
    assert isinstance(decision, RestartIn)
    assert (history.exits, history.count) == ((100.0, 200.0, 300.0, 400.0, 600.0), 5)


@given(st.lists(st.floats(0, 700), min_size=1, max_size=40), st.integers(1, 8))
def test_no_window_ever_holds_more_restarts_than_allowed(pauses: list[float], max_restarts: int) -> None:
    limits = replace(LIMITS, max_restarts=max_restarts)
    history, now, restarted = RestartHistory(), 0.0, []
    for pause in pauses:
        now += pause
        history, decision = decide(history, now=now, ran_s=pause, limits=limits)
        if isinstance(decision, GiveUp):
            assert sum(now - at < limits.window_s for at in restarted) == max_restarts
            return
        restarted.append(now)
        assert sum(now - at < limits.window_s for at in restarted) <= max_restarts


def test_a_stable_minute_resets_the_delay_but_never_the_window() -> None:
    history = RestartHistory(exits=(0.0, 1.0, 2.0), step=3)
    history, decision = decide(history, now=62.0, ran_s=60.0)
    assert decision == RestartIn(0.0)
    assert history == RestartHistory(exits=(0.0, 1.0, 2.0, 62.0), step=1)
    _, short = decide(RestartHistory(exits=(0.0,), step=3), now=61.0, ran_s=59.9)
    assert short == RestartIn(pytest.approx(4.0))


@pytest.mark.parametrize(
    ("policy", "exit", "restarts"),
    [
        (RestartPolicy.PERMANENT, CLEAN, True),
        (RestartPolicy.PERMANENT, CRASH, True),
        (RestartPolicy.TRANSIENT, CLEAN, False),
        (RestartPolicy.TRANSIENT, CRASH, True),
        (RestartPolicy.TRANSIENT, ExitRecord(at=0.0, signal="SIGTERM"), True),
        (RestartPolicy.TRANSIENT, ExitRecord(at=0.0), True),  # an exit nobody saw is not known to be clean
        (RestartPolicy.TEMPORARY, CLEAN, False),
        (RestartPolicy.TEMPORARY, CRASH, False),
    ],
)
def test_which_exits_are_followed_by_a_restart(policy: RestartPolicy, exit: ExitRecord, restarts: bool) -> None:
    _, decision = decide(RestartHistory(), exit, policy=policy)
    assert decision == (RestartIn(0.0) if restarts else StayExited())
    crowded = RestartHistory(exits=(0.0,) * 5, step=5)
    _, decision = decide(crowded, exit, policy=policy)
    assert isinstance(decision, GiveUp if restarts else StayExited), "an exit that is final is no crash loop"


@pytest.mark.parametrize("policy", [RestartPolicy.PERMANENT, RestartPolicy.TRANSIENT])
def test_what_cannot_start_is_not_tried_again(policy: RestartPolicy) -> None:
    _, decision = decide(RestartHistory(), ExitRecord(at=0.0, code=CANNOT_START), policy=policy)
    assert decision == GiveUp("it cannot start: its log says why")
