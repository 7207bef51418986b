"""How a hive copes as a whole: its limits, that nothing flaps, that every alert says what to do and is ended."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.load.averages import Average
from deia_tui.core.load.strain import CALLS_S, Judgement, Readings, StrainPolicy, Strains
from deia_tui.core.state import Alert

POLICY = StrainPolicy()


def readings(*, cpu: float = 10.0, memory: float = 10.0, waiting: int = 0, can_write: bool = True) -> Readings:
    return Readings(cpu_percent=cpu, memory_percent=memory, waiting=waiting, can_write=can_write)


def after_a_minute(strains: Strains, of: Readings, *, since: float = 0.0) -> Judgement:
    judgements = [strains.look(since + second, of) for second in range(61)]
    return judgements[-1]


@pytest.mark.parametrize(
    ("of", "strain", "reason"),
    [
        (readings(), "healthy", ""),
        (readings(cpu=69.9, memory=79.9, waiting=99), "healthy", ""),
        (readings(cpu=70.0), "degraded", "the machine's CPU is at 70 %"),
        (readings(cpu=90.0), "critical", "the machine's CPU is at 90 %"),
        (readings(memory=80.0), "degraded", "the machine's memory is at 80 %"),
        (readings(memory=95.0, cpu=75.0), "critical", "the machine's memory is at 95 %"),
        (readings(waiting=100), "degraded", "tasks that wait: 100"),
        (readings(waiting=500), "critical", "tasks that wait: 500"),
        (readings(can_write=False), "critical", "the store cannot be written"),
    ],
)
def test_the_limits(of: Readings, strain: str, reason: str) -> None:
    judgement = after_a_minute(Strains(POLICY), of)
    assert (judgement.strain, judgement.reason) == (strain, reason)


def test_a_short_peak_of_the_machine_says_nothing_and_a_long_queue_counts_at_once() -> None:
    strains = Strains(POLICY)
    assert strains.look(0.0, readings(cpu=100.0, memory=99.0)).strain == "healthy"
    assert after_a_minute(strains, readings(cpu=60.0), since=1.0).strain == "healthy"
    assert strains.look(70.0, readings(waiting=100)).strain == "degraded"


def moves(strains: Strains, waiting: Iterable[int]) -> list[tuple[str, str]]:
    found = []
    for now, depth in enumerate(waiting):
        for wish in strains.look(float(now), readings(waiting=depth)).wanted:
            assert wish.bot_id is None and wish.kind == "queue"
            if isinstance(wish, Raise):
                assert wish.action and wish.value == depth
                assert wish.threshold == (500 if wish.level == "critical" else 100)
                found.append((wish.level, wish.text))
            else:
                found.append(("over", wish.reason))
    return found


def test_a_warning_becomes_critical_and_recovery_is_told_and_nothing_flaps() -> None:
    assert moves(Strains(POLICY), (99, 100, 99, 101, 90, 500, 499, 450, 449, 600, 95, 89, 90, 99)) == [
        ("warning", "tasks that wait: 100 (limit 100)"),
        ("critical", "tasks that wait: 500 (limit 500)"),
        ("warning", "tasks that wait: 449 (limit 100)"),
        ("critical", "tasks that wait: 600 (limit 500)"),
        ("warning", "tasks that wait: 95 (limit 100)"),
        ("over", "tasks that wait: 89"),
    ]


def test_what_a_former_supervisor_raised_is_cleared() -> None:
    about = {"alert_id": 1, "text": "", "action": "", "raised_at": 0.0}
    alerts = (
        Alert(bot_id=None, kind="queue", level="critical", **about),  # type: ignore[arg-type]
        Alert(bot_id="BOT-001", kind="cpu", level="warning", **about),  # type: ignore[arg-type]
        Alert(bot_id=None, kind="memory", level="warning", cleared_at=1.0, **about),  # type: ignore[arg-type]
        Alert(bot_id=None, kind="cpu", level="warning", **about),  # type: ignore[arg-type]
    )
    strains = Strains(POLICY, alerts)
    first = strains.look(0.0, readings())
    assert first.wanted == (Clear(None, "queue", "tasks that wait: 0"),)
    assert (first.strain, first.reason) == ("degraded", "the machine's CPU is at")  # until a minute has shown otherwise
    assert after_a_minute(strains, readings()).strain == "healthy"


def test_the_share_of_failed_calls() -> None:
    strains = Strains(POLICY)
    for number in range(19):
        strains.called(float(number), failed=True)
    assert strains.look(19.0, readings()).strain == "healthy"  # too few to tell
    strains.called(19.0, failed=True)
    judgement = strains.look(20.0, readings())
    assert (judgement.strain, judgement.reason) == ("critical", "calls of bots that fail: 100 %")
    for number in range(19):
        strains.called(100.0 + number, failed=False)
    assert strains.look(119.0, readings()).strain == "critical"  # one of 20
    strains.called(119.0, failed=False)
    assert strains.look(120.0, readings()).strain == "healthy"
    strains.called(121.0, failed=True)
    assert strains.look(122.0, readings()).strain == "degraded"  # of the last minute's, which are more
    [over] = strains.look(122.0 + CALLS_S, readings()).wanted
    assert over == Clear(None, "errors", "calls of bots that fail: 0 %")  # what is old says nothing


@given(st.lists(st.integers(0, 700), max_size=60))
def test_no_alert_is_raised_twice_or_cleared_unraised(depths: list[int]) -> None:
    strains, level = Strains(POLICY), "healthy"
    for now, depth in enumerate(depths):
        judgement = strains.look(float(now), readings(waiting=depth))
        if judgement.wanted:
            assert judgement.strain != level
        else:
            assert judgement.strain == level
        if depth >= 500:
            assert judgement.strain == "critical"
        elif depth < 90:
            assert judgement.strain == "healthy"
        level = judgement.strain


def test_an_average_is_known_once_its_span_is_full() -> None:
    average = Average(10.0)
    assert average.over(0.0) is None
    for now in range(10):
        average.add(float(now), 1.0)
    assert average.over(9.0) is None and average.over(10.0) == 1.0
    average.add(10.0, 11.0)
    assert average.over(10.0) == 2.0
    assert average.over(30.0) is None
