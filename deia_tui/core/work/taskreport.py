"""Tasks and how much work there is, as the API and `deia-tui task --json` print them. Times are unix seconds."""

from collections.abc import Sequence
from typing import Any

from deia_tui.core.client import TaskDetail
from deia_tui.core.work.tasks import Attempt, Task
from deia_tui.core.work.view import WorkView


def task(one: Task) -> dict[str, Any]:
    """`to` null is anyone; `held` says why it is kept back, or is ""."""
    return {
        "task_id": one.task_id,
        "title": one.title,
        "state": str(one.state),
        "priority": one.priority,
        "type": str(one.task_type),
        "sender": one.sender,
        "to": one.to or None,
        "bot_id": one.bot_id or None,
        "held": one.held,
        "after": list(one.after),
        "tries": one.tries,
        "created_at": one.created_at,
        "since": one.since,
        "not_before": one.not_before or None,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "error": one.error,
        "source": one.source or None,
        "response": one.response or None,
        "text": one.text,
    }


def detail(found: TaskDetail, *, with_output: bool = True) -> dict[str, Any]:
    """`text` is all of it; tokens and cost are those of all attempts, null where nobody reported any."""
    return {
        **task(found.task),
        "waits_for": found.waits_for,
        "needs": {task_id: str(state) for task_id, state in found.needs},
        "attempts": [_attempt(one) for one in found.attempts],
        "tokens_in": _sum([one.tokens_in for one in found.attempts]),
        "tokens_out": _sum([one.tokens_out for one in found.attempts]),
        "cost_usd": _sum([one.cost_usd for one in found.attempts]),
        "choice": [{"bot_id": bot.bot_id, "score": round(bot.score, 4)} for bot in found.choice],
        "reasons": list(found.reasons),
        "output": found.answer.answer if with_output and found.answer else None,
    }


def work(view: WorkView, now: float) -> dict[str, Any]:
    """How much there is to do; `oldest_s` is how long the longest has waited."""
    return {
        "waiting": view.waiting,
        "held": view.held,
        "scheduled": view.scheduled,
        "running": view.running,
        "dead": view.dead,
        "oldest_s": None if view.oldest_at is None else round(max(0.0, now - view.oldest_at), 1),
        "letters_pending": view.letters_pending,
        "strain": view.strain,
        "strain_reason": view.strain_reason,
        "bots": {
            bot_id: {
                "addressed": bot.addressed,
                "ahead": bot.ahead,
                "running": bot.running or None,
                "refuses": bot.refuses,
            }
            for bot_id, bot in sorted(view.bots.items())
        },
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "attempt": one.attempt,
        "bot_id": one.bot_id,
        "message_id": one.message_id,
        "assigned_at": one.assigned_at,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "outcome": one.outcome,
        "error": one.error,
        "reasons": list(one.reasons),
        "confidence": one.confidence,
        "tokens_in": one.tokens_in,
        "tokens_out": one.tokens_out,
        "cost_usd": one.cost_usd,
    }


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None
