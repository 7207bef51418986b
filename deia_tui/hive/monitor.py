"""Turns the samples of all bots into what the screen shows, what the store keeps, and alerts on runaways."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import psutil

from deia_tui.core.alerts import Clear, Raise, budgets, outlived, unanswered
from deia_tui.core.runaway import exceeds, recovered
from deia_tui.core.state import HISTORY_S, NO_SERIES, BotView, Series, Telemetry
from deia_tui.engine.protocol import Sampled
from deia_tui.hive.record import Record
from deia_tui.settings import Settings


class Monitor:
    def __init__(self, record: Record, settings: Settings) -> None:
        self._record = record
        self._settings = settings
        psutil.cpu_percent(None)

    async def take(self, sampled: Sampled) -> None:
        """One second of every bot."""
        before = self._record.snapshot.telemetry
        cpu_percent, memory_percent = _machine(before)
        telemetry = Telemetry(
            taken=before.taken + 1,
            bots=MappingProxyType(_lengthen(before.bots, sampled, self._record.state.bots)),
            cpu_percent=cpu_percent,
            memory_percent=memory_percent,
        )
        self._record.measure(telemetry)
        await self._record.alert([*self._runaways(sampled, telemetry), *self._over(sampled.at)])

    def _runaways(self, sampled: Sampled, telemetry: Telemetry) -> Iterator[Raise | Clear]:
        state = self._record.state
        known = {(alert.bot_id, alert.kind) for alert in state.alerts if alert.cleared_at is None}
        for bot_id in sampled.bots:
            bot = state.bots.get(bot_id)
            if bot is None:
                continue
            policy, series = self._settings.runaway_policy(bot.spec), telemetry.bots[bot_id]
            checks = (
                ("cpu", series.cpu, policy.cpu_percent, "%", "i interrupts its work, K kills it"),
                ("memory", series.memory_mb, policy.memory_mb, "MB", "r restarts it, K kills it"),
            )
            for kind, values, limit, unit, action in checks:
                if (bot_id, kind) not in known and exceeds(values, limit, policy):
                    text = f"runaway {kind}: {values[-1]:.0f} {unit} for {policy.samples} s (limit {limit:.0f} {unit})"
                    yield Raise(bot_id, kind, "warning", text, action, values[-1], limit)
                elif (bot_id, kind) in known and recovered(values, limit, policy):
                    yield Clear(bot_id, kind, f"{kind} back at {values[-1]:.0f} {unit}")

    def _over(self, now: float) -> Iterator[Raise | Clear]:
        """What time brings, and takes away."""
        state = self._record.state
        yield from outlived(state.alerts, state, now=now, stable_s=self._settings.restart.stable_s)
        yield from unanswered(state, now=now)
        yield from budgets(state, now=now)


def _machine(before: Telemetry) -> tuple[float, float]:
    """How much of the machine's CPU and memory is in use, in percent; out of descriptors, what it was before."""
    try:
        return psutil.cpu_percent(None), psutil.virtual_memory().percent
    except OSError:
        return before.cpu_percent, before.memory_percent


def _lengthen(before: Mapping[str, Series], sampled: Sampled, bots: Mapping[str, BotView]) -> dict[str, Series]:
    """The series of all bots with a second more; one that has no process keeps what it had."""
    series = {bot_id: before.get(bot_id, NO_SERIES) for bot_id in bots}
    for bot_id, (cpu, memory_mb, *_) in sampled.bots.items():
        old = series.get(bot_id, NO_SERIES)
        series[bot_id] = Series(
            cpu=(*old.cpu[1 - HISTORY_S :], cpu), memory_mb=(*old.memory_mb[1 - HISTORY_S :], memory_mb)
        )
    return series
