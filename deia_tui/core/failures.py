"""Decides what follows from how a turn ended: for its bot's circuit breaker and for the provider it asked."""

from dataclasses import dataclass
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core.turns import Failure

SHORTEST_PAUSE_S = 1.0
FIRST_PAUSE_S = 30.0
LONGEST_OWN_PAUSE_S = 300.0
"""Pauses double from the one to the other while the provider goes on refusing and names no time itself."""
LONGEST_PAUSE_S = 3600.0
"""Nobody believes a provider that names more."""

Verdict = Literal["success", "failure", "lock", "nothing"]


@dataclass(frozen=True, slots=True)
class Consequences:
    """`breaker`: what it says about the bot; `lock` opens its breaker until a human acts. `pause`: its provider is left
    alone for a while, by all bots."""

    breaker: Verdict
    pause: bool = False


def consequences(turn: ev.TurnEnded) -> Consequences:
    match turn.status, turn.failure:
        case "answered", _:
            return Consequences("success")
        case "failed", Failure.AUTHENTICATION:
            return Consequences("lock")
        case "failed", Failure.BUDGET if turn.stop_reason != "cancelled":  # the provider's, which no new day mends
            return Consequences("lock")
        case "failed", Failure.OVERLOAD:
            return Consequences("nothing", pause=True)
        case "failed", Failure.OUTAGE | Failure.ERROR | None:
            return Consequences("failure")
        case _:  # the message was at fault, the day's budget is spent, or a human interrupted it
            return Consequences("nothing")


def pause_s(retry_after_s: float | None, former_s: float | None) -> float:
    """How long to leave a provider alone that wants everybody to wait; `former_s` is the pause before, if it has not
    answered anybody since."""
    doubled_s = FIRST_PAUSE_S if former_s is None else min(LONGEST_OWN_PAUSE_S, 2 * former_s)
    if retry_after_s is None:
        return max(FIRST_PAUSE_S, doubled_s)
    named_s = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, retry_after_s))
    return named_s if former_s is None else max(named_s, doubled_s)


OF_THE_AGENT = frozenset({Failure.AUTHENTICATION, Failure.BUDGET, Failure.OVERLOAD})
"""What says something about a bot's agent or its provider, and nothing about the work it was given."""

CLASSES = {
    Failure.AUTHENTICATION: "not logged in",
    Failure.OVERLOAD: "the provider is overloaded",
    Failure.OUTAGE: "the provider or the agent broke down",
    Failure.REQUEST: "this message cannot be done",
    Failure.BUDGET: "the budget is used up",
}
"""The classes in words; an ERROR has only its own."""
