"""What a turn used, of the several ways in which ACP agents tell it: tokens with the answer, by model or together,
costs as the total of a session."""

import math
from dataclasses import replace
from typing import Any

from acp import schema

from deia_tui.core.turns import Usage


class Ledger:
    """What a session has cost so far: a total that begins anew at 0 when the agent does."""

    def __init__(self) -> None:
        self._total_usd = 0.0

    def added(self, cost: schema.Cost | None) -> float:
        """USD since the last time."""
        if cost is None or cost.currency.upper() != "USD" or not 0 <= cost.amount < math.inf:
            return 0.0
        before, self._total_usd = self._total_usd, cost.amount
        return cost.amount - before if cost.amount >= before else cost.amount


def usages_of(response: schema.PromptResponse | None, cost_usd: float, model: str) -> list[Usage]:
    """By model where the agent tells it; `model` is what it is believed to use."""
    usages = _by_model(response, model) if response else []
    if not usages and response and response.usage:
        usages = [_from_usage(response.usage, model)]
    if not cost_usd:
        return usages
    if not usages:
        return [Usage(model=model, cost_usd=cost_usd)]
    total = sum(map(_tokens, usages)) or 1
    return [replace(usage, cost_usd=cost_usd * _tokens(usage) / total) for usage in usages]


def _by_model(response: schema.PromptResponse, model: str) -> list[Usage]:
    """`_meta.quota`, which is more than `usage` where an agent asks a smaller model as well."""
    quota = (response.field_meta or {}).get("quota")
    if not isinstance(quota, dict):
        return []
    listed = quota.get("model_usage")
    shares = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    found = [_from_count(share.get("token_count"), str(share.get("model") or model)) for share in shares or [quota]]
    return [usage for usage in found if usage and _tokens(usage)]


def _from_count(count: Any, model: str) -> Usage | None:
    if not isinstance(count, dict):
        return None

    def number(*names: str) -> int:
        return next((count[name] for name in names if isinstance(count.get(name), int) and count[name] > 0), 0)

    return _told_once(
        Usage(
            model=model,
            input_tokens=number("inputTokens", "input_tokens"),
            output_tokens=number("outputTokens", "output_tokens"),
            cache_read_tokens=number("cachedInputTokens", "cachedReadTokens"),
            cache_write_tokens=number("cachedWriteTokens", "cacheWriteInputTokens"),
        ),
        total=number("totalTokens"),
        thought=number("reasoningOutputTokens"),
    )


def _from_usage(used: schema.Usage, model: str) -> Usage:
    return _told_once(
        Usage(
            model=model,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cached_read_tokens or 0,
            cache_write_tokens=used.cached_write_tokens or 0,
        ),
        total=used.total_tokens,
        thought=used.thought_tokens or 0,
    )


def _told_once(usage: Usage, *, total: int, thought: int) -> Usage:
    """The total tells what contains what: input those of the cache, or output those of thoughts, or neither."""
    if thought and total >= _tokens(usage) + thought:
        return replace(usage, output_tokens=usage.output_tokens + thought)
    if 0 < total < _tokens(usage):
        cached = usage.cache_read_tokens + usage.cache_write_tokens
        return replace(usage, input_tokens=max(usage.input_tokens - cached, 0))
    return usage


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens
