"""What kind of failure an agent reports: by the code of an error, by the status of the API behind it, or by words,
since agents put the errors of their providers into codes, data, messages or even answers, each in a way of its own."""

import json
import re
from typing import Any

from acp import RequestError

from deia_tui.bot.agents.protocol import TurnResult
from deia_tui.core.turns import Failure

AUTH_REQUIRED = -32000
_INVALID = frozenset({-32700, -32600, -32601, -32602})
_LOST = frozenset({-32603, -32002})
"""Codes of an agent whose inner process is gone, if nothing tells of another reason."""

_STATUS = re.compile(r"\b(?:status|error|code|http\S*)\b\W{0,12}(?:code\W{0,4})?([45]\d\d)\b", re.IGNORECASE)
_WORDS = (
    (Failure.BUDGET, re.compile(r"credit balance|insufficient (credit|funds|balance|quota)", re.IGNORECASE)),
    (Failure.OVERLOAD, re.compile(r"overloaded|rate.?limit|too many requests|resource_exhausted|quota", re.IGNORECASE)),
    (
        Failure.AUTHENTICATION,
        re.compile(r"unauthori[sz]ed|authenticat|not logged in|please log ?in|invalid (x-)?api.?key", re.IGNORECASE),
    ),
    (Failure.OUTAGE, re.compile(r"stream (error|disconnected|closed)|timed? ?out|connection|ECONN|fetch failed", re.I)),
)
_RETRY = re.compile(
    r"(?:retry|try again)[ _-]?(?:after|in|delay)?(?P<unit>_?ms|_?s)?[\W_]{0,4}"
    r"(?P<n>\d+(?:\.\d+)?) ?(?P<unit2>ms|s|m)?\b",
    re.IGNORECASE,
)
_ERROR_TEXT = re.compile(
    r"^\W*(api error|error|internal error|unexpected status|stream (error|disconnected)|exceeded retry limit"
    r"|request failed|failed to|http \d{3})\b",
    re.IGNORECASE,
)
_LONGEST = 500
_LONGEST_RETRY_S = 86_400.0


def of_error(error: RequestError) -> tuple[TurnResult, bool]:
    """How a turn failed, and whether the agent's inner process is lost with it."""
    text = _text(error)
    failure = Failure.AUTHENTICATION if error.code == AUTH_REQUIRED else _by_text(text)
    if failure is None and 400 <= error.code < 600:  # the way of gemini
        failure = _by_status(error.code)
    is_lost = failure is None and error.code in _LOST
    if failure is None:
        failure = Failure.OUTAGE if is_lost else Failure.REQUEST if error.code in _INVALID else Failure.ERROR
    return _failed(text, failure), is_lost


def of_answer(text: str, meta: dict[str, Any] | None) -> TurnResult | None:
    """How a turn failed that the agent says it ended well, without having used a model; None if it did end well."""
    told = _told_failure(meta)
    if not told and (len(text) > 4 * _LONGEST or not _ERROR_TEXT.match(text)):
        return None
    failure = _by_text(told or text)
    if failure is None and not told:
        return None
    return _failed(told or text, failure or Failure.ERROR)


def sentence_of(error: RequestError) -> str:
    return _text(error)[:_LONGEST]


def _failed(text: str, failure: Failure) -> TurnResult:
    return TurnResult(status="failed", error=text[:_LONGEST], failure=failure, retry_after_s=_retry_after_s(text))


def _by_text(text: str) -> Failure | None:
    if found := _STATUS.search(text):
        return _by_status(int(found[1]))
    return next((failure for failure, words in _WORDS if words.search(text)), None)


def _by_status(status: int) -> Failure:
    match status:
        case 401 | 403:
            return Failure.AUTHENTICATION
        case 402:
            return Failure.BUDGET
        case 429 | 529:
            return Failure.OVERLOAD
        case _ if status >= 500 or status == 408:
            return Failure.OUTAGE
        case _:
            return Failure.REQUEST


def _retry_after_s(text: str) -> float | None:
    found = _RETRY.search(text)
    if found is None:
        return None
    factor = {"ms": 0.001, "m": 60.0}.get((found["unit2"] or found["unit"] or "s").strip("_").lower(), 1.0)
    return min(float(found["n"]) * factor, _LONGEST_RETRY_S)


def _text(error: RequestError) -> str:
    """The message, and what `data` adds to it."""
    message, data = _line(str(error)), error.data
    if isinstance(data, dict) and isinstance(data.get("details"), str):
        data = data["details"]
    more = data if isinstance(data, str) else "" if data in (None, {}, []) else json.dumps(data, default=str)
    return f"{message}: {_line(more)}" if more and more not in message else message


def _line(text: str) -> str:
    return " ".join(text[: 4 * _LONGEST].split())


def _told_failure(meta: dict[str, Any] | None) -> str:
    """codex-acp describes the failure in a field of its own."""
    place: Any = meta
    for key in ("jetbrains", "air", "sessionFailure"):
        place = place.get(key) if isinstance(place, dict) else None
    title = place.get("title") if isinstance(place, dict) else None
    return _line(title) if isinstance(title, str) else ""
