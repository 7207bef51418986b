"""What registry.json, bot-status-board.json and heartbeats say, in the shape other DEIA tools read, from the state of
the hive."""

from typing import Any

from deia_tui.core.bots import Activity, BotState, Health
from deia_tui.core.journal import rfc3339
from deia_tui.core.redact import redact_text
from deia_tui.core.state import BotView, HiveState
from deia_tui.core.wording import waiting_for

_STATUS = {BotState.RUNNING: "active"}


def registry(state: HiveState, *, version: int, now: float) -> dict[str, Any]:
    """The bots that have a process. `version` counts changes, `now` is unix seconds."""
    bots = {bot_id: _entry(bot, now) for bot_id, bot in sorted(state.bots.items()) if bot.pid is not None}
    return {"version": version, "updated_at": rfc3339(now), "bots": bots}


def status_board(state: HiveState, *, rev: int, now: float) -> dict[str, Any]:
    """Every bot of the hive. `rev` grows with every change."""
    return {
        "rev": rev,
        "updated_at": rfc3339(now),
        "bots": {bot_id: _place(bot) for bot_id, bot in sorted(state.bots.items())},
    }


def heartbeat(bot: BotView, state: HiveState, *, task_id: str, now: float) -> dict[str, Any]:
    """`task_id` is the task it is working on, or ""."""
    return {
        "agent_id": bot.bot_id,
        "role": bot.spec.template or bot.spec.agent.name,
        "status": _doing(bot, state, now),
        "current_task": task_id or redact_text(bot.task) or None,
        "last_heartbeat": rfc3339(_last_heard(bot, now)),
    }


def _doing(bot: BotView, state: HiveState, now: float) -> str:
    if bot.state is not BotState.RUNNING:
        return "offline"
    if waiting_for(bot, state, now):
        return "waiting"
    if bot.activity is not Activity.IDLE:
        return "busy"
    return "paused" if bot.paused else "idle"


def _last_heard(bot: BotView, now: float) -> float:
    """Of an unhealthy bot nobody knows: at the earliest when it got where it is."""
    return now if bot.health is Health.OK else bot.since


def _entry(bot: BotView, now: float) -> dict[str, Any]:
    spec = bot.spec
    return {
        "port": bot.port,
        "pid": bot.pid,
        "repo": spec.workdir,
        "status": _STATUS.get(bot.state, bot.state.value),
        "registered_at": rfc3339(bot.since),
        "last_heartbeat": rfc3339(_last_heard(bot, now)),
        "metadata": {"bot_type": spec.template or spec.agent.name, "adapter_type": spec.agent.kind},
    }


def _place(bot: BotView) -> dict[str, Any]:
    return {
        "status": bot.state.value,
        "health": bot.health.value,
        "breaker": bot.breaker.value,
        "task": redact_text(bot.task),
        "pid": bot.pid,
        "port": bot.port,
        "since": rfc3339(bot.since),
        "last_error": _last_error(bot),
    }


def _last_error(bot: BotView) -> str | None:
    if bot.state is BotState.FATAL:
        return bot.reason
    return None if bot.exit is None or bot.exit.clean else str(bot.exit)
