import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.runaway import RunawayPolicy, exceeds, recovered

POLICY = RunawayPolicy()
HIGH, LOW, LIMIT = 90.0, 10.0, 80.0


@pytest.mark.parametrize(
    ("series", "runaway"),
    [
        ([HIGH] * 10, True),
        ([HIGH] * 9, False),  # fewer than ten samples prove nothing
        ([LOW] + [HIGH] * 9, True),
        ([LOW] * 2 + [HIGH] * 8, False),  # eight of ten is not over 80 %
        ([HIGH] * 100 + [LOW] * 10, False),  # only the last ten count
        ([LOW] * 100 + [HIGH] * 10, True),
        ([LIMIT] * 10, False),  # at the limit is not above it
        ([], False),
    ],
)
def test_a_runaway_is_above_the_limit_nearly_all_the_time(series: list[float], runaway: bool) -> None:
    assert exceeds(series, LIMIT, POLICY) is runaway


@given(st.lists(st.sampled_from([HIGH, LOW, LIMIT])))
def test_nothing_is_a_runaway_and_recovered_at_once(series: list[float]) -> None:
    assert not (exceeds(series, LIMIT, POLICY) and recovered(series, LIMIT, POLICY))


def test_between_the_two_nothing_changes() -> None:
    mixed = [HIGH, LOW] * 5
    assert not exceeds(mixed, LIMIT, POLICY)
    assert not recovered(mixed, LIMIT, POLICY)
    assert recovered([HIGH] + [LOW] * 9, LIMIT, POLICY)


def test_a_bot_has_its_own_limit_of_memory() -> None:
    assert POLICY.with_memory(4000.0) == RunawayPolicy(memory_mb=4000.0)
