"""What the scheduler has learned, as it is shown and printed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deia_tui.core.scheduling.oddities import Oddity
from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.work.tasks import Candidate, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How a bot did, by type, or how a type of task was done, by bot; and in total."""

    total: Performance
    parts: Mapping[str, Performance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Who should do tasks of this type, as far as is known, and with which confidence; `reason` is in words."""

    task_type: TaskType
    bot_id: str
    confidence: float
    reason: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """All of it at one moment."""

    bots: Mapping[str, Stats]
    types: Mapping[TaskType, Stats]
    recommendations: tuple[Recommendation, ...]
    oddities: tuple[Oddity, ...]


def bot(bot_id: str, standings: Standings) -> dict[str, Any]:
    """Durations in seconds, rates, expectations and scores from 0 to 1, times in unix seconds."""
    stats = standings.bots[bot_id]
    odd = [one.text for one in standings.oddities if one.bot_id == bot_id]
    return {"bot_id": bot_id, "total": _total(stats.total), "types": _parts(stats), "odd": odd}


def task_type(kind: TaskType, standings: Standings) -> dict[str, Any]:
    stats = standings.types[kind]
    return {"task_type": str(kind), "total": _total(stats.total), "bots": _parts(stats)}


def export(standings: Standings) -> list[dict[str, Any]]:
    """One object for each bot and type."""
    return [
        {"bot_id": bot_id, "task_type": kind, **_of(known)}
        for bot_id, stats in standings.bots.items()
        for kind, known in stats.parts.items()
    ]


def recommendation(one: Recommendation) -> dict[str, Any]:
    return {
        "task_type": str(one.task_type),
        "bot_id": one.bot_id,
        "confidence": round(one.confidence, 4),
        "reason": one.reason,
        "candidates": [{"bot_id": other.bot_id, "score": round(other.score, 4)} for other in one.candidates],
    }


def _parts(stats: Stats) -> dict[str, dict[str, Any]]:
    return {name: _of(known) for name, known in stats.parts.items()}


def _of(known: Performance) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(known).items()}


def _total(known: Performance) -> dict[str, Any]:
    """Scores and trends are those of a type."""
    return {name: value for name, value in _of(known).items() if name not in ("score", "usual_score", "trend")}
