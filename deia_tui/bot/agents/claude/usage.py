"""How many tokens Claude Code used, told as soon as an answer of the model is whole, and what it says that they cost,
told with the end of a turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deia_tui.core.turns import Usage

_TOKENS = (
    ("input_tokens", "input_tokens", "inputTokens"),
    ("output_tokens", "output_tokens", "outputTokens"),
    ("cache_read_tokens", "cache_read_input_tokens", "cacheReadInputTokens"),
    ("cache_write_tokens", "cache_creation_input_tokens", "cacheCreationInputTokens"),
)
"""Fields of Usage; what they are called in a message, and in the sums of a result."""


def usage_of(model: str, told: Any, base: Usage | None = None) -> Usage:
    """What a message tells; what it does not tell is as in `base`."""
    fields = told if isinstance(told, dict) else {}
    known: dict[str, Any] = {ours: fields[theirs] for ours, theirs, _ in _TOKENS if isinstance(fields.get(theirs), int)}
    return replace(base or Usage(model=model), **known)


@dataclass(slots=True)
class Ledger:
    """The sums that a process told last, by model: they count from its start."""

    sums: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class TurnLedger:
    """What is told of one turn. `close` adds what the stream did not show: what helpers of the agent's own
    (subagents) used, and the cost."""

    ledger: Ledger
    tell: Callable[[Usage], None]
    _told: list[Usage] = field(default_factory=list)

    def add(self, usage: Usage) -> None:
        self._told.append(usage)
        self.tell(usage)

    def close(self, sums: Any) -> None:
        for name, now in sums.items() if isinstance(sums, dict) else ():
            before, model = self.ledger.sums.get(name, {}), name.removesuffix("[1m]")
            told = [usage for usage in self._told if usage.model == model]
            missing: dict[str, Any] = {}
            for ours, _, theirs in _TOKENS:
                used = int(_number(now, theirs) - _number(before, theirs))
                missing[ours] = max(0, used - sum(getattr(usage, ours) for usage in told))
            cost_usd = _number(now, "costUSD") - _number(before, "costUSD")
            self.ledger.sums[name] = now
            if cost_usd > 0 or any(missing.values()):
                self.tell(Usage(model=model, **missing, cost_usd=cost_usd))


def _number(fields: Any, name: str) -> float:
    value = fields.get(name) if isinstance(fields, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0
