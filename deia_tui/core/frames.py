"""What a bot says on `/events` and in its spool: one JSON object a frame, numbered from 1 within a run.

    {"seq": 7, "at": 1760000000.1, "type": "output", "message_id": "…", "text": "…"}

The supervisor answers on the same WebSocket with {"ack": SEQ} once it has committed everything up to SEQ.

| type          | fields                                     | meaning |
|---------------|--------------------------------------------|---------|
| ready         | –                                          | the agent is up, messages are welcome |
| accepted      | message_id                                 | POST /message took it |
| turn_started  | message_id                                 | the agent has it |
| output        | message_id, text                           | a piece of the answer |
| turn_ended    | message_id, status, error, duration_s, refused | as in events.TurnEnded |
| log           | level, text                                | a line for the bot's log |
"""

import json
import math
from typing import Any

from deia_tui.core import events as ev

Frame = dict[str, Any]


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
                refused=bool(frame.get("refused", False)),
            )
        case "log":
            level = frame["level"]
            if level not in ("info", "warning", "error"):
                raise ValueError(f"level {level!r}")
            return ev.BotLogged(**common, level=level, text=str(frame["text"]))
        case _:
            return None


def decode_ack(text: bytes | str) -> int | None:
    """The number a supervisor acknowledges, or None for anything else."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    seq = answer.get("ack") if isinstance(answer, dict) else None
    return seq if isinstance(seq, int) else None


def _number(value: Any) -> float:
    """Raises TypeError or ValueError for anything but a finite number."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number without bounds")
    return number
