from dataclasses import replace

import pytest

from deia_tui.core import events as ev
from deia_tui.core.failures import Consequences, consequences, pause_s
from deia_tui.core.turns import Failure


def ended(status: str, failure: Failure | None = None) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=1.0,
        bot_id="BOT-001",
        run=1,
        message_id="m",
        status=status,  # type: ignore[arg-type]
        error="",
        duration_s=1.0,
        failure=failure,
    )


@pytest.mark.parametrize(
    ("failure", "follows"),
    [
        (Failure.AUTHENTICATION, Consequences("lock")),
        (Failure.OVERLOAD, Consequences("nothing", pause=True)),
        (Failure.OUTAGE, Consequences("failure")),
        (Failure.ERROR, Consequences("failure")),
        (None, Consequences("failure")),
        (Failure.REQUEST, Consequences("nothing")),
        (Failure.BUDGET, Consequences("lock")),
    ],
)
def test_every_class_of_failure_has_its_consequence(failure: Failure | None, follows: Consequences) -> None:
    assert consequences(ended("failed", failure)) == follows


def test_a_turn_that_the_budget_of_the_day_cut_says_nothing_about_the_bot() -> None:
    cut = replace(ended("failed", Failure.BUDGET), stop_reason="cancelled")
    assert consequences(cut) == Consequences("nothing")


def test_answers_count_and_interruptions_say_nothing() -> None:
    assert consequences(ended("answered")) == Consequences("success")
    assert consequences(ended("interrupted")) == Consequences("nothing")


def test_pauses_double_up_to_five_minutes_and_honour_what_is_asked_for() -> None:
    assert [pause_s(None, former) for former in (None, 30.0, 60.0, 200.0, 300.0)] == [30.0, 60.0, 120.0, 300.0, 300.0]
    assert [pause_s(asked, None) for asked in (0.0, 7.5, 900.0, 1e9)] == [1.0, 7.5, 900.0, 3600.0]
    assert [pause_s(2.0, former) for former in (0.5, 1.0, 2.0, 200.0)] == [2.0, 2.0, 4.0, 300.0]
    assert pause_s(None, 1.0) == 30.0
