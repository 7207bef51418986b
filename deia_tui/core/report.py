"""The state of a hive as `deia-tui status --json` and the API print it."""

from typing import Any

from deia_tui.core.state import NO_SERIES, BotView, Series, Snapshot
from deia_tui.core.stopping import waits_for


def status(snapshot: Snapshot, now: float) -> dict[str, Any]:
    """`cpu_percent` counts 100 for one core; `memory_mb` is in units of 1e6 bytes; both null without a process.

    `waits_for` says why a bot that stops has not ended at `now` (unix seconds).
    """
    state = snapshot.state
    return {
        "hive": {"name": state.name, "folder": state.folder, "seq": snapshot.seq, "host_pid": state.host_pid},
        "supervisor": {"pid": state.pid, "mode": state.mode},
        "bots": [
            bot_status(bot, snapshot.telemetry.bots.get(bot.bot_id, NO_SERIES), now)
            for _, bot in sorted(state.bots.items())
        ],
    }


def bot_status(bot: BotView, series: Series, now: float) -> dict[str, Any]:
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
        "template": bot.spec.template,
        "exit": None if bot.exit is None else {"code": bot.exit.code, "signal": bot.exit.signal, "at": bot.exit.at},
        "reason": bot.reason,
        "waits_for": waits_for(bot, now),
        "message_id": bot.message_id,
        "queued": len(bot.queued),
    }
