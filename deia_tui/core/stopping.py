"""What a stop waits for, in words: which bots are not off yet, why, and until when."""

from collections.abc import Sequence

from deia_tui.core.bots import DRAINS, BotState
from deia_tui.core.state import BotView

_NAMED = 3


def waits_for(bot: BotView, now: float) -> str:
    """Why a bot that stops has not ended at `now` (unix seconds); "" for one that does not stop."""
    if bot.state is not BotState.STOPPING:
        return ""
    work = f'"{bot.task}"' + (f" and {len(bot.queued)} more" if bot.queued else "") if bot.task else ""
    if bot.reason in DRAINS:
        return f"finishes {work}" if work else "finishes its work"
    left = bot.since + bot.spec.work_grace_s - now
    if work and left > 0 and bot.due_at is not None:
        return f"{left:.0f} s left for {work}"
    if bot.due_at is not None and now - bot.since >= 1:
        return f"SIGKILL in {max(0.0, bot.due_at - now):.0f} s"
    return f"{max(0.0, now - bot.since):.0f} s"


def progress(waiting: Sequence[tuple[str, str]], total: int) -> str:
    """One line about those of `total` bots that are not off yet, each with what it waits for; "" when all are."""
    if not waiting:
        return ""
    named = [f"{bot_id} ({why})" if why else bot_id for bot_id, why in waiting[:_NAMED]]
    others = [f"{len(waiting) - _NAMED} more"] if len(waiting) > _NAMED else []
    return f"waiting for {len(waiting)} of {total}: {', '.join([*named, *others])}"
