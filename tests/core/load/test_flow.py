"""A gate that does not flap, and a pace that is the bot's own."""

import math

from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.load.flow import MAX_RETRY_S, UNKNOWN_S, FlowPolicy, Gate, Pace
from deia_tui.core.work.tasks import LOW, URGENT

POLICY = FlowPolicy()


def test_a_gate_shuts_at_ten_and_opens_below_five() -> None:
    gate = Gate(POLICY)
    assert [gate.note(depth) for depth in (1, 9, 10, 11, 9, 5, 4, 9, 10)] == [
        *(None, None, "engaged", None, None, None, "released", None, "engaged"),
    ]
    assert gate.is_shut and Gate(POLICY, depth=10).is_shut and not Gate(POLICY, depth=9).is_shut


def test_while_it_is_shut_nothing_is_taken_in_but_what_is_urgent_and_that_not_without_end() -> None:
    gate = Gate(POLICY)
    assert gate.refusal(9) is None and gate.refusal(9, priority=LOW) is None
    gate.note(10)
    for depth in (10, 9, 5):
        assert gate.refusal(depth) is not None and gate.refusal(depth, priority=URGENT) is None
    assert gate.refusal(14, priority=URGENT) is None
    refusal = gate.refusal(15, priority=URGENT)
    assert refusal is not None and refusal.limit == 15
    gate.note(4)
    assert gate.refusal(4) is None


def test_a_depth_that_nobody_noted_is_still_too_much() -> None:
    assert Gate(POLICY).refusal(10) is not None


def test_who_is_refused_learns_when_to_come_back() -> None:
    gate = Gate(POLICY, depth=10)

    def retry_after_s(piece_s: float | None, depth: int = 10, priority: int = 2) -> float:
        refusal = gate.refusal(depth, piece_s=piece_s, priority=priority)
        assert refusal is not None
        return refusal.retry_after_s

    assert retry_after_s(None) == UNKNOWN_S
    assert retry_after_s(20.0) == 120.0  # six of ten must be done before it opens
    assert retry_after_s(20.0, depth=5) == 20.0
    assert retry_after_s(20.0, depth=15, priority=URGENT) == 20.0
    assert retry_after_s(0.001) == 1.0
    assert retry_after_s(1e9) == MAX_RETRY_S


@given(st.lists(st.integers(0, 20)))
def test_between_the_two_depths_a_gate_stays_as_it_is(depths: list[int]) -> None:
    gate = Gate(POLICY)
    for depth in depths:
        before = gate.is_shut
        move = gate.note(depth)
        assert (move is not None) == (gate.is_shut != before)
        if POLICY.release_below <= depth < POLICY.refuse_at:
            assert gate.is_shut == before
        else:
            assert gate.is_shut == (depth >= POLICY.refuse_at)


def test_a_bot_without_work_is_given_some_at_once() -> None:
    pace = Pace(POLICY)
    assert pace.opens_at(ahead=0) == -math.inf
    pace.handed(100.0)
    pace.began(100.0)
    pace.ended(150.0)
    assert pace.opens_at(ahead=0) == -math.inf and pace.piece_s == 50.0


def test_to_begin_with_it_is_handed_one_a_second_and_fewer_while_it_goes_on_with_the_first() -> None:
    pace, at = Pace(POLICY), [0.0]
    pace.handed(0.0)
    assert pace.opens_at(ahead=1) == 1.0
    pace.began(0.0)
    for ahead in range(POLICY.ahead):
        opens_at = pace.opens_at(ahead=ahead)
        assert opens_at is not None
        pace.handed(opens_at)
        at.append(opens_at)
    assert at == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]
    assert pace.opens_at(ahead=POLICY.ahead) is None


def test_what_it_has_done_says_how_fast_it_works() -> None:
    pace = Pace(POLICY)
    pace.ended(5.0)  # it was begun under a former supervisor
    assert pace.piece_s is None
    for began, ended in ((0.0, 10.0), (10.0, 30.0)):
        pace.began(began)
        pace.ended(ended)
    assert pace.piece_s == 13.0
    pace.handed(30.0)
    pace.began(30.0)
    assert pace.opens_at(ahead=0) == 43.0
    pace.ended(29.0)  # the clock of the caller is of no consequence
    assert pace.piece_s is not None and 9.0 < pace.piece_s < 9.2


@given(st.lists(st.floats(0.01, 300.0), min_size=1, max_size=40))
def test_a_bot_is_never_handed_more_than_it_works_off_and_the_places_ahead(takes_s: list[float]) -> None:
    """A bot that always has work waiting for it, in simulated time."""
    pace, now, left = Pace(POLICY), 0.0, list(takes_s)
    ahead, ends_at, handed, done = 0, math.inf, 0, 0
    while done < len(takes_s):
        opens_at = pace.opens_at(ahead=ahead) if handed < len(takes_s) else None
        now = min(ends_at, max(now, math.inf if opens_at is None else opens_at))
        if now == ends_at:
            pace.ended(now)
            ends_at, done = math.inf, done + 1
        else:
            pace.handed(now)
            ahead, handed = ahead + 1, handed + 1
        if ends_at == math.inf and ahead:
            pace.began(now)
            ahead, ends_at = ahead - 1, now + left.pop(0)
        assert ahead <= POLICY.ahead and handed <= done + 1 + POLICY.ahead
