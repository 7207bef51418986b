"""Windows of metrics added up, kept and printed: the last hour beside the last 24, of each bot and of all together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from deia_tui.core.metrics import HIVE, PERCENTILES, Window
from deia_tui.core.spread import Spread

HOUR_S, DAY_S = 3600.0, 86_400.0
_COUNTED = ("messages", "answered", "tasks_done", "tasks_failed", "up_s")
_SPREADS = ("answers", "waits", "runs", "ways", "requests")
_USED = ("tokens_in", "tokens_out", "cost_usd")


def add_up(windows: Sequence[Window]) -> Window:
    """One window with all of that in it, as long as all of them together; there is at least one."""
    sums: dict[str, Any] = {name: sum(getattr(window, name) for window in windows) for name in _COUNTED}
    sums |= {name: reduce(Spread.__add__, (getattr(window, name) for window in windows)) for name in _SPREADS}
    sums |= {name: _sum([getattr(window, name) for window in windows]) for name in _USED}
    return Window(
        at=max(window.at for window in windows),
        bot_id=windows[0].bot_id,
        window_s=sum(window.window_s for window in windows),
        errors=sum((Counter(window.errors) for window in windows), Counter()),
        **sums,
    )


def to_json(window: Window) -> dict[str, Any]:
    """What is worth keeping of it; its time and bot stand beside it."""
    kept: dict[str, Any] = {"window_s": round(window.window_s, 1)}
    kept |= {name: getattr(window, name) for name in (*_COUNTED, *_USED) if getattr(window, name)}
    kept |= {name: {str(size): n for size, n in sorted(spread.counts.items())} for name, spread in _spreads(window)}
    return {**kept, **({"errors": dict(window.errors)} if window.errors else {})}


def from_json(at: float, bot_id: str, kept: Mapping[str, Any]) -> Window:
    fields: dict[str, Any] = {name: kept[name] for name in ("window_s", "errors", *_COUNTED, *_USED) if name in kept}
    for name in _SPREADS:
        fields[name] = Spread({int(size): int(count) for size, count in kept.get(name, {}).items()})
    return Window(at=at, bot_id=bot_id, **fields)


def summary(windows: Iterable[Window], now: float) -> dict[str, Any]:
    """`bots` and `total`, each with its `hour` and `day`; null where nothing happened."""
    recent = [window for window in windows if now - DAY_S < window.at <= now]
    observed_s = {
        name: _observed_s([window for window in recent if window.at > now - span_s], span_s)
        for name, span_s in (("hour", HOUR_S), ("day", DAY_S))
    }

    def spans(mine: Sequence[Window]) -> dict[str, Any]:
        hour = [window for window in mine if window.at > now - HOUR_S]
        return {
            name: _figures(part, observed_s[name]) if part else None for name, part in (("hour", hour), ("day", mine))
        }

    bot_ids = sorted({window.bot_id for window in recent} - {HIVE})
    return {
        "at": now,
        "bots": {bot_id: spans([window for window in recent if window.bot_id == bot_id]) for bot_id in bot_ids},
        "total": spans(recent),
    }


def _observed_s(windows: Sequence[Window], span_s: float) -> float:
    """How much of the span the hive was there to see."""
    if not windows:
        return span_s
    begins = min(window.at - window.window_s for window in windows)
    return max(1.0, min(span_s, max(window.at for window in windows) - begins))


def _figures(windows: Sequence[Window], observed_s: float) -> dict[str, Any]:
    """Times of tasks are seconds, an AI works; those of calls and requests milliseconds."""
    all_of_it = add_up(windows)
    bots = {window.bot_id for window in windows} - {HIVE}
    calls, ended = all_of_it.answered + all_of_it.failed, all_of_it.tasks_done + all_of_it.tasks_failed
    return {
        "messages_per_minute": round(60 * all_of_it.messages / observed_s, 2),
        "calls": calls,
        "calls_failed": all_of_it.failed,
        "error_rate": round(all_of_it.failed / calls, 4) if calls else None,
        "errors": dict(all_of_it.errors),
        "latency_ms": _percentiles(all_of_it.answers, 1000),
        "tasks_done": all_of_it.tasks_done,
        "tasks_failed": all_of_it.tasks_failed,
        "task_completion_rate": round(all_of_it.tasks_done / ended, 4) if ended else None,
        "task_wait_s": _percentiles(all_of_it.waits, 1),
        "task_run_s": _percentiles(all_of_it.runs, 1),
        "task_latency_s": _percentiles(all_of_it.ways, 1),
        "api_latency_ms": _percentiles(all_of_it.requests, 1000),
        "tokens_in": all_of_it.tokens_in,
        "tokens_out": all_of_it.tokens_out,
        "cost_usd": None if all_of_it.cost_usd is None else round(all_of_it.cost_usd, 6),
        "uptime_percent": round(min(100.0, 100 * all_of_it.up_s / observed_s / len(bots)), 1) if bots else None,
    }


def _percentiles(spread: Spread, unit: float) -> dict[str, float | None]:
    found = {part: spread.percentile(part) for part in PERCENTILES}
    return {f"p{part}": None if time_s is None else float(f"{time_s * unit:.3g}") for part, time_s in found.items()}


def _spreads(window: Window) -> list[tuple[str, Spread]]:
    return [(name, getattr(window, name)) for name in _SPREADS if getattr(window, name).counts]


def _sum(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
