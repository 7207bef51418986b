"""What tokens cost: decides which line of the price table a model falls under, and what its usage comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from deia_tui.core.turns import Usage

TOLERANCE = 0.1
"""By so much of the table's cost the agent's own may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """USD per 1,000,000 tokens of the models whose name `model` matches (`claude-opus-4-1*`)."""

    model: str
    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Of the lines that match a model, the first counts."""

    models: Sequence[ModelPrice]

    def cost_usd(self, usage: Usage) -> float | None:
        """None for a model that is not in the table."""
        price = next((price for price in self.models if fnmatchcase(_bare(usage.model), price.model)), None)
        if price is None or not usage.model:
            return None
        tokens = (
            usage.input_tokens * price.input
            + usage.output_tokens * price.output
            + usage.cache_read_tokens * price.cache_read
            + usage.cache_write_tokens * price.cache_write
        )
        return tokens / 1e6


def differ(table_usd: float, agent_usd: float) -> bool:
    """Do the table and the agent disagree about a turn by more than rounding and a tenth?"""
    return abs(table_usd - agent_usd) > max(0.0001, TOLERANCE * table_usd)


def _bare(model: str) -> str:
    """Without its provider: anthropic/claude-opus-4-1 → claude-opus-4-1."""
    return model.rpartition("/")[2].lower()
