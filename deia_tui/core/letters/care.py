"""What an operator must be told of letters: that too many wait, that some fail or expire. One alert stands for all of
them; when few wait again it goes by itself."""

from collections.abc import Iterator
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.letters.letter import LetterPolicy
from deia_tui.core.state import HiveState

DEPTH, FAILED, EXPIRED = "messages-waiting", "messages-failed", "messages-expired"
_RELAXED = 0.8
"""Below this share of a limit it is over."""
_HOW = "see 'deia-tui msg status'"


def depths(state: HiveState, pending: int, *, busiest: str, policy: LetterPolicy) -> Iterator[Raise | Clear]:
    """What so many letters that wait mean, where it means something new; most of them wait for the bot `busiest`."""
    known = next((one.level for one in state.alerts if one.kind == DEPTH and one.cleared_at is None), "")
    level, limit = _level(pending, known, policy)
    if (level or "") == known:
        return
    if level is None:
        yield Clear(None, DEPTH, "fewer wait")
        return
    text = f"{pending} messages between bots wait, most of them for {busiest}"
    yield Raise(None, DEPTH, level, text, f"look after {busiest}; {_HOW}", pending, limit)


def losses(state: HiveState, event: ev.LetterEvent) -> Iterator[Raise]:
    """The first letter that is lost is told; those that follow are not, until somebody has seen to it."""
    known = {alert.kind for alert in state.alerts if alert.cleared_at is None}
    between = f"from {event.from_bot} to {event.to_bot}"
    match event:
        case ev.LetterFailed() if FAILED not in known:
            yield Raise(None, FAILED, "warning", f"a message {between} failed: {event.reason}", _HOW)
        case ev.LetterExpired() if EXPIRED not in known:
            yield Raise(None, EXPIRED, "info", f"a message {between} expired before it was delivered", _HOW)


def _level(
    pending: int, known: str, policy: LetterPolicy
) -> tuple[Literal["critical", "warning"] | None, float | None]:
    critical, warning = float(policy.critical_depth), float(policy.warn_depth)
    if pending >= critical * (_RELAXED if known == "critical" else 1):
        return "critical", critical
    if pending >= warning * (_RELAXED if known else 1):
        return "warning", warning
    return None, None
