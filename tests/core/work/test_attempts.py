"""What follows for a task from how an attempt ended."""

from dataclasses import replace
from typing import Literal

import pytest

from deia_tui.core import events as ev
from deia_tui.core.turns import Failure
from deia_tui.core.work.attempts import (
    INTERRUPTED,
    Circumstances,
    TaskPolicy,
    Verdict,
    after_turn,
    has_begun,
    put_back,
)
from deia_tui.core.work.tasks import Task, TaskState

AT = 1000.0
POLICY = TaskPolicy()
CALM = Circumstances()


def task(tries: int = 1) -> Task:
    return Task(
        task_id="T",
        title="",
        text="",
        created_at=AT,
        since=AT,
        state=TaskState.RUNNING,
        attempt=3,
        tries=tries,
        bot_id="B",
        message_id="T.3",
    )


def turn(
    status: Literal["answered", "failed", "interrupted"],
    failure: Failure | None = None,
    *,
    seq: int = 5,
    retry_after_s: float | None = None,
) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=AT,
        bot_id="B",
        run=1,
        message_id="T.3",
        status=status,
        error="" if status == "answered" else "why",
        duration_s=2.0,
        source_seq=seq,
        failure=failure,
        retry_after_s=retry_after_s,
    )


def outcome(end: ev.TurnEnded, around: Circumstances = CALM, *, tries: int = 1, begun: bool = True) -> Verdict:
    found = after_turn(task(tries), end, around, POLICY, begun=begun)
    assert (found.task_id, found.bot_id, found.attempt, found.at) == ("T", "B", 3, AT)
    return found


def test_an_answer_is_a_task_done() -> None:
    assert isinstance(outcome(turn("answered")), ev.TaskDone)


@pytest.mark.parametrize("failure", [None, Failure.ERROR, Failure.OUTAGE])
def test_a_failure_counts_and_rests_longer_every_time_until_none_is_left(failure: Failure | None) -> None:
    rests = []
    for tries in (1, 2, 3):
        back = outcome(turn("failed", failure), tries=tries)
        assert isinstance(back, ev.TaskPutBack)
        assert (back.counted, back.failure, back.reason) == (True, failure, "why")
        rests.append(back.not_before - AT)
    assert rests == [5.0, 10.0, 20.0]
    dead = outcome(turn("failed", failure), tries=4)
    assert isinstance(dead, ev.TaskDied)
    assert dead.reason == "why (failed 4 times)"


def test_what_the_agent_will_never_do_is_dead_at_once() -> None:
    dead = outcome(turn("failed", Failure.REQUEST))
    assert isinstance(dead, ev.TaskDied)
    assert (dead.reason, dead.failure) == ("why", Failure.REQUEST)


@pytest.mark.parametrize("failure", [Failure.AUTHENTICATION, Failure.BUDGET, Failure.OVERLOAD])
def test_what_is_not_its_fault_is_not_held_against_it(failure: Failure) -> None:
    back = outcome(turn("failed", failure), tries=4)
    assert isinstance(back, ev.TaskPutBack)
    assert (back.counted, back.not_before, back.held) == (False, 0.0, "")


def test_an_overload_nobody_else_keeps_it_from_is_waited_for() -> None:
    back = outcome(turn("failed", Failure.OVERLOAD, retry_after_s=7.0), Circumstances(has_provider=False))
    assert isinstance(back, ev.TaskPutBack)
    assert (back.counted, back.not_before) == (False, AT + 7.0)


@pytest.mark.parametrize(
    ("around", "seq", "begun", "counted", "held"),
    [
        (CALM, 5, True, False, INTERRUPTED),  # a human
        (Circumstances(stopping=True), 5, True, False, ""),  # a stop
        (CALM, 0, True, False, ""),  # taken back
        (Circumstances(crashed=True), 0, True, True, ""),
        (Circumstances(crashed=True), 0, False, False, ""),  # before it was begun
        (Circumstances(crashed=True), 5, False, False, ""),
    ],
)
def test_who_ended_a_turn_decides_what_is_held_against_its_task(
    around: Circumstances, seq: int, begun: bool, counted: bool, held: str
) -> None:
    back = outcome(turn("interrupted", seq=seq), around, begun=begun)
    assert isinstance(back, ev.TaskPutBack)
    assert (back.counted, back.held) == (counted, held)


def test_a_turn_that_says_nothing_is_told_of_in_the_words_of_its_class() -> None:
    silent = ev.TurnEnded(
        at=AT,
        bot_id="B",
        run=1,
        message_id="T.3",
        status="failed",
        error="",
        duration_s=0.0,
        failure=Failure.OUTAGE,
    )
    back = outcome(silent)
    assert isinstance(back, ev.TaskPutBack)
    assert back.reason == "the provider or the agent broke down"


def test_one_that_is_put_back_costs_nothing() -> None:
    back = put_back(task(), AT, "its bot is gone", POLICY)
    assert (back.counted, back.not_before, back.reason) == (False, 0.0, "its bot is gone")
    assert has_begun(task())


def test_one_that_comes_back_again_and_again_waits_longer_each_time_and_loses_no_try() -> None:
    rests = []
    for attempt in (1, 10, 11, 12, 1000):
        often = replace(task(), attempt=attempt)
        backs = [
            put_back(often, AT, "why", POLICY),
            after_turn(often, turn("interrupted", seq=0), CALM, POLICY, begun=True),
            after_turn(often, turn("failed", Failure.OVERLOAD), CALM, POLICY, begun=True),
        ]
        for back in backs:
            assert isinstance(back, ev.TaskPutBack) and not back.counted
        assert len({back.not_before for back in backs if isinstance(back, ev.TaskPutBack)}) == 1
        rests.append(max(0.0, put_back(often, AT, "why", POLICY).not_before - AT))
    assert rests == [0.0, 0.0, 5.0, 10.0, 300.0]
    held = after_turn(replace(task(), attempt=1000), turn("interrupted"), CALM, POLICY, begun=True)
    assert isinstance(held, ev.TaskPutBack) and not held.not_before, "who interrupted it says when it goes on"
