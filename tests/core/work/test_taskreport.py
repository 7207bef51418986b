import json

import pytest

from deia_tui.core.client import ChatTurn, TaskDetail
from deia_tui.core.work.taskreport import detail, task, work
from deia_tui.core.work.tasks import Attempt, Candidate, Task, TaskState, read_priority
from deia_tui.core.work.view import BotWork, WorkView

AT = 1_760_000_000.0
TASK = Task(task_id="t", title="sweep", text="sweep it all", created_at=AT, since=AT, to="B", after=("s",))


def answered(text: str) -> ChatTurn:
    return ChatTurn(
        number=1,
        message_id="t.3",
        sender="HUMAN",
        text="sweep",
        status="answered",
        error="",
        asked_at=AT,
        ended_at=AT,
        answer=text,
        answer_seq=1,
    )


def test_a_task_as_it_is_printed() -> None:
    told = task(TASK)
    assert json.loads(json.dumps(told)) == told
    assert (told["task_id"], told["state"], told["type"], told["to"]) == ("t", "queued", "other", "B")
    assert (told["bot_id"], told["not_before"], told["source"], told["response"]) == (None, None, None, None)


def test_a_task_with_what_became_of_it() -> None:
    attempts = (
        Attempt(attempt=1, bot_id="B", message_id="t.1", assigned_at=AT, tokens_in=10, tokens_out=2, cost_usd=0.1),
        Attempt(attempt=2, bot_id="C", message_id="t.2", assigned_at=AT, tokens_in=5, tokens_out=1, cost_usd=0.2),
        Attempt(attempt=3, bot_id="C", message_id="t.3", assigned_at=AT, reasons=("it is free",)),
    )
    found = TaskDetail(
        task=TASK,
        attempts=attempts,
        needs=(("s", TaskState.DONE),),
        choice=(Candidate("C", 0.71239),),
        answer=answered("done"),
    )
    told = detail(found)
    assert json.loads(json.dumps(told)) == told
    assert (told["tokens_in"], told["tokens_out"], told["cost_usd"], told["output"]) == (15, 3, 0.3, "done")
    assert (told["needs"], told["choice"]) == ({"s": "done"}, [{"bot_id": "C", "score": 0.7124}])
    assert [attempt["attempt"] for attempt in told["attempts"]] == [1, 2, 3]
    assert told["attempts"][2]["cost_usd"] is None
    hidden = detail(TaskDetail(task=TASK, answer=answered("secret")), with_output=False)
    assert (hidden["output"], hidden["cost_usd"]) == (None, None)


def test_how_much_work_there_is() -> None:
    view = WorkView(waiting=2, oldest_at=AT, bots={"B": BotWork(addressed=1, running="t", refuses=True)})
    told = work(view, AT + 2.04)
    assert (told["waiting"], told["oldest_s"], work(WorkView(), AT)["oldest_s"]) == (2, 2.0, None)
    assert told["bots"] == {"B": {"addressed": 1, "ahead": 0, "running": "t", "refuses": True}}


def test_priorities_as_people_write_them() -> None:
    assert [read_priority(text) for text in ("P0", "p1", " 2 ", "3")] == [0, 1, 2, 3]
    for text in ("P4", "-1", "", "PP1", "urgent", "P01"):
        with pytest.raises(ValueError, match="is no priority"):
            read_priority(text)
