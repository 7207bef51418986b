"""The order of the queue, what keeps a task from its turn, and that it is quick however long it is."""

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.work.heap import Heap
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import Task, TaskState, TaskType

NOW = 100.0
AT = 1_000_000.0


def queued(
    task_id: str, *, at: float = AT, to: str = "", priority: int = 2, after: tuple[str, ...] = (), held: str = ""
) -> ev.TaskQueued:
    return ev.TaskQueued(
        at=at,
        task_id=task_id,
        title=task_id,
        text="do it",
        sender="HUMAN",
        to=to,
        priority=priority,
        task_type=TaskType.OTHER,
        after=after,
        held=held,
    )


def assigned(task_id: str, bot_id: str = "B", attempt: int = 1) -> ev.TaskAssigned:
    return ev.TaskAssigned(
        at=AT,
        task_id=task_id,
        bot_id=bot_id,
        attempt=attempt,
        message_id=f"{task_id}.{attempt}",
        task_type=TaskType.OTHER,
    )


def started(task_id: str, attempt: int = 1) -> ev.TaskStarted:
    return ev.TaskStarted(at=AT, task_id=task_id, bot_id="B", attempt=attempt)


def done(task_id: str, attempt: int = 1) -> ev.TaskDone:
    return ev.TaskDone(at=AT, task_id=task_id, bot_id="B", attempt=attempt, duration_s=1.0)


def put_back(task_id: str, *, rest_s: float = 0.0, attempt: int = 1) -> ev.TaskPutBack:
    return ev.TaskPutBack(
        at=AT,
        task_id=task_id,
        bot_id="B",
        attempt=attempt,
        reason="x",
        counted=True,
        not_before=AT + rest_s if rest_s else 0.0,
    )


def queue_of(*events: ev.TaskEvent) -> TaskQueue:
    queue = TaskQueue(ageing_s=600.0)
    for event in events:
        queue.note(event, NOW + event.at - AT)
    return queue


def drained(queue: TaskQueue, *bots: str, now: float = NOW, strained: bool = False) -> list[str]:
    """Everything that is ready for these bots, in order."""
    order = []
    while task := queue.first(bots, now, strained=strained):
        queue.take(task.task_id)
        order.append(task.task_id)
    for task_id in order:
        queue.give_back(task_id)
    return order


def test_the_most_urgent_is_first_and_of_those_the_oldest() -> None:
    queue = queue_of(
        queued("low", priority=3), queued("urgent", priority=0), queued("early", at=AT + 1), queued("late", at=AT + 2)
    )
    assert drained(queue) == ["urgent", "early", "late", "low"]


def test_a_task_rises_by_one_priority_in_ten_minutes() -> None:
    queue = queue_of(queued("old", priority=3, at=AT - 601), queued("new", priority=2))
    assert drained(queue) == ["old", "new"]
    queue = queue_of(queued("old", priority=3, at=AT - 599), queued("new", priority=2))
    assert drained(queue) == ["new", "old"]


def test_in_a_strained_hive_what_is_least_urgent_waits_until_it_has_risen() -> None:
    queue = queue_of(queued("risen", priority=3, at=AT - 700), queued("low", priority=3), queued("urgent", priority=0))
    assert drained(queue, strained=True) == ["urgent", "risen"]
    assert drained(queue) == ["urgent", "risen", "low"]


def test_a_clock_that_is_set_changes_no_order() -> None:
    queue = TaskQueue(ageing_s=600.0)
    for number, at in enumerate((AT, AT - 86_400, AT + 86_400, AT)):
        queue.note(queued(f"T{number}", at=at, priority=3), NOW)
    assert drained(queue) == ["T0", "T1", "T2", "T3"]
    assert drained(queue, now=NOW + 599, strained=True) == []
    assert drained(queue, now=NOW + 601, strained=True) == ["T0", "T1", "T2", "T3"]
    assert round(queue.waited_s("T1", NOW + 601)) == 601
    again = TaskQueue(queue, ageing_s=600.0, now=NOW, at=AT)
    assert drained(again) == ["T1", "T0", "T3", "T2"]
    assert drained(again, now=NOW + 601, strained=True) == ["T1", "T0", "T3", "T2"]


def test_a_task_that_is_revived_begins_to_wait_anew() -> None:
    queue = queue_of(queued("old", at=AT - 5000), queued("other"))
    dead = queue.get("old")
    assert dead is not None
    queue.note(ev.TaskCancelled(at=AT, task_id="old", by="me"), NOW)
    queue.revive(replace(dead, state=TaskState.CANCELLED))
    queue.note(ev.TaskRevived(at=AT, task_id="old", by="me"), NOW)
    assert drained(queue) == ["other", "old"]


def test_only_what_is_urgent_can_be_asked_for() -> None:
    queue = queue_of(queued("normal", at=AT - 5000), queued("urgent", priority=0))
    first = queue.first((), NOW, worst=0)
    assert first is not None
    assert first.task_id == "urgent"


def test_what_is_for_one_bot_is_seen_by_that_bot_alone() -> None:
    queue = queue_of(queued("for A", to="A"), queued("for B", to="B"), queued("any", priority=3))
    assert drained(queue) == ["any"]
    assert drained(queue, "A") == ["for A", "any"]
    assert drained(queue, "A", "B") == ["for A", "for B", "any"]
    assert queue.addressed("A") == 1
    assert queue.addressees() == ["A", "B"]
    queue.note(ev.TaskChanged(at=AT, task_id="for A", by="me", to="B", priority=0), NOW)
    assert drained(queue, "B") == ["for A", "for B", "any"]
    assert queue.addressees() == ["B"]


def test_one_that_is_held_or_rests_is_not_ready() -> None:
    queue = queue_of(queued("held", held="later"), queued("rests"), assigned("rests"), put_back("rests", rest_s=5.0))
    assert (queue.held, queue.ready) == (1, 0)
    assert queue.next_due == NOW + 5.0
    assert drained(queue) == []
    assert drained(queue, now=NOW + 5.0) == ["rests"]
    assert queue.next_due is None
    queue.note(ev.TaskChanged(at=AT, task_id="held", by="me", held=""), NOW)
    assert set(drained(queue)) == {"held", "rests"}
    assert queue.held == 0


def test_a_rest_ends_when_a_human_wants_it_to() -> None:
    queue = queue_of(queued("A"), assigned("A"), put_back("A", rest_s=300.0))
    queue.note(ev.TaskRevived(at=AT, task_id="A", by="me"), NOW)
    assert drained(queue) == ["A"]


def test_what_comes_after_others_waits_until_all_of_them_are_done() -> None:
    queue = queue_of(queued("A"), queued("B"), queued("C", after=("A", "B")))
    assert queue.doubtful() == {"A", "B"}
    queue.settle({"A", "B"}, {"A": TaskState.QUEUED, "B": TaskState.QUEUED})
    assert not queue.doubtful()
    assert queue.unmet("C") == {"A", "B"}
    for event in (assigned("A"), done("A"), assigned("B")):
        queue.note(event, NOW)
    assert drained(queue) == []
    queue.note(done("B"), NOW)
    assert drained(queue) == ["C"]
    assert not queue.unmet("C")


def test_what_is_done_already_is_waited_for_by_nobody() -> None:
    queue = queue_of(queued("A", after=("old", "gone", "never")))
    queue.settle({"old", "gone", "never"}, {"old": TaskState.DONE, "gone": TaskState.DEAD})
    assert queue.unmet("A") == {"gone", "never"}
    queue.note(ev.TaskCancelled(at=AT, task_id="A", by="me"), NOW)
    assert not queue.unmet("A")
    assert len(queue) == 0


def test_one_need_of_two_tasks_frees_whichever_is_left() -> None:
    queue = queue_of(queued("A"), queued("B", after=("A",)), queued("C", after=("A",)))
    for event in (ev.TaskCancelled(at=AT, task_id="B", by="me"), assigned("A"), done("A")):
        queue.note(event, NOW)
    assert drained(queue) == ["C"]


def test_one_that_waits_for_a_cancelled_task_goes_on_once_that_is_done_after_all() -> None:
    queue = queue_of(queued("A"), queued("B", after=("A",)), ev.TaskCancelled(at=AT, task_id="A", by="me"))
    assert drained(queue) == []
    cancelled = Task(task_id="A", title="A", text="", created_at=AT, since=AT, state=TaskState.CANCELLED, ended_at=AT)
    queue.revive(cancelled)
    queue.note(ev.TaskFiled(at=AT, task_id="A", response="a.md"), NOW)
    queue.note(ev.TaskRevived(at=AT, task_id="A", by="me"), NOW)
    assert drained(queue) == ["A"]
    for event in (assigned("A"), done("A")):
        queue.note(event, NOW)
    assert drained(queue) == ["B"]


def test_one_that_is_not_revived_after_all_is_gone() -> None:
    queue = queue_of(queued("B", after=("A",)))
    queue.revive(Task(task_id="A", title="A", text="", created_at=AT, since=AT, state=TaskState.DEAD, after=("C",)))
    queue.let_go("A")
    queue.let_go("B")
    queue.let_go("never")
    assert [task.task_id for task in queue] == ["B"]
    assert queue.unmet("B") == {"A"}


def test_who_would_wait_for_himself_is_told_the_way() -> None:
    queue = queue_of(queued("A", after=("B", "D")), queued("B", after=("C",)), queued("D", after=("C",)))
    assert queue.circle("C", ["A"])[0] == queue.circle("C", ["A"])[-1] == "C"
    assert queue.circle("C", ["C"]) == ["C", "C"]
    assert queue.circle("E", ["A", "B"]) == []


def test_a_task_that_is_taken_stays_taken_until_it_is_assigned_or_given_back() -> None:
    queue = queue_of(queued("A"))
    queue.take("A")
    queue.note(ev.TaskChanged(at=AT, task_id="A", by="me", priority=0), NOW)
    assert queue.first((), NOW) is None
    queue.give_back("A")
    assert drained(queue) == ["A"]
    queue.take("A")
    queue.note(assigned("A"), NOW)
    queue.give_back("A")
    assert queue.first((), NOW) is None
    queue.note(ev.TaskCancelled(at=AT, task_id="A", by="me"), NOW)
    queue.give_back("A")
    assert queue.first((), NOW) is None


def test_who_has_what_is_known_by_bot_and_by_message() -> None:
    queue = queue_of(queued("A"), queued("B"), queued("C", to="B"), assigned("A"), assigned("B"), assigned("C"))
    assert [task.task_id for task in queue.with_bot("B")] == ["A", "B", "C"]
    assert queue.bots_with_tasks() == ["B"]
    of_message = queue.of_message("A.1")
    assert of_message is not None
    assert of_message.task_id == "A"
    queue.note(started("A"), NOW)
    assert [task.task_id for task in queue.with_bot("B")] == ["A", "B", "C"]
    assert (queue.count(TaskState.RUNNING), queue.count(TaskState.SCHEDULED)) == (1, 2)
    assert queue.ready_for_anyone == 1, "it lies with a bot that has another to do"
    queue.note(put_back("A"), NOW)
    assert queue.of_message("A.1") is None
    assert not queue.note(done("A"), NOW), "of an attempt that is over"
    for task_id in ("B", "C"):
        queue.note(done(task_id), NOW)
    assert queue.bots_with_tasks() == []
    assert queue.with_bot("B") == []


def test_what_was_when_the_last_supervisor_ended_is_found_again() -> None:
    old = Task(task_id="old", title="", text="much text", created_at=AT - 50, since=AT - 10)
    rests = replace(old, task_id="rests", state=TaskState.RETRYABLE, not_before=AT + 5, created_at=AT - 40)
    clock_set_back = replace(rests, task_id="set back", since=AT + 3600 - 10, not_before=AT + 3600)
    running = replace(old, task_id="running", state=TaskState.RUNNING, bot_id="B", message_id="m", attempt=1)
    after = replace(old, task_id="after", after=("old",))
    queue = TaskQueue([old, rests, clock_set_back, running, after], ageing_s=600.0, now=NOW, at=AT)
    assert queue.oldest_at == AT - 50
    assert queue.count(TaskState.QUEUED, TaskState.RETRYABLE) == 4
    assert drained(queue) == ["old"]
    assert queue.next_due == NOW + 5
    assert drained(queue, now=NOW + 10) == ["old", "rests", "set back"], "no longer than it was meant to be"
    kept = queue.get("old")
    assert kept is not None
    assert kept.text == ""
    assert queue.get("never") is None


def test_of_an_empty_queue_nothing_is_told() -> None:
    queue = TaskQueue(ageing_s=600.0)
    assert (queue.oldest_at, queue.next_due, queue.first((), NOW), len(queue)) == (None, None, None, 0)
    assert not queue.note(done("never"), NOW)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 5)))))
def test_a_heap_tells_what_a_search_would_find(moves: list[tuple[str, int | None]]) -> None:
    heap, plain = Heap(), dict[str, float]()
    for name, key in moves:
        if key is None:
            heap.discard(name)
            plain.pop(name, None)
        else:
            heap.put(name, key)
            plain[name] = key
        expected = min(((key, name) for name, key in plain.items()), default=None)
        assert heap.first() == expected
        assert (len(heap), name in heap) == (len(plain), name in plain)


def test_a_heap_forgets_what_went() -> None:
    heap = Heap()
    for number in range(10_000):
        heap.put("moves", float(-number))
        heap.put("stays", 0.0)
    assert heap.first() == (-9999.0, "moves")
    assert len(heap._entries) < 200


def test_a_long_queue_is_no_slower_than_a_short_one() -> None:
    def cost_s(count: int) -> float:
        queue = queue_of(*(queued(f"T{number}", at=AT + number, priority=number % 4) for number in range(count)))
        begun = time.process_time()
        for _ in range(300):
            task = queue.first(("B",), NOW)
            assert task is not None
            queue.note(assigned(task.task_id), NOW)
            queue.note(started(task.task_id), NOW)
            queue.note(done(task.task_id), NOW)
        return time.process_time() - begun

    assert cost_s(30_000) < 20 * cost_s(300) + 0.1
