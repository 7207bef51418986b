"""Why a bot is handed no message now, though it could take one: its budget, its provider, or a breaker that waits for a
human. What waits for it is not lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from deia_tui.core.bots import BotSpec
from deia_tui.core.breaker import Phase
from deia_tui.core.state import BotView, Pause, day_of

WARN_AT = 0.8
"""The share of its budget from which on a bot's spending is a warning."""


@dataclass(frozen=True, slots=True)
class Hold:
    """`until` is when it ends by itself (unix seconds), None when somebody must act."""

    kind: Literal["budget", "provider", "breaker"]
    text: str
    until: float | None


def hold_of(bot: BotView, pauses: Mapping[str, Pause], now: float) -> Hold | None:
    """What keeps it from work at `now` (unix seconds). A provider whose time is over is left alone but by one bot until
    that has been answered."""
    if bot.breaker is Phase.OPEN and bot.retry_at is None:
        return Hold("breaker", f"{bot.breaker_reason.rstrip('.')}: restart it once that is mended", None)
    budget = bot.spec.budget_usd
    if budget is not None and spent(bot, now) >= budget:
        return Hold("budget", f"budget of ${budget:.2f} a day used up", next_day(now))
    provider = bot.spec.agent.provider
    if provider and (pause := pauses.get(provider)) is not None:
        return Hold("provider", f"{provider} paused", pause.until)
    return None


def is_guarded(spec: BotSpec) -> bool:
    """Can this bot be held? Then it gets one message at a time: what it has already, nobody could hold back."""
    return bool(spec.agent.provider) or spec.budget_usd is not None


def spent(bot: BotView, now: float) -> float:
    """What it has spent on the day (UTC) of `now`."""
    return bot.spent_usd if bot.spent_day == day_of(now) else 0.0


def next_day(now: float) -> float:
    """When the budgets of this day (UTC) end."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).timestamp()


def over_budget(bot: BotView, now: float) -> str:
    """The sentence for who wants work of a bot that has spent what it may."""
    hours = (next_day(now) - now) / 3600
    return (
        f"{bot.bot_id} has spent ${spent(bot, now):.2f} of its budget of ${bot.spec.budget_usd or 0.0:.2f} a day: "
        f"it takes work again at 00:00 UTC (in {hours:.1f} h), or launched again with a larger budget_usd."
    )
