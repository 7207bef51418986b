"""Which events an operator must be told of, and when that is over: a pure function from event to alert."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.state import REPLACED, Alert, HiveState


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
        case ev.BreakerChanged(from_phase=Phase.CLOSED, to_phase=Phase.OPEN):
            text = f"breaker open: {event.reason}"
            action = "tries again by itself" if event.retry_at else "r resets it once the cause is mended"
            yield Raise(event.bot_id, "breaker", "warning", text, action)
        case ev.BreakerChanged(to_phase=Phase.CLOSED):
            yield Clear(event.bot_id, "breaker", event.reason)
        case ev.HostLost():
            text = f"host process lost ({event.reason}): bots live on, exits may stay unknown"
            yield Raise(None, "host", "critical", text, "a new host is being started")
        case ev.HostStarted():
            yield Clear(None, "host", f"host {event.pid} took over")


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
