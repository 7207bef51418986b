import pytest

from deia_tui.core import events as ev
from deia_tui.core.work.taskmoves import fold_task
from deia_tui.core.work.tasks import Task, TaskState, TaskType

QUEUED = ev.TaskQueued(
    at=1.0, task_id="T", title="t", text="do it", sender="HUMAN", to="", priority=2, task_type=TaskType.CODE
)
STARTED = ev.TaskStarted(at=3.0, task_id="T", bot_id="B", attempt=1)
DONE = ev.TaskDone(at=4.0, task_id="T", bot_id="B", attempt=1, duration_s=1.0)
DIED = ev.TaskDied(at=4.0, task_id="T", bot_id="B", attempt=1, reason="poison")
CANCELLED = ev.TaskCancelled(at=5.0, task_id="T", by="me")
REVIVED = ev.TaskRevived(at=6.0, task_id="T", by="me")
FILED = ev.TaskFiled(at=7.0, task_id="T", response="x.md")


def assigned(attempt: int = 1, bot_id: str = "B") -> ev.TaskAssigned:
    return ev.TaskAssigned(
        at=2.0, task_id="T", bot_id=bot_id, attempt=attempt, message_id=f"T.{attempt}", task_type=TaskType.CODE
    )


def put_back(attempt: int = 1, *, counted: bool = True, not_before: float = 0.0, held: str = "") -> ev.TaskPutBack:
    return ev.TaskPutBack(
        at=4.0,
        task_id="T",
        bot_id="B",
        attempt=attempt,
        reason="its bot died",
        counted=counted,
        not_before=not_before,
        held=held,
    )


def after(*events: ev.TaskEvent) -> Task:
    task: Task | None = None
    for event in (QUEUED, *events):
        task = fold_task(task, event)
    assert task is not None
    return task


def test_a_task_goes_from_the_queue_to_its_answer() -> None:
    assert after().state is TaskState.QUEUED
    handed = after(assigned())
    assert (handed.state, handed.bot_id, handed.message_id, handed.tries) == (TaskState.SCHEDULED, "B", "T.1", 1)
    assert after(assigned(), STARTED).started_at == 3.0
    done = after(assigned(), STARTED, DONE)
    assert (done.state, done.ended_at) == (TaskState.DONE, 4.0)
    assert after(assigned(), DONE, FILED).response == "x.md"


def test_nothing_is_known_of_a_task_that_was_never_queued() -> None:
    assert fold_task(None, DONE) is None


def test_an_attempt_that_says_nothing_against_the_task_is_given_back() -> None:
    assert after(assigned(), put_back(counted=False)).tries == 0
    again = after(assigned(), put_back(not_before=9.0))
    assert (again.state, again.tries, again.not_before, again.error) == (TaskState.RETRYABLE, 1, 9.0, "its bot died")
    assert after(assigned(), put_back(held="interrupted")).held == "interrupted"


def test_who_finishes_a_task_that_was_given_to_another_changes_nothing() -> None:
    second = after(assigned(), STARTED, put_back(), assigned(2, "C"))
    for late in (STARTED, DONE, DIED, put_back()):
        assert fold_task(second, late) is second
    done = fold_task(second, ev.TaskDone(at=5.0, task_id="T", bot_id="C", attempt=2, duration_s=1.0))
    assert done is not None and done.state is TaskState.DONE and fold_task(done, DONE) is done


def test_what_a_human_wants() -> None:
    changed = after(ev.TaskChanged(at=2.0, task_id="T", by="me", priority=0, to="C", held="wait"))
    assert (changed.priority, changed.to, changed.held) == (0, "C", "wait")
    assert fold_task(changed, ev.TaskChanged(at=2.0, task_id="T", by="me")) == changed
    assert after(CANCELLED).state is TaskState.CANCELLED
    for end in (CANCELLED, DIED):
        revived = after(assigned(), end, FILED, REVIVED)
        assert (revived.state, revived.tries, revived.response) == (TaskState.QUEUED, 0, "")
        assert fold_task(revived, assigned(2)) != revived


@pytest.mark.parametrize("late", [assigned(), assigned(2), STARTED, DONE, DIED, CANCELLED, put_back(), REVIVED, QUEUED])
def test_what_is_done_stays_done(late: ev.TaskEvent) -> None:
    done = after(assigned(), STARTED, DONE)
    assert fold_task(done, late) is done
    assert fold_task(done, ev.TaskChanged(at=9.0, task_id="T", by="me", priority=0)) is done


def test_an_answer_is_filed_once_and_not_before_the_end() -> None:
    running = after(assigned(), STARTED)
    assert fold_task(running, FILED) is running
    filed = after(assigned(), DONE, FILED)
    assert fold_task(filed, FILED) is filed
