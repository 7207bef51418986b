"""Messages between bots, as the API and `deia-tui msg --json` print them. Times are unix seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from deia_tui.core.letters.letter import Letter, LetterState


def letter(one: Letter) -> dict[str, Any]:
    """`since` is when it came into its state; `not_before` when it is tried again, null for at once."""
    return {
        "message_id": one.letter_id,
        "from_bot": one.from_bot,
        "to_bot": one.to_bot,
        "priority": one.priority,
        "state": str(one.state),
        "reply_to": one.reply_to or None,
        "sent_at": one.sent_at,
        "since": one.since,
        "expires_at": one.expires_at,
        "not_before": one.not_before or None,
        "tries": one.tries,
        "error": one.error,
        "text": one.text,
    }


def status(counts: Mapping[LetterState, int], pending: Iterable[Letter], now: float) -> dict[str, Any]:
    """How many are in each state, for whom those wait that are pending, and how long the oldest has."""
    waiting = list(pending)
    oldest_at = min((one.sent_at for one in waiting), default=None)
    return {
        "counts": {str(state): counts.get(state, 0) for state in LetterState},
        "pending_for": dict(sorted(Counter(one.to_bot for one in waiting).items())),
        "oldest_s": None if oldest_at is None else round(max(0.0, now - oldest_at), 1),
    }
