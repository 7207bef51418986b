"""The state of a hive as `deia-tui status --json` and the API print it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from deia_tui.core.holds import hold_of, spent
from deia_tui.core.state import NO_SERIES, Approval, BotView, Pause, Series, Snapshot
from deia_tui.core.stopping import waits_for
from deia_tui.core.work.taskreport import work

NO_PAUSES: Mapping[str, Pause] = MappingProxyType({})


def status(snapshot: Snapshot, now: float) -> dict[str, Any]:
    """`cpu_percent` counts 100 for one core; `memory_mb` is in units of 1e6 bytes; both null without a process.

    `waits_for` says why a bot that stops has not ended at `now` (unix seconds).
    """
    state = snapshot.state
    return {
        "hive": {"name": state.name, "folder": state.folder, "seq": snapshot.seq, "host_pid": state.host_pid},
        "supervisor": {"pid": state.pid, "mode": state.mode},
        "bots": [
            bot_status(bot, snapshot.telemetry.bots.get(bot.bot_id, NO_SERIES), now, state.pauses)
            for _, bot in sorted(state.bots.items())
        ],
        "work": work(snapshot.work, now),
    }


def bot_status(bot: BotView, series: Series, now: float, pauses: Mapping[str, Pause] = NO_PAUSES) -> dict[str, Any]:
    """`held` says why its messages wait though it runs, and until when (unix seconds, null: until somebody acts)."""
    hold = hold_of(bot, pauses, now)
    sampled = bot.pid is not None and bool(series.cpu)
    return {
        "id": bot.bot_id,
        "state": str(bot.state),
        "activity": str(bot.activity),
        "pid": bot.pid,
        "port": bot.port,
        "run": bot.run,
        "restarts": bot.restarts,
        "breaker": str(bot.breaker),
        "health": str(bot.health),
        "cpu_percent": round(series.cpu[-1], 1) if sampled else None,
        "memory_mb": round(series.memory_mb[-1], 1) if sampled else None,
        "agent": bot.spec.agent.name,
        "kind": bot.spec.agent.kind,
        "template": bot.spec.template,
        "exit": None if bot.exit is None else {"code": bot.exit.code, "signal": bot.exit.signal, "at": bot.exit.at},
        "reason": bot.reason,
        "waits_for": waits_for(bot, now),
        "message_id": bot.message_id,
        "queued": len(bot.queued),
        "trouble": bot.trouble,
        "held": None if hold is None else {"kind": hold.kind, "text": hold.text, "until": hold.until},
        "session": None if bot.session is None else bot.session.session_id,
        "spent_usd": round(spent(bot, now), 6),
        "budget_usd": bot.spec.budget_usd,
    }


def approval(open_one: Approval, now: float) -> dict[str, Any]:
    """A request for leave that waits; times are unix seconds."""
    request = open_one.request
    return {
        "request_id": request.request_id,
        "bot_id": open_one.bot_id,
        "message_id": open_one.message_id,
        "tool": request.tool,
        "title": request.title,
        "input": request.input,
        "options": [option.kind for option in request.options],
        "asked_at": open_one.asked_at,
        "age_s": round(max(0.0, now - open_one.asked_at), 1),
        "expires_at": open_one.expires_at,
        "expires_in_s": round(max(0.0, open_one.expires_at - now), 1),
    }
