"""What a bot more could begin at once."""

from deia_tui.core import events as ev
from deia_tui.core.queue import TaskQueue
from deia_tui.core.tasks import NORMAL, TaskType


def queue_of(*tasks: tuple[str, str]) -> TaskQueue:
    """Tasks, each for a bot or for anyone."""
    queue = TaskQueue(ageing_s=600.0)
    for number, (task_id, to) in enumerate(tasks):
        event = ev.TaskQueued(
            at=float(number),
            task_id=task_id,
            title=task_id,
            text=task_id,
            sender="HUMAN",
            to=to,
            priority=NORMAL,
            task_type=TaskType.OTHER,
        )
        queue.note(event, float(number))
    return queue


def assign(queue: TaskQueue, bot_id: str, *task_ids: str, begun: str = "") -> None:
    for task_id in task_ids:
        about = {"at": 10.0, "task_id": task_id, "bot_id": bot_id, "attempt": 1}
        kind = TaskType.OTHER
        queue.note(ev.TaskAssigned(**about, message_id=f"{task_id}.1", task_type=kind), 10.0)  # type: ignore[arg-type]
        if task_id == begun:
            queue.note(ev.TaskStarted(**about), 10.0)  # type: ignore[arg-type]


def test_what_waits_behind_others_counts_if_it_is_for_anyone() -> None:
    queue = queue_of(("a", ""), ("b", ""), ("c", ""), ("mine", "BOT-001"), ("d", ""), ("e", ""), ("f", ""))
    assert queue.ready_for_anyone == 6
    assign(queue, "BOT-001", "a", "mine", "b", "c", begun="a")
    assign(queue, "BOT-002", "d", "e")
    assert queue.ready_for_anyone == len("bcef")  # d is what its bot is about to begin
