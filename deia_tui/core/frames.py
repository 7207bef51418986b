"""What a bot says on `/events` and in its spool: one JSON object a frame, numbered from 1 within a run.

    {"seq": 7, "at": 1760000000.1, "type": "output", "message_id": "…", "text": "…"}

The supervisor answers on the same WebSocket with {"ack": SEQ} once it has committed everything up to SEQ.

| type          | fields                                     | meaning |
|---------------|--------------------------------------------|---------|
| ready         | –                                          | the agent is up, messages are welcome |
| accepted      | message_id                                 | POST /message took it |
| turn_started  | message_id                                 | the agent has it |
| output        | message_id, text                           | a piece of the answer |
| turn_ended    | message_id, status, error, duration_s, failure, retry_after_s, stop_reason | as in events.TurnEnded |
| log           | level, text                                | a line for the bot's log |
| thought       | message_id, text                           | as in events.ThoughtAdded |
| tool          | message_id, call                           | as in events.ToolCallChanged |
| plan          | message_id, entries                        | as in events.PlanChanged |
| usage         | message_id, usage                          | as in events.UsageReported |
| asked         | message_id, request, expires_at            | as in events.PermissionAsked |
| answered      | request_id, outcome, by, note, grant       | as in events.PermissionAnswered |
| session       | agent, session_id, resumed, note           | as in events.SessionOpened |
| degraded      | reason                                     | as in events.AgentDegraded |
"""

import json
import math
from contextlib import suppress
from typing import Any, get_args

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.turns import Failure, StopReason

Frame = dict[str, Any]

_AS_EVENTS: dict[str, type] = {
    "thought": ev.ThoughtAdded,
    "tool": ev.ToolCallChanged,
    "plan": ev.PlanChanged,
    "usage": ev.UsageReported,
    "asked": ev.PermissionAsked,
    "answered": ev.PermissionAnswered,
    "session": ev.SessionOpened,
    "degraded": ev.AgentDegraded,
}
"""Frames that have the fields of an event, beside those that the hive adds."""


def encode(frame: Frame) -> bytes:
    """One line, without its line feed."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(line: bytes | str) -> Frame | None:
    """The frame, or None for a torn or foreign line."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(frame, dict) and isinstance(frame.get("seq"), int) and isinstance(frame.get("type"), str)
    return frame if sound else None


def to_event(bot_id: str, run: int, frame: Frame) -> ev.Event | None:
    """The hive's event for a bot's frame; None for `ready` and for types of a newer bot.

    Raises KeyError, TypeError or ValueError when fields are missing or wrong.
    """
    common: dict[str, Any] = {"at": _number(frame["at"]), "bot_id": bot_id, "run": run, "source_seq": int(frame["seq"])}
    match frame["type"]:
        case "accepted":
            return ev.MessageAccepted(**common, message_id=str(frame["message_id"]))
        case "turn_started":
            return ev.TurnStarted(**common, message_id=str(frame["message_id"]))
        case "output":
            return ev.OutputAdded(**common, message_id=str(frame["message_id"]), text=str(frame["text"]))
        case "turn_ended":
            status = frame["status"]
            if status not in ("answered", "failed", "interrupted"):
                raise ValueError(f"status {status!r}")
            return ev.TurnEnded(
                **common,
                message_id=str(frame["message_id"]),
                status=status,
                error=str(frame.get("error", "")),
                duration_s=_number(frame.get("duration_s", 0.0)),
                failure=_failure(frame),
                retry_after_s=_retry_after_s(frame),
                stop_reason=_stop_reason(frame),
            )
        case "log":
            level = frame["level"]
            if level not in ("info", "warning", "error"):
                raise ValueError(f"level {level!r}")
            return ev.BotLogged(**common, level=level, text=str(frame["text"]))
        case kind if kind in _AS_EVENTS:
            _check_numbers(frame)
            return codec.from_json({**frame, **common, "type": codec.type_name(_AS_EVENTS[kind])})
        case _:
            return None


def _failure(frame: Frame) -> Failure | None:
    """A bot of version 0.1 told no more of a failure than that it says nothing against the agent. A class that a newer
    bot told is an ERROR here: whatever it is, the turn has ended."""
    if frame["status"] != "failed":
        return None
    if frame.get("failure") in tuple(Failure):
        return Failure(frame["failure"])
    return Failure.REQUEST if frame.get("refused") else Failure.ERROR


def _retry_after_s(frame: Frame) -> float | None:
    """Of one that is no number nothing is believed."""
    with suppress(TypeError, ValueError):
        return _number(frame.get("retry_after_s"))
    return None


def _stop_reason(frame: Frame) -> StopReason:
    return next((reason for reason in get_args(StopReason) if reason == frame.get("stop_reason")), "")


def decode_ack(text: bytes | str) -> int | None:
    """The number a supervisor acknowledges, or None for anything else."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    seq = answer.get("ack") if isinstance(answer, dict) else None
    return seq if isinstance(seq, int) else None


_BOUND = 2**63
"""No number of ours comes near; a database takes none beyond, and NaN is not within either."""


def _check_numbers(value: Any) -> None:
    """Raises ValueError for one that nothing could be done with."""
    match value:
        case int() | float() if not -_BOUND < value < _BOUND:
            raise ValueError("a number without bounds")
        case dict():
            for item in value.values():
                _check_numbers(item)
        case list():
            for item in value:
                _check_numbers(item)


def _number(value: Any) -> float:
    """Raises TypeError or ValueError for anything but a finite number."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number without bounds")
    return number
