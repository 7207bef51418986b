"""How well a bot does one type of task, as far as it is known by now, and what one more result changes.

Averages are exponentially weighted: the newest of many results counts `newest_weight`, the one before a little less.
"""

from dataclasses import dataclass, replace
from typing import Literal

Trend = Literal["unknown", "improving", "steady", "declining"]

_SLOWER = 4
"""The usual score, against which a trend is seen, changes so many times more slowly than the score."""
_SPEED, _THRIFT = 0.2, 0.1
"""What being fast and spending few tokens weigh in the score; the rest is for getting it done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingPolicy:
    """`newest_weight` is how much one result changes what is known. Below `min_samples` results of a bot and type it is
    tried to know more, later with the chance `explore_share`. What was learned counts half after `half_life_h` hours
    without news. A score that differs by `trend_step` from what is usual is a trend. A bot is starved when it got
    nothing for `starved_s` while it could have, and others got `starved_choices`; confidence drifts when it was off by
    `drift` over the last results."""

    min_samples: int = 3
    newest_weight: float = 0.1
    explore_share: float = 0.03
    half_life_h: float = 24.0
    trend_step: float = 0.2
    starved_s: float = 1800.0
    starved_choices: int = 20
    drift: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Exponentially weighted: `success_rate` 0 to 1, `expected` what was foreseen of it, `duration_s` and `tokens` of a
    task that was done. `score` is its efficiency, 0 to 1: 1 is always done, no slower and no dearer than usual.
    `samples` counts all that was ever recorded, `done` those that succeeded, the last one at `at` (unix seconds)."""

    samples: int = 0
    done: int = 0
    success_rate: float = 0.0
    expected: float = 0.0
    duration_s: float = 0.0
    tokens: float = 0.0
    score: float = 0.0
    usual_score: float = 0.0
    trend: Trend = "unknown"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one attempt at a task ended. `expected` is how probable its success seemed before."""

    succeeded: bool
    expected: float
    duration_s: float
    tokens: int
    at: float


def learn(known: Performance, result: Result, typical: Performance, policy: SchedulingPolicy) -> Performance:
    """What is known after one more result; `typical` is how all bots do this type of task."""
    samples, done = known.samples + 1, known.done + result.succeeded
    weight = policy.newest_weight
    news = replace(
        known,
        samples=samples,
        done=done,
        success_rate=moved(known.success_rate, float(result.succeeded), samples, weight),
        expected=moved(known.expected, result.expected, samples, weight),
        at=max(known.at, result.at),
    )
    if result.succeeded:
        duration_s = moved(known.duration_s, max(0.0, result.duration_s), done, weight)
        tokens = moved(known.tokens, float(max(0, result.tokens)), done, weight)
        news = replace(news, duration_s=duration_s, tokens=tokens)
    return _judged(news, typical, policy)


def moved(average: float, value: float, count: int, newest_weight: float) -> float:
    """The average after the `count`th value. The first ones count alike, so that it does not lean on the very first."""
    keep = 1 - newest_weight
    return average + (value - average) * newest_weight / (1 - keep**count)


def evidence(samples: float, newest_weight: float) -> float:
    """To how many equally weighted results so many weighted ones amount (Kish's effective sample size)."""
    keep = 1 - newest_weight
    left: float = keep**samples
    return (1 + keep) / newest_weight * (1 - left) / (1 + left)


def efficiency(known: Performance, typical: Performance) -> float:
    """0 to 1: how often it is done, lowered where it takes longer or spends more than usual."""
    speed = _share(typical.duration_s, known.duration_s)
    thrift = _share(typical.tokens, known.tokens)
    return known.success_rate * (1 - _SPEED * (1 - speed) - _THRIFT * (1 - thrift))


def _share(usual: float, its: float) -> float:
    return min(1.0, usual / its) if usual > 0 and its > 0 else 1.0


def _judged(news: Performance, typical: Performance, policy: SchedulingPolicy) -> Performance:
    score = efficiency(news, typical)
    usual = moved(news.usual_score, score, news.samples, policy.newest_weight / _SLOWER)
    trend: Trend = "steady"
    if news.samples <= policy.min_samples:
        trend = "unknown"
    elif abs(score - usual) >= policy.trend_step:
        trend = "improving" if score > usual else "declining"
    return replace(news, score=score, usual_score=usual, trend=trend)
