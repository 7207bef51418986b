"""What results have taught: of every bot at every type of task, and above that of bots, of types and of all.

What little is known of a pair is completed from above: a bot that does all else well will do this well, and a type that
everybody fails at it will fail at too. The more is known of the pair itself, the less that counts.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from deia_tui.core.scheduling.performance import Performance, Result, SchedulingPolicy, efficiency, evidence, learn
from deia_tui.core.work.tasks import TaskType

Pair = tuple[str, TaskType]

NOTHING = Performance()
_BEGINNING, _DOUBT = 0.8, 10.0
"""Before anything is known, tasks succeed so often; what is above a bot or a type weighs as much as so many results."""
_ABOVE = 6.0
"""What is known of bot and type in general weighs as much as so many results of the pair."""
_SURE = 0.995
"""Nothing is more certain than this, or more hopeless than the rest."""


class Experience:
    """`known` is what was learned by former supervisors."""

    def __init__(self, policy: SchedulingPolicy, known: Mapping[Pair, Performance]) -> None:
        self._policy = policy
        self.pairs: dict[Pair, Performance] = dict(known)
        self._bots: dict[str, Performance] = {}
        self._types: dict[TaskType, Performance] = {}
        self._all = NOTHING
        for (bot_id, task_type), performance in sorted(known.items(), key=lambda item: item[1].at):
            self._add_above(bot_id, task_type, performance)

    def of(self, bot_id: str, task_type: TaskType) -> Performance:
        return self.pairs.get((bot_id, task_type), NOTHING)

    def of_bot(self, bot_id: str) -> Performance:
        """At everything."""
        return self._bots.get(bot_id, NOTHING)

    def of_type(self, task_type: TaskType) -> Performance:
        """By everybody."""
        return self._types.get(task_type, NOTHING)

    def after(self, known: Performance, task_type: TaskType, result: Result) -> Performance:
        """What would be known of a pair after this result."""
        return learn(known, result, self.of_type(task_type), self._policy)

    def note(self, bot_id: str, task_type: TaskType, result: Result, news: Performance) -> None:
        """It is known now."""
        self.pairs[bot_id, task_type] = news
        self._bots[bot_id] = learn(self.of_bot(bot_id), result, self._all, self._policy)
        self._types[task_type] = learn(self.of_type(task_type), result, self._all, self._policy)
        self._all = learn(self._all, result, self._all, self._policy)

    def forget(self, bot_id: str) -> None:
        for pair in [pair for pair in self.pairs if pair[0] == bot_id]:
            del self.pairs[pair]
        self._bots.pop(bot_id, None)

    def probability(self, bot_id: str, task_type: TaskType, now: float) -> float:
        """How probable it is that this bot does a task of this type, 0 to 1."""
        overall = self._mixed(self._all, _BEGINNING, _DOUBT, now)
        of_bot = self._mixed(self.of_bot(bot_id), overall, _DOUBT, now)
        of_type = self._mixed(self.of_type(task_type), overall, _DOUBT, now)
        above = _chance(_odds(of_bot) + _odds(of_type) - _odds(overall))
        return self._mixed(self.of(bot_id, task_type), above, _ABOVE, now)

    def duration_s(self, bot_id: str, task_type: TaskType) -> float:
        """How long this bot takes for a task of this type, completed from above as well; 0 where nobody knows."""
        pair = self.of(bot_id, task_type)
        usual = self.of_type(task_type).duration_s or self.of_bot(bot_id).duration_s or self._all.duration_s
        weight = pair.done / (pair.done + 1)
        return weight * pair.duration_s + (1 - weight) * usual

    def judge_anew(self, bot_id: str, task_type: TaskType) -> Performance:
        """The pair, its score by what is usual now."""
        known = self.of(bot_id, task_type)
        judged = replace(known, score=efficiency(known, self.of_type(task_type)))
        if known.samples:
            self.pairs[bot_id, task_type] = judged
        return judged

    def judged_anew(self) -> list[tuple[Pair, Performance]]:
        """All pairs in the order of their names, their scores by what is usual now."""
        return [(pair, self.judge_anew(*pair)) for pair in sorted(self.pairs)]

    def turn_s(self, bot_id: str) -> float:
        """How long this bot takes for a task, whatever its type."""
        return self.of_bot(bot_id).duration_s or self._all.duration_s

    def _mixed(self, known: Performance, above: float, weight: float, now: float) -> float:
        """The rate that is known, drawn towards the one above; what is old draws less."""
        if not known.samples:
            return above
        age_h = max(0.0, now - known.at) / 3600
        fresh: float = 0.5 ** (age_h / self._policy.half_life_h)
        known_weight = fresh * evidence(known.samples, self._policy.newest_weight)
        return (known_weight * known.success_rate + weight * above) / (known_weight + weight)

    def _add_above(self, bot_id: str, task_type: TaskType, pair: Performance) -> None:
        """The results one by one are not kept: what is above begins with the means of the pairs."""
        self._bots[bot_id] = _joined(self.of_bot(bot_id), pair)
        self._types[task_type] = _joined(self.of_type(task_type), pair)
        self._all = _joined(self._all, pair)


def _joined(above: Performance, pair: Performance) -> Performance:
    samples, done = above.samples + pair.samples, above.done + pair.done

    def mean(name: str, count: int, own: int) -> float:
        before: float = getattr(above, name)
        now: float = getattr(pair, name)
        return before + (now - before) * own / count if count else 0.0

    return Performance(
        samples=samples,
        done=done,
        success_rate=mean("success_rate", samples, pair.samples),
        expected=mean("expected", samples, pair.samples),
        duration_s=mean("duration_s", done, pair.done),
        tokens=mean("tokens", done, pair.done),
        score=mean("score", samples, pair.samples),
        usual_score=mean("usual_score", samples, pair.samples),
        at=max(above.at, pair.at),
    )


def _odds(chance: float) -> float:
    chance = min(_SURE, max(1 - _SURE, chance))
    return math.log(chance / (1 - chance))


def _chance(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
