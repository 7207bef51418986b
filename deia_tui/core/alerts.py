"""Which events an operator must be told of, and when that is over: a pure function from event to alert."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.holds import WARN_AT, spent
from deia_tui.core.state import REPLACED, Alert, HiveState
from deia_tui.core.wording import wanted


@dataclass(frozen=True, slots=True)
class Raise:
    bot_id: str | None
    kind: str
    level: Literal["critical", "warning", "info"]
    text: str
    action: str = ""
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    bot_id: str | None
    kind: str
    reason: str


def concerns(event: ev.Event) -> Iterator[Raise | Clear]:
    """What an event means for the alerts. A Raise of an open kind replaces that alert; a Clear of none is nothing."""
    match event:
        case ev.BotExited(exit=exit) if exit.reason == "killed":
            yield Raise(event.bot_id, "killed", "info", f"killed by hand ({exit})", "r starts it again")
        case ev.BotExited(exit=exit) if not exit.expected:
            why = f"{exit.reason} ({exit})" if exit.reason else f"crashed ({exit})"
            yield Raise(event.bot_id, "crash", "warning", why, "its log has the last lines")
        case ev.BotGaveUp():
            yield Clear(event.bot_id, "crash", "gave up")
            action = "r starts it again once the cause is mended"
            yield Raise(event.bot_id, "fatal", "critical", f"fatal: {event.reason}", action)
        case ev.BotStarting(automatic=False):
            for kind in ("fatal", "crash", "killed", "worktree"):
                yield Clear(event.bot_id, kind, "started again")
        case ev.BotStopped():
            for kind in ("fatal", "crash", "cpu", "memory"):
                yield Clear(event.bot_id, kind, "stopped")
        case ev.ProbeFailed() if event.streak == 1:
            text = f"unresponsive: {event.error}"
            yield Raise(event.bot_id, "unresponsive", "warning", text, "killed and restarted if it goes on")
        case ev.ProbeRecovered():
            yield Clear(event.bot_id, "unresponsive", "answers again")
        case ev.BotBackingOff() | ev.BotFinished():
            for kind in ("cpu", "memory", "unresponsive"):
                yield Clear(event.bot_id, kind, "the run ended")
        case ev.BreakerChanged(to_phase=Phase.OPEN, retry_at=None):
            action = "r once that is mended; its messages wait"
            yield Raise(event.bot_id, "breaker", "critical", f"needs you: {event.reason}", action)
        case ev.BreakerChanged(from_phase=Phase.CLOSED, to_phase=Phase.OPEN):
            text = f"breaker open: {event.reason}"
            yield Raise(event.bot_id, "breaker", "warning", text, "tries again by itself")
        case ev.BreakerChanged(to_phase=Phase.CLOSED):
            yield Clear(event.bot_id, "breaker", event.reason)
        case ev.ProviderPaused(provider=provider):
            text = f"{provider} is left alone for {event.until - event.at:.0f} s: {event.reason}"
            yield Raise(None, f"{PAUSED}{provider}", "warning", text, "its bots' messages wait; x tries again at once")
        case ev.ProviderResumed(provider=provider):
            yield Clear(None, f"{PAUSED}{provider}", event.reason)
        case ev.HostLost():
            text = f"host process lost ({event.reason}): bots live on, exits may stay unknown"
            yield Raise(None, "host", "critical", text, "a new host is being started")
        case ev.HostStarted():
            yield Clear(None, "host", f"host {event.pid} took over")


PAUSED = "paused "
"""An alert of a provider that is left alone is of this kind, with its name."""
ASKING_AFTER_S = 30.0
"""So long somebody may take to see that a bot asks for leave."""


def unanswered(state: HiveState, *, now: float) -> Iterator[Raise | Clear]:
    """Bots that have been asking for leave for a while, and those that need not any more."""
    known = {alert.bot_id for alert in state.alerts if alert.kind == "asking" and alert.cleared_at is None}
    waiting = {one.bot_id: one for one in reversed(state.approvals) if now - one.asked_at >= ASKING_AFTER_S}
    for bot_id, oldest in waiting.items():
        if bot_id not in known:
            text = f"asks for leave: {wanted(oldest.request)}"
            yield Raise(bot_id, "asking", "warning", text, "answer it in the console, or with 'deia-tui approve'")
    for answered in known - waiting.keys():
        yield Clear(answered, "asking", "answered")


def budgets(state: HiveState, *, now: float) -> Iterator[Raise | Clear]:
    """Who has spent much of what it may spend today, and who has not any more."""
    known = {alert.bot_id: alert for alert in state.alerts if alert.kind == "budget" and alert.cleared_at is None}
    for bot in state.bots.values():
        limit, used = bot.spec.budget_usd, spent(bot, now)
        alert = known.get(bot.bot_id)
        if limit is None or used < WARN_AT * limit:
            if alert is not None:
                yield Clear(bot.bot_id, "budget", "it may spend again")
            continue
        level: Literal["critical", "warning"] = "critical" if used >= limit else "warning"
        if alert is None or alert.level != level:
            text = f"has spent ${used:.2f} of its ${limit:.2f} of today"
            action = "takes no work before 00:00 UTC, or a launch with a larger budget_usd"
            yield Raise(bot.bot_id, "budget", level, text, action if used >= limit else "", used, limit)


def settle(
    wanted: Iterable[Raise | Clear], state: HiveState, *, next_id: int, at: float
) -> list[ev.AlertRaised | ev.AlertCleared]:
    """The events that bring the open alerts of `state` to what is wanted; ids count from `next_id`."""
    open_alerts: dict[tuple[str | None, str], int] = {
        (alert.bot_id, alert.kind): alert.alert_id for alert in state.alerts if alert.cleared_at is None
    }
    settled: list[ev.AlertRaised | ev.AlertCleared] = []
    for wish in wanted:
        former = open_alerts.pop((wish.bot_id, wish.kind), None)
        if former is not None:
            reason = wish.reason if isinstance(wish, Clear) else REPLACED
            settled.append(ev.AlertCleared(at=at, alert_id=former, bot_id=wish.bot_id, reason=reason))
        if isinstance(wish, Raise):
            settled.append(
                ev.AlertRaised(
                    at=at,
                    alert_id=next_id,
                    bot_id=wish.bot_id,
                    kind=wish.kind,
                    level=wish.level,
                    text=wish.text,
                    action=wish.action,
                    value=wish.value,
                    threshold=wish.threshold,
                )
            )
            open_alerts[wish.bot_id, wish.kind] = next_id
            next_id += 1
    return settled


def outlived(alerts: Iterable[Alert], state: HiveState, *, now: float, stable_s: float) -> Iterator[Clear]:
    """Crashes that are over: their bot has run for `stable_s` seconds since."""
    for alert in alerts:
        bot = state.bots.get(alert.bot_id or "")
        if alert.cleared_at is not None or alert.kind != "crash" or bot is None:
            continue
        if bot.state is BotState.RUNNING and now - bot.since >= stable_s:
            yield Clear(bot.bot_id, "crash", f"runs for {stable_s:.0f} s")
