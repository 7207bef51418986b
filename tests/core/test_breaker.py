"""The table at the head of breaker.py, row by row; then calls, results and time in any order."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from deia_tui.core import breaker as brk
from deia_tui.core.breaker import Breaker, BreakerPolicy, Permit, Phase, Refusal

POLICY = BreakerPolicy()
CLOSED = Breaker(policy=POLICY)
OPEN = Breaker(policy=POLICY, phase=Phase.OPEN, epoch=1, until=30.0, reason="5 failures in a row, last: crash")
LOCKED = brk.lock(CLOSED, "not logged in")


def permit(breaker: Breaker, now: float) -> tuple[Breaker, Permit]:
    breaker, answer = brk.ask(breaker, now)
    assert isinstance(answer, Permit)
    return breaker, answer


def called(breaker: Breaker, *outcomes: bool, now: float = 0.0, every_s: float = 0.0) -> Breaker:
    """After calls that ended so."""
    for ok in outcomes:
        breaker, granted = permit(breaker, now)
        breaker = brk.succeed(breaker, granted, now) if ok else brk.fail(breaker, granted, now, "crash")
        now += every_s
    return breaker


HALF_OPEN, TRIAL = permit(OPEN, 30.0)
FIVE_BAD = (True, True, True, True, True, False, False, False, False)


@pytest.mark.parametrize(
    ("before", "act", "phase", "reason"),
    [
        # closed
        (CLOSED, lambda b: called(b, *[False] * 4), Phase.CLOSED, ""),
        (CLOSED, lambda b: called(b, *[False] * 5), Phase.OPEN, "5 failures in a row, last: crash"),
        (CLOSED, lambda b: called(b, *[False] * 4, True, *[False] * 4), Phase.CLOSED, ""),
        (CLOSED, lambda b: called(b, *FIVE_BAD), Phase.CLOSED, ""),
        (CLOSED, lambda b: called(b, *FIVE_BAD[1:], True, False), Phase.OPEN, "50% of 10 calls failed, last: crash"),
        (CLOSED, lambda b: brk.observe_failure(b, 0.0, "hung"), Phase.CLOSED, ""),
        (CLOSED, lambda b: brk.lock(b, "not logged in"), Phase.OPEN, "not logged in"),
        (CLOSED, brk.reset, Phase.CLOSED, ""),
        # open
        (OPEN, lambda b: brk.ask(b, 29.9)[0], Phase.OPEN, OPEN.reason),
        (OPEN, lambda b: brk.ask(b, 30.0)[0], Phase.HALF_OPEN, "cooldown over, one trial"),
        (OPEN, lambda b: brk.observe_failure(b, 29.0, "crash"), Phase.OPEN, OPEN.reason),
        (OPEN, lambda b: brk.expire(b, 1e9), Phase.OPEN, OPEN.reason),
        (OPEN, brk.reset, Phase.CLOSED, "reset by hand"),
        # half_open
        (HALF_OPEN, lambda b: brk.succeed(b, TRIAL, 31.0), Phase.CLOSED, "trial succeeded"),
        (HALF_OPEN, lambda b: brk.fail(b, TRIAL, 31.0, "exit 2"), Phase.OPEN, "trial failed: exit 2"),
        (HALF_OPEN, lambda b: brk.observe_failure(b, 31.0, "hung"), Phase.OPEN, "trial failed: hung"),
        (HALF_OPEN, lambda b: brk.give_back(b, TRIAL, 31.0), Phase.OPEN, "trial given back"),
        (HALF_OPEN, lambda b: brk.expire(b, 89.9), Phase.HALF_OPEN, "cooldown over, one trial"),
        (HALF_OPEN, lambda b: brk.expire(b, 90.0), Phase.OPEN, "trial took too long"),
        (HALF_OPEN, lambda b: brk.ask(b, 90.0)[0], Phase.OPEN, "trial took too long"),
        (HALF_OPEN, lambda b: brk.succeed(b, TRIAL, 90.0), Phase.OPEN, "trial took too long"),
        (HALF_OPEN, lambda b: brk.give_back(b, TRIAL, 90.0), Phase.OPEN, "trial took too long"),
        (HALF_OPEN, lambda b: brk.lock(b, "not logged in"), Phase.OPEN, "not logged in"),
        (HALF_OPEN, brk.reset, Phase.CLOSED, "reset by hand"),
        # locked
        (LOCKED, lambda b: brk.ask(b, 1e9)[0], Phase.OPEN, "not logged in"),
        (LOCKED, lambda b: brk.observe_failure(b, 1e9, "crash"), Phase.OPEN, "not logged in"),
        (LOCKED, brk.reset, Phase.CLOSED, "reset by hand"),
    ],
)
def test_the_table(before: Breaker, act: Callable[[Breaker], Breaker], phase: Phase, reason: str) -> None:
    after = act(before)
    assert (after.phase, after.reason) == (phase, reason)


@pytest.mark.parametrize(
    ("breaker", "now", "refusal"),
    [
        (OPEN, 12.0, Refusal(wait_s=18.0, reason=OPEN.reason)),
        (HALF_OPEN, 40.0, Refusal(wait_s=50.0, reason="cooldown over, one trial")),
        (HALF_OPEN, 95.0, Refusal(wait_s=30.0, reason="trial took too long")),
        (LOCKED, 1e9, Refusal(wait_s=None, reason="not logged in")),
    ],
)
def test_a_refusal_says_why_and_how_long(breaker: Breaker, now: float, refusal: Refusal) -> None:
    assert brk.ask(breaker, now)[1] == refusal


def test_a_failed_trial_waits_a_whole_cooldown_and_one_given_back_none() -> None:
    assert brk.fail(HALF_OPEN, TRIAL, 40.0, "x").until == 70.0
    _, again = permit(brk.give_back(HALF_OPEN, TRIAL, 40.0), 40.0)
    assert again == Permit(epoch=HALF_OPEN.epoch + 2, trial=True, granted=40.0)


def test_a_slow_answer_counts_as_failed() -> None:
    breaker, granted = permit(CLOSED, 0.0)
    assert brk.succeed(breaker, granted, 600.0).streak == 0
    slow = brk.succeed(breaker, granted, 600.1)
    assert (slow.streak, slow.calls) == (1, ((600.1, False),))
    opened = brk.succeed(replace(breaker, streak=4), granted, 601.0)
    assert opened.reason == "5 failures in a row, last: slow call: 601 s"


def test_a_call_that_was_cancelled_says_nothing_about_the_bot() -> None:
    breaker, granted = permit(called(CLOSED, False, False), 1.0)
    assert brk.give_back(breaker, granted, 2.0) == breaker


@pytest.mark.parametrize("late", [brk.succeed, brk.give_back, lambda b, p, now: brk.fail(b, p, now, "late")])
def test_a_result_from_before_the_last_transition_changes_nothing(
    late: Callable[[Breaker, Permit, float], Breaker],
) -> None:
    _, old = permit(CLOSED, 0.0)
    reopened = brk.fail(HALF_OPEN, TRIAL, 31.0, "x")
    for breaker in (OPEN, LOCKED, HALF_OPEN, reopened, brk.reset(OPEN), brk.succeed(HALF_OPEN, TRIAL, 31.0)):
        assert late(breaker, old, 32.0) == breaker
    assert late(reopened, TRIAL, 32.0) == reopened


def test_after_a_success_or_a_reset_nothing_is_remembered() -> None:
    assert brk.reset(CLOSED) is CLOSED
    failed = called(CLOSED, False, False)
    for breaker in (brk.reset(failed), brk.succeed(replace(HALF_OPEN, calls=failed.calls, streak=9), TRIAL, 31.0)):
        assert (breaker.streak, breaker.calls, breaker.locked, breaker.failure_rate) == (0, (), False, 0.0)


def test_failures_of_two_minutes_ago_are_forgotten() -> None:
    """Every second call fails; ten calls within 120 s are needed to judge."""
    patient = called(CLOSED, *[True, False] * 30, every_s=13.4)
    assert (patient.phase, len(patient.calls), patient.failure_rate) == (Phase.CLOSED, 9, pytest.approx(5 / 9))
    assert called(CLOSED, *[True, False] * 5, every_s=13.3).phase is Phase.OPEN


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 30))
def test_it_opens_by_the_rule_and_never_otherwise(outcomes: list[bool], every_s: float) -> None:
    """The rule, said once more over the plain list of calls."""
    ended: list[tuple[float, bool]] = []
    breaker = CLOSED
    for number, ok in enumerate(outcomes):
        now = number * every_s
        ended.append((now, ok))
        breaker = called(breaker, ok, now=now)
        recent = [good for at, good in ended[-20:] if now - at <= 120]
        in_a_row = next((back for back, (_, good) in enumerate(reversed(ended)) if good), len(ended))
        opens = not ok and (in_a_row >= 5 or (len(recent) >= 10 and recent.count(False) / len(recent) >= 0.5))
        assert (breaker.phase is Phase.OPEN) is opens
        if opens:
            return


class Callers(RuleBasedStateMachine):
    """Callers that ask, answer late or never, while time passes; a human resets now and then."""

    permits = Bundle("permits")

    @initialize()
    def begin(self) -> None:
        self.breaker = CLOSED
        self.now = 0.0
        self.out: list[Permit] = []
        self.human_must_act = False

    @rule(target=permits)
    def ask(self) -> Permit:
        before = self.breaker
        self.breaker, answer = brk.ask(before, self.now)
        if isinstance(answer, Refusal):
            assert self.breaker.phase is not Phase.CLOSED
            assert (answer.wait_s is None) is self.human_must_act
            return Permit(epoch=-1, trial=False, granted=self.now)
        assert not self.human_must_act
        assert answer.trial is (self.breaker.phase is Phase.HALF_OPEN)
        self.out.append(answer)
        return answer

    @rule(granted=permits, how=st.sampled_from(["succeed", "fail", "give_back"]))
    def end(self, granted: Permit, how: str) -> None:
        before = self.breaker
        match how:
            case "succeed":
                self.breaker = brk.succeed(before, granted, self.now)
            case "fail":
                self.breaker = brk.fail(before, granted, self.now, "x")
            case _:
                self.breaker = brk.give_back(before, granted, self.now)
        if granted.epoch != before.epoch:
            assert self.breaker in (before, brk.expire(before, self.now)), "a late result changes nothing"
        self.out = [permit for permit in self.out if permit is not granted]

    @rule(times=st.integers(1, 5))
    def crash(self, times: int) -> None:
        for _ in range(times):
            self.breaker = brk.observe_failure(self.breaker, self.now, "crash")

    @rule(seconds=st.sampled_from([0.5, 10.0, 30.0, 60.0, 601.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def authentication_fails(self) -> None:
        self.breaker = brk.lock(self.breaker, "not logged in")
        self.human_must_act = True

    @rule()
    def a_human_acts(self) -> None:
        self.breaker = brk.reset(self.breaker)
        assert self.breaker.phase is Phase.CLOSED
        self.human_must_act = False

    @invariant()
    def exactly_one_trial_is_out_in_half_open(self) -> None:
        current = [permit for permit in self.out if permit.epoch == self.breaker.epoch and permit.trial]
        assert len(current) == (self.breaker.phase is Phase.HALF_OPEN)

    @invariant()
    def the_window_is_bounded(self) -> None:
        times = [at for at, _ in self.breaker.calls]
        assert len(times) <= 20
        assert times == sorted(times)
        assert not times or times[-1] - times[0] <= 120


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=150, stateful_step_count=40)
