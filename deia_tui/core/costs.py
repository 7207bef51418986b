"""What the bots of a hive have used and what it cost, as `deia-tui cost` and the API tell it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one bot used of one model in a day (2026-01-31, UTC). `cost_usd` is the sum of what is known; `unpriced`
    reports had no price."""

    day: str
    bot_id: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    unpriced: int


_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "unpriced")


def report(costs: Iterable[Cost]) -> dict[str, Any]:
    """The rows and their total."""
    rows = [asdict(cost) for cost in costs]
    return {"days": rows, "total": {name: sum(row[name] for row in rows) for name in _COUNTS}}
