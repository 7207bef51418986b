"""adaptive-scheduling.jsonl: whom the scheduler chose and recommends, and what every result taught it."""

from collections.abc import Iterator, Sequence
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, rfc3339
from deia_tui.core.work.tasks import Candidate

FILE = "adaptive-scheduling.jsonl"
_SAME = 0.005
"""Scores that differ by less are the same."""


class Scheduling:
    def lines(self, event: ev.Event) -> Iterator[Line]:
        match event:
            case ev.TaskAssigned(confidence=float()):
                details = {"task_id": event.task_id, "attempt": event.attempt, "reasons": list(event.reasons)}
                yield _line("bot_selected", event, event.confidence, details, event.candidates)
            case ev.RecommendationGenerated():
                details = {"reason": event.reason}
                yield _line("recommendation_generated", event, event.confidence, details, event.candidates)
            case ev.PerformanceRecorded():
                yield from _learned(event)
            case _:
                pass


def _learned(event: ev.PerformanceRecorded) -> Iterator[Line]:
    known = event.performance
    result = {
        "task_id": event.task_id,
        "succeeded": event.succeeded,
        "duration_seconds": round(event.duration_s, 3),
        "tokens": event.tokens,
        "samples": known.samples,
        "success_rate": round(known.success_rate, 4),
    }
    yield _line("performance_recorded", event, event.expected, result)
    if abs(known.score - event.former_score) >= _SAME:
        scores = {"score": round(known.score, 4), "former_score": round(event.former_score, 4)}
        yield _line("efficiency_updated", event, None, scores)
    if known.trend != event.former_trend and "unknown" not in (known.trend, event.former_trend):
        trends = {"trend": known.trend, "former_trend": event.former_trend}
        yield _line("trend_detected", event, None, {**trends, "score": round(known.score, 4)})


def _line(
    name: str,
    event: ev.TaskAssigned | ev.RecommendationGenerated | ev.PerformanceRecorded,
    confidence: float | None,
    details: dict[str, Any],
    candidates: Sequence[Candidate] = (),
) -> Line:
    row = {
        "timestamp": rfc3339(event.at),
        "event": name,
        "task_type": str(event.task_type),
        "recommended_bot": event.bot_id,
        "confidence": None if confidence is None else round(confidence, 4),
        "candidate_bots": [{"bot_id": one.bot_id, "score": round(one.score, 4)} for one in candidates],
        "details": details,
    }
    return FILE, row
