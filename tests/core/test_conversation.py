import time
from dataclasses import replace
from functools import reduce

from deia_tui.core import events as ev
from deia_tui.core.conversation import (
    MAX_PARTS,
    Leave,
    Omitted,
    Parts,
    Plan,
    Text,
    Thought,
    Tool,
    Used,
    add,
    answer_of,
    close,
)
from deia_tui.core.turns import PermissionOption, PermissionRequest, PlanEntry, ToolCall, Usage

REQUEST = PermissionRequest(
    request_id="r1",
    tool="Bash",
    title="run tests",
    input="make test",
    options=(PermissionOption(option_id="1", name="Allow", kind="allow_once"),),
)


def say(text: str, seq: int = 1) -> ev.Event:
    return ev.OutputAdded(at=10.0, bot_id="bot-1", run=1, message_id="m1", text=text, source_seq=seq)


def think(text: str) -> ev.Event:
    return ev.ThoughtAdded(at=10.0, bot_id="bot-1", run=1, message_id="m1", text=text, source_seq=1)


def call(call_id: str, status: str = "pending") -> ev.Event:
    made = ToolCall(call_id=call_id, tool="Read", title=f"read {call_id}", status=status)  # type: ignore[arg-type]
    return ev.ToolCallChanged(at=10.0, bot_id="bot-1", run=1, message_id="m1", call=made, source_seq=1)


def use(tokens: int, cost: float | None, model: str = "m") -> ev.Event:
    usage = Usage(model=model, input_tokens=tokens, output_tokens=1)
    return ev.UsageReported(at=10.0, bot_id="bot-1", run=1, message_id="m1", usage=usage, source_seq=1, cost_usd=cost)


def told(*events: ev.Event) -> Parts:
    start: Parts = ()
    return reduce(add, events, start)


def test_what_is_said_thought_and_done_stays_in_order() -> None:
    parts = told(
        think("hm"), think("m"), say("I "), say("look"), call("1"), call("2"), call("1", "completed"), say("ok")
    )
    assert [type(part) for part in parts] == [Thought, Text, Tool, Tool, Text]
    assert [str(part) for part in parts if isinstance(part, Text | Thought)] == ["hmm", "I look", "ok"]
    assert [part.call.status for part in parts if isinstance(part, Tool)] == ["completed", "pending"]
    assert answer_of(parts) == "I lookok"


def test_a_thought_lasts_from_its_first_piece_to_its_last() -> None:
    first = ev.ThoughtAdded(at=10.0, bot_id="bot-1", run=1, message_id="m1", text="one ", source_seq=1)
    parts = reduce(add, (first, replace(first, at=14.5, text="two")), ())
    assert parts == (Thought(("one two",), began_at=10.0, took_s=4.5),)


def test_a_plan_is_replaced_where_it_was_first_told() -> None:
    def plan(status: str) -> ev.Event:
        entry = PlanEntry(content="tests", status=status)  # type: ignore[arg-type]
        return ev.PlanChanged(at=1.0, bot_id="bot-1", run=1, message_id="m1", entries=(entry,), source_seq=1)

    parts = told(plan("pending"), say("go"), plan("completed"))
    assert parts == (Plan((PlanEntry(content="tests", status="completed"),)), Text(("go",)))


def test_usage_adds_up_and_stays_last() -> None:
    parts = told(say("a"), use(10, 0.5, "m1"), say("b"), use(5, 0.25, "m2"))
    usage = Usage(model="m2", input_tokens=15, output_tokens=2)
    assert parts == (Text(("ab",)), Used(usage=usage, cost_usd=0.75, all_priced=True))
    (*_, used) = add(parts, use(1, None))
    assert isinstance(used, Used) and used.cost_usd == 0.75 and not used.all_priced
    assert told(use(1, None)) == (
        Used(usage=Usage(model="m", input_tokens=1, output_tokens=1), cost_usd=None, all_priced=False),
    )


def test_a_request_gets_its_answer_once() -> None:
    asked = ev.PermissionAsked(
        at=10.0, bot_id="bot-1", run=1, message_id="m1", request=REQUEST, expires_at=310.0, source_seq=1
    )
    waiting = told(asked)
    assert waiting == (Leave(request=REQUEST, asked_at=10.0, expires_at=310.0),)

    def answer(request_id: str, outcome: str) -> ev.Event:
        return ev.PermissionAnswered(
            at=11.0,
            bot_id="bot-1",
            run=1,
            request_id=request_id,
            outcome=outcome,  # type: ignore[arg-type]
            by="ana",
            note="go",
        )

    assert add(waiting, answer("another", "allow_once")) is waiting
    allowed = add(waiting, answer("r1", "allow_once"))
    assert allowed == (
        Leave(request=REQUEST, asked_at=10.0, expires_at=310.0, outcome="allow_once", by="ana", note="go"),
    )
    assert add(allowed, answer("r1", "cancelled")) is allowed


def test_events_that_are_none_of_a_chats_change_nothing() -> None:
    parts = told(say("a"))
    assert add(parts, ev.BotReady(at=1.0, bot_id="bot-1", run=1)) is parts
    assert add(parts, say("")) is parts
    assert add(parts, think("")) == parts
    assert add((), think("")) == ()


def test_a_long_answer_costs_its_length_and_not_the_square_of_it() -> None:
    began = time.thread_time()
    parts = told(*(say("x" * 63 + "\n") for _ in range(16_384)))
    assert answer_of(parts) == ("x" * 63 + "\n") * 16_384
    assert len(parts) == 1
    assert time.thread_time() - began < 5.0  # joined each time it would take minutes


def test_the_oldest_parts_of_an_endless_turn_are_left_out() -> None:
    parts = told(use(1, 0.1), *(call(str(number)) for number in range(MAX_PARTS + 10)), say("end"))
    assert len(parts) == MAX_PARTS
    assert parts[0] == Omitted(13)
    assert isinstance(parts[1], Tool) and parts[1].call.call_id == "13"
    assert parts[-2] == Text(("end",)) and isinstance(parts[-1], Used)


def test_what_nobody_told_the_end_of_ends_with_the_turn() -> None:
    parts = close(told(say("a"), call("1", "completed"), call("2", "in_progress"), call("3"), use(1, None)))
    assert [part.call.status for part in parts if isinstance(part, Tool)] == ["completed", "failed", "failed"]
    assert [type(part) for part in parts] == [Text, Tool, Tool, Tool, Used]
    assert close(parts) == parts
