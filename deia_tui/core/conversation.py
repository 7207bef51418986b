"""What happened in a turn, in order: decides how its events add up to what a chat shows, for turns of the past and for
the one under way alike."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from deia_tui.core import events as ev
from deia_tui.core.turns import Outcome, PermissionRequest, PlanEntry, ToolCall, Usage

PIECE = 4096
"""A text grows by joining short pieces up to this length: joining all of it each time would take the square of it."""
MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Text:
    """What the agent said, without a break; all pieces but the last stay as they are."""

    pieces: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Thought:
    """What it thought, without a break; as a Text. From its first piece to its last it took `took_s`."""

    pieces: tuple[str, ...]
    began_at: float = 0.0
    took_s: float = 0.0

    def __str__(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call where it began, as far as it is known by now."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Plan:
    """Its plan where it was first told, as it is by now."""

    entries: tuple[PlanEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What it asked leave for; `outcome` is None while it waits. Times are unix seconds."""

    request: PermissionRequest
    asked_at: float
    expires_at: float
    outcome: Outcome | None = None
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """All tokens of the turn by now; the model is the last one. `cost_usd` is the sum of what is known, None if nothing
    is; `all_priced`: there is nothing unknown."""

    usage: Usage
    cost_usd: float | None
    all_priced: bool


@dataclass(frozen=True, slots=True)
class Omitted:
    """So many older parts of the turn are left out."""

    count: int


Part = Text | Thought | Tool | Plan | Leave | Used | Omitted
Parts = tuple[Part, ...]
"""In order; Omitted is the first and Used the last where there are any."""


def add(parts: Parts, event: ev.Event) -> Parts:
    """The parts of a turn after an event of it; `parts` itself for an event that is none of a chat's, and for an answer
    to another turn's request."""
    match event:
        case ev.OutputAdded(text=text):
            return _say(parts, Text, text)
        case ev.ThoughtAdded(text=text, at=at):
            return _timed(_say(parts, Thought, text), at)
        case ev.ToolCallChanged(call=call):
            return _put(parts, Tool(call), lambda part: isinstance(part, Tool) and part.call.call_id == call.call_id)
        case ev.PlanChanged(entries=entries):
            return _put(parts, Plan(entries), lambda part: isinstance(part, Plan))
        case ev.UsageReported():
            return _use(parts, event)
        case ev.PermissionAsked(request=request):
            return _append(parts, Leave(request=request, asked_at=event.at, expires_at=event.expires_at))
        case ev.PermissionAnswered():
            return _answer(parts, event)
        case _:
            return parts


def close(parts: Parts) -> Parts:
    """The parts of a turn that is over: a tool call whose end nobody told failed with it."""
    return tuple(Tool(part.call.closed()) if isinstance(part, Tool) and part.call.is_open else part for part in parts)


def answer_of(parts: Parts) -> str:
    """All it said, without what it did in between."""
    return "".join(piece for part in parts if isinstance(part, Text) for piece in part.pieces)


def _say(parts: Parts, kind: type[Text] | type[Thought], text: str) -> Parts:
    end = _end(parts)
    last = parts[end - 1] if end else None
    if not text:
        return parts
    if not isinstance(last, kind):
        return _append(parts, kind((text,)))
    *done, piece = last.pieces
    pieces = (*done, piece + text) if len(piece) + len(text) <= PIECE else (*last.pieces, text)
    return (*parts[: end - 1], replace(last, pieces=pieces), *parts[end:])


def _timed(parts: Parts, at: float) -> Parts:
    """With the time of the thought that goes on at the end."""
    end = _end(parts)
    last = parts[end - 1] if end else None
    if not isinstance(last, Thought):
        return parts
    began_at = last.began_at or at
    return (*parts[: end - 1], replace(last, began_at=began_at, took_s=max(0.0, at - began_at)), *parts[end:])


def _put(parts: Parts, part: Part, is_former: Callable[[Part], bool]) -> Parts:
    """In the place of what was known before, or at the end."""
    for place in range(len(parts) - 1, -1, -1):
        if is_former(parts[place]):
            return (*parts[:place], part, *parts[place + 1 :])
    return _append(parts, part)


def _answer(parts: Parts, event: ev.PermissionAnswered) -> Parts:
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if isinstance(part, Leave) and part.request.request_id == event.request_id and part.outcome is None:
            answered = replace(part, outcome=event.outcome, by=event.by, note=event.note)
            return (*parts[:place], answered, *parts[place + 1 :])
    return parts


def _use(parts: Parts, event: ev.UsageReported) -> Parts:
    more, cost = event.usage, event.cost_usd
    last = parts[-1] if parts else None
    if not isinstance(last, Used):
        return (*parts, Used(usage=replace(more, cost_usd=None), cost_usd=cost, all_priced=cost is not None))
    before = last.usage
    total = Usage(
        model=more.model or before.model,
        input_tokens=before.input_tokens + more.input_tokens,
        output_tokens=before.output_tokens + more.output_tokens,
        cache_read_tokens=before.cache_read_tokens + more.cache_read_tokens,
        cache_write_tokens=before.cache_write_tokens + more.cache_write_tokens,
    )
    known = last.cost_usd if cost is None else (last.cost_usd or 0.0) + cost
    return (*parts[:-1], Used(usage=total, cost_usd=known, all_priced=last.all_priced and cost is not None))


def _append(parts: Parts, part: Part) -> Parts:
    end = _end(parts)
    longer = (*parts[:end], part, *parts[end:])
    if len(longer) <= MAX_PARTS:
        return longer
    first = longer[0]
    return (Omitted(first.count + 1 if isinstance(first, Omitted) else 2), *longer[2:])


def _end(parts: Parts) -> int:
    """Where a new part goes."""
    return len(parts) - 1 if parts and isinstance(parts[-1], Used) else len(parts)
