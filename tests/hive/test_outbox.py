"""What waits for a bot: the most urgent first, and nothing that is just being taken back."""

from deia_tui.core.events import MessageQueued
from deia_tui.hive.outbox import Outbox


def queued(message_id: str, *, priority: int = 0, task_id: str = "") -> MessageQueued:
    return MessageQueued(
        at=0.0, bot_id="B", message_id=message_id, sender="HUMAN", text="do it", priority=priority, task_id=task_id
    )


def test_what_is_being_taken_back_is_given_to_no_run() -> None:
    outbox = Outbox([queued("T.1", task_id="T"), queued("U.1", task_id="U")])
    with outbox.keeping(frozenset({"T.1", "unknown"})) as kept:
        assert kept == {"T.1"}
        first = outbox.first()
        assert first is not None and first.message_id == "U.1"
    first = outbox.first()
    assert first is not None and first.message_id == "T.1", "it could not be recorded: the bot shall have it"


def test_a_human_goes_before_an_errand_that_is_as_urgent() -> None:
    outbox = Outbox([queued("T.1", priority=1, task_id="T"), queued("hello", priority=1), queued("U.1", task_id="U")])
    outbox.remove("U.1")
    first = outbox.first()
    assert first is not None and first.message_id == "hello"


def test_what_somebody_else_may_have_handed_over_is_not_taken_back_until_its_run_is_over() -> None:
    outbox = Outbox([queued("T.1", task_id="T")])
    outbox.doubt()
    outbox.add(queued("U.1", task_id="U"))
    assert outbox.unhanded() == ["U.1"]
    outbox.let_go()
    assert outbox.unhanded() == ["T.1", "U.1"]


def test_what_nobody_wants_is_not_handed_over_though_it_is_there_until_it_is_taken_back() -> None:
    outbox = Outbox([queued("T.1", task_id="T"), queued("U.1", task_id="U")])
    outbox.disown(["T.1", "gone"])
    first = outbox.first()
    assert first is not None and first.message_id == "U.1"
    assert outbox.unhanded() == ["T.1", "U.1"]
    outbox.remove("U.1")
    assert outbox.first() is None
