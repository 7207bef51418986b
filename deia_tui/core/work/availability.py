"""Decides whether a bot may be given tasks now, and says why not."""

from collections.abc import Mapping

from deia_tui.core.bots import BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.holds import hold_of
from deia_tui.core.state import BotView, Pause


def unavailable(bot: BotView, pauses: Mapping[str, Pause], now: float) -> str:
    """Why it is given no task at `now` (unix seconds), in a few words; "" when it may be given one.

    An open breaker whose cooldown is over, and a provider whose pause is, want one to try them.
    """
    if bot.state is not BotState.RUNNING:
        return f"{bot.bot_id} is {bot.state}"
    if bot.paused:
        return f"{bot.bot_id} is paused"
    if bot.health is Health.UNHEALTHY:
        return f"{bot.bot_id} does not answer its probes"
    hold = hold_of(bot, pauses, now)
    if hold is not None and (hold.until is None or hold.until > now):
        return hold.text
    if bot.breaker is Phase.HALF_OPEN:
        return f"{bot.bot_id} has one trial under way"
    if bot.breaker is Phase.OPEN and (bot.retry_at or now) > now:
        return f"{bot.bot_id} is recovering"
    return ""


def keeps_tasks(bot: BotView, pauses: Mapping[str, Pause], now: float) -> bool:
    """May it keep what it was handed and has not begun? Neither a start nor a trial takes that away."""
    if bot.paused or bot.state not in (BotState.STARTING, BotState.RUNNING):
        return False
    hold = hold_of(bot, pauses, now)
    cooling = bot.breaker is Phase.OPEN and (bot.retry_at or now) > now
    return not cooling and (hold is None or (hold.until is not None and hold.until <= now))
