from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.frames import Frame, decode, decode_ack, encode, to_event
from deia_tui.core.turns import Failure, PlanEntry

AT = 1_760_000_000.5
values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=2))
text = st.text(st.characters(exclude_categories=["Cs"]))


def frame(kind: str, **fields: Any) -> Frame:
    return {"seq": 7, "at": AT, "type": kind, **fields}


@given(st.dictionaries(text, st.one_of(st.none(), st.integers(), text), max_size=4), st.integers(), text)
def test_a_frame_is_one_line_and_comes_back_whole(fields: Frame, seq: int, kind: str) -> None:
    sent = {**fields, "seq": seq, "type": kind}
    line = encode(sent)
    assert b"\n" not in line
    assert decode(line) == decode(line.decode()) == sent


@given(st.binary())
def test_any_line_is_a_frame_or_none(line: bytes) -> None:
    decoded = decode(line)
    assert decoded is None or isinstance(decoded["seq"], int)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"seq":1,"type":"out',
        b"[]",
        b'"x"',
        b'{"seq":"1","type":"log"}',
        b'{"seq":1}',
        b'{"type":"log"}',
        b'{"seq":1,"type":2}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_torn_and_foreign_lines_are_none(line: bytes) -> None:
    assert decode(line) is None


def test_half_a_surrogate_pair_does_not_stop_the_stream() -> None:
    assert decode(encode(frame("output", text="\ud800"))) == frame("output", text="?")


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (
            frame("accepted", message_id="m"),
            ev.MessageAccepted(at=AT, bot_id="B", run=2, message_id="m", source_seq=7),
        ),
        (
            frame("turn_started", message_id="m"),
            ev.TurnStarted(at=AT, bot_id="B", run=2, message_id="m", source_seq=7),
        ),
        (
            frame("output", message_id="m", text="hi\n"),
            ev.OutputAdded(at=AT, bot_id="B", run=2, message_id="m", text="hi\n", source_seq=7),
        ),
        (
            frame("turn_ended", message_id="m", status="failed", error="exit 2", duration_s=1.5, refused=True),
            ev.TurnEnded(
                at=AT,
                bot_id="B",
                run=2,
                message_id="m",
                status="failed",
                error="exit 2",
                duration_s=1.5,
                failure=Failure.REQUEST,
                source_seq=7,
            ),
        ),
        (
            frame("turn_ended", message_id="m", status="answered"),
            ev.TurnEnded(
                at=AT, bot_id="B", run=2, message_id="m", status="answered", error="", duration_s=0.0, source_seq=7
            ),
        ),
        (
            frame("turn_ended", message_id="m", status="failed", failure="of a newer bot", retry_after_s=float("nan")),
            ev.TurnEnded(
                at=AT,
                bot_id="B",
                run=2,
                message_id="m",
                status="failed",
                error="",
                duration_s=0.0,
                failure=Failure.ERROR,
                source_seq=7,
            ),
        ),
        (
            frame("turn_ended", message_id="m", status="failed", failure="overload", retry_after_s=2),
            ev.TurnEnded(
                at=AT,
                bot_id="B",
                run=2,
                message_id="m",
                status="failed",
                error="",
                duration_s=0.0,
                failure=Failure.OVERLOAD,
                retry_after_s=2.0,
                source_seq=7,
            ),
        ),
        (
            frame("plan", message_id="m", entries=[{"content": "look", "status": "pending"}]),
            ev.PlanChanged(
                at=AT,
                bot_id="B",
                run=2,
                message_id="m",
                entries=(PlanEntry(content="look", status="pending"),),
                source_seq=7,
            ),
        ),
        (
            frame("log", level="warning", text="low disk"),
            ev.BotLogged(at=AT, bot_id="B", run=2, level="warning", text="low disk", source_seq=7),
        ),
        (frame("ready"), None),
        (frame("of a newer bot", colour="blue"), None),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_what_a_frame_means(sent: Frame, event: ev.Event | None) -> None:
    assert to_event("B", 2, sent) == event


@pytest.mark.parametrize(
    "sent",
    [
        {"seq": 1, "type": "log"},
        frame("accepted"),
        frame("turn_ended", message_id="m", status="lost"),
        frame("log", level="fatal", text="x"),
        {**frame("ready"), "at": "now"},
        {**frame("ready"), "at": 10**400},
        {**frame("ready"), "at": float("nan")},
        {**frame("ready"), "at": None},
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(sent: Frame) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        to_event("B", 2, sent)


@given(
    st.sampled_from(["accepted", "turn_started", "output", "turn_ended", "log", "ready"]),
    st.dictionaries(st.sampled_from(["at", "message_id", "text", "status", "error", "duration_s", "level"]), values),
)
def test_no_frame_fails_in_any_other_way(kind: str, fields: dict[str, Any]) -> None:
    try:
        to_event("B", 1, {"seq": 1, "at": AT, **fields, "type": kind})
    except (KeyError, TypeError, ValueError):
        pass


@pytest.mark.parametrize(
    ("answer", "seq"),
    [('{"ack": 7}', 7), ('{"ack": "7"}', None), ("{}", None), ("[7]", None), ("torn{", None), ("[" * 100_000, None)],
)
def test_what_a_supervisor_acknowledges(answer: str, seq: int | None) -> None:
    assert decode_ack(answer) == seq


@pytest.mark.parametrize("number", [2**63, -(2**63), float("nan"), float("inf")])
def test_no_number_beyond_what_a_database_takes_comes_in(number: float) -> None:
    nested = frame("plan", run=1, message_id="m", entries=["look", {"content": number}])
    with pytest.raises(ValueError, match="without bounds"):
        to_event("B", 1, nested)


def test_usage_and_plan_come_in_as_their_events() -> None:
    usage = to_event("B", 2, frame("usage", message_id="m", usage={"model": "small", "input_tokens": 5}))
    assert isinstance(usage, ev.UsageReported)
    assert (usage.run, usage.usage.model, usage.usage.input_tokens, usage.source_seq) == (2, "small", 5, 7)
