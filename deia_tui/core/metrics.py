"""How the bots did in the last minutes, from the events of that time: one line a bot for `metrics-YYYY-MM-DD.jsonl`.
Tokens and cost are null where agents report none, and there are no tasks yet."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.journal import Line, rfc3339
from deia_tui.core.redact import redact_text
from deia_tui.core.state import BotView

_UP = frozenset({BotState.RUNNING, BotState.STOPPING})


@dataclass(slots=True)
class _Counts:
    asked: int = 0
    ended: int = 0
    latencies_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    used: bool = False
    up_s: float = 0.0
    up_since: float | None = None


class Metrics:
    """One window after the other; `since` is when the first begins (unix seconds)."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._bots: dict[str, _Counts] = {}

    def add(self, event: ev.Event) -> None:
        match event:
            case ev.MessageQueued():
                self._of(event.bot_id).asked += 1
            case ev.TurnEnded(status="answered" | "failed"):
                counts = self._of(event.bot_id)
                counts.ended += 1
                if event.source_seq:
                    counts.latencies_s.append(event.duration_s)
                if event.status == "failed":
                    counts.errors[redact_text(event.error).partition(":")[0][:60]] += 1
            case ev.UsageReported(usage=usage, cost_usd=cost):
                counts = self._of(event.bot_id)
                counts.used = True
                counts.tokens_in += usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
                counts.tokens_out += usage.output_tokens
                counts.cost_usd = counts.cost_usd if cost is None else (counts.cost_usd or 0.0) + cost
            case ev.BotReady():
                self._of(event.bot_id).up_since = event.at
            case ev.BotExited():
                counts = self._of(event.bot_id)
                if counts.up_since is not None:
                    counts.up_s += max(0.0, event.at - max(counts.up_since, self._since))
                counts.up_since = None
            case _:
                return

    def close(self, at: float, bots: Mapping[str, BotView]) -> list[Line]:
        """The lines of the window that ends now; the next one begins. Bots that were off and silent have none, nor has
        anybody when the clock was set back."""
        since, counted = self._since, self._bots
        up = {bot_id: bot.since for bot_id, bot in bots.items() if bot.state in _UP}
        self._since, self._bots = at, {bot_id: _Counts(up_since=at) for bot_id, at in up.items()}
        if at <= since:
            return []
        lines = []
        for bot_id in sorted(bots):
            counts = counted.get(bot_id, _Counts())
            counts.up_s += max(0.0, at - max(up[bot_id], since)) if bot_id in up else 0.0
            if counts.up_s or counts.asked or counts.ended or counts.used:
                lines.append((f"metrics-{rfc3339(at)[:10]}.jsonl", _row(at, bot_id, at - since, counts)))
        return lines

    def _of(self, bot_id: str) -> _Counts:
        return self._bots.setdefault(bot_id, _Counts())


def _row(at: float, bot_id: str, window_s: float, counts: _Counts) -> dict[str, object]:
    failed = counts.errors.total()
    return {
        "timestamp": rfc3339(at),
        "bot_id": bot_id,
        "window_s": round(window_s, 1),
        "messages_per_minute": round(60 * counts.asked / window_s, 2),
        "latency_ms": {f"p{part}": _percentile(sorted(counts.latencies_s), part) for part in (50, 95, 99)},
        "error_rate": round(failed / counts.ended, 4) if counts.ended else None,
        "errors": dict(counts.errors),
        "tasks_done": None,
        "tasks_failed": None,
        "tokens_in": counts.tokens_in if counts.used else None,
        "tokens_out": counts.tokens_out if counts.used else None,
        "cost_usd": None if counts.cost_usd is None else round(counts.cost_usd, 6),
        "uptime_percent": round(min(100.0, 100 * counts.up_s / window_s), 1),
    }


def _percentile(ordered: Sequence[float], part: int) -> float | None:
    """In milliseconds, by nearest rank."""
    if not ordered:
        return None
    return round(1000 * ordered[max(0, math.ceil(len(ordered) * part / 100) - 1)], 1)
