"""Work as a dispatcher would commit it, with the fields that a test does not care about filled in."""

from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.work.tasks import TaskType

from . import scenes

AT = scenes.AT


def queued(task_id: str, *, at: float = AT, **fields: Any) -> ev.TaskQueued:
    usual: dict[str, Any] = {"title": f"title of {task_id}", "text": f"text of {task_id}", "sender": "HUMAN", "to": ""}
    return ev.TaskQueued(at=at, task_id=task_id, **{**usual, "priority": 2, "task_type": TaskType.OTHER, **fields})


def assigned(task_id: str, bot_id: str = "A", attempt: int = 1, *, at: float = AT + 1) -> list[ev.Event]:
    """The choice of a bot and the message to it, as they are committed together."""
    message_id = f"{task_id}.{attempt}"
    chosen = ev.TaskAssigned(
        at=at,
        task_id=task_id,
        bot_id=bot_id,
        attempt=attempt,
        message_id=message_id,
        task_type=TaskType.OTHER,
        reasons=("it is free",),
        confidence=0.5,
    )
    told = ev.MessageQueued(
        at=at, bot_id=bot_id, message_id=message_id, sender="HUMAN", text="do it", priority=2, task_id=task_id
    )
    return [chosen, told]


def started(task_id: str, bot_id: str = "A", attempt: int = 1, *, at: float = AT + 2) -> ev.TaskStarted:
    return ev.TaskStarted(at=at, task_id=task_id, bot_id=bot_id, attempt=attempt)


def answered(task_id: str, bot_id: str = "A", attempt: int = 1, *, at: float = AT + 4) -> list[ev.Event]:
    """The end of its turn and of the task."""
    turn = ev.TurnEnded(
        at=at, bot_id=bot_id, run=1, message_id=f"{task_id}.{attempt}", status="answered", error="", duration_s=1.5
    )
    return [turn, done(task_id, bot_id, attempt, at=at)]


def done(task_id: str, bot_id: str = "A", attempt: int = 1, *, at: float = AT + 4) -> ev.TaskDone:
    return ev.TaskDone(at=at, task_id=task_id, bot_id=bot_id, attempt=attempt, duration_s=1.5)


def put_back(task_id: str, attempt: int = 1, *, at: float = AT + 4, **fields: Any) -> ev.TaskPutBack:
    usual: dict[str, Any] = {"bot_id": "A", "reason": "exit 1", "counted": True}
    return ev.TaskPutBack(at=at, task_id=task_id, attempt=attempt, **{**usual, **fields})


def died(task_id: str, attempt: int = 1, *, at: float = AT + 5) -> ev.TaskDied:
    return ev.TaskDied(at=at, task_id=task_id, bot_id="A", attempt=attempt, reason="every try failed")


def cancelled(task_id: str, *, at: float = AT + 5) -> ev.TaskCancelled:
    return ev.TaskCancelled(at=at, task_id=task_id, by="ana")


def filed(task_id: str, *, at: float = AT + 6) -> ev.TaskFiled:
    return ev.TaskFiled(at=at, task_id=task_id, response=f"{task_id}.md")


def sent(letter_id: str, from_bot: str = "A", to_bot: str = "B", *, at: float = AT) -> ev.LetterSent:
    return ev.LetterSent(
        at=at, letter_id=letter_id, from_bot=from_bot, to_bot=to_bot, text="hello", priority=2, expires_at=at + 3600
    )


def read(letter_id: str, to_bot: str = "B", *, at: float = AT + 1) -> ev.LetterRead:
    return ev.LetterRead(at=at, letter_id=letter_id, to_bot=to_bot, from_bot="A", priority=2)
