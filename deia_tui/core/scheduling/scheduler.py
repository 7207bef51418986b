"""Which bot gets a task: an exponentially weighted (EWMA) bandit, which prefers who does such tasks well and soon,
tries now and then who is not known well, and says why.

It knows neither clock nor chance, and not who is available: all three come in. What it knows of performance changes
only by the events it is told to `note`, once they are stored.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.scheduling import reasons
from deia_tui.core.scheduling.experience import Experience, Pair
from deia_tui.core.scheduling.oddities import Oddity, Shares, drifting
from deia_tui.core.scheduling.performance import Performance, Result, SchedulingPolicy
from deia_tui.core.scheduling.standings import Recommendation, Standings, Stats, export
from deia_tui.core.state import BotView
from deia_tui.core.turns import Failure
from deia_tui.core.work.tasks import URGENT, Candidate, TaskType

USUAL_POLICY = SchedulingPolicy()
_SHAKY_S = 60.0
"""A bot that was restarted has to run for so long before it is trusted as before."""
_CAUTION = 1.5
"""What fails is done again, and a try is gone: the probability counts more than the time (which counts 1)."""
_SURER = 0.05
"""Who would do a task so much more probably than whoever gets it is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A bot that may be given a task now, or is worth waiting for. `in_hand` counts what it has to do, of which it has
    worked on the first for `busy_s`. One that is not `is_sound` gets one only where nobody else can, one `on_trial`
    (its breaker lets a single call through) now and then, to see."""

    bot_id: str
    in_hand: int = 0
    busy_s: float = 0.0
    is_sound: bool = True
    on_trial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`confidence` is the probability that this bot does the task; `candidates` are all that were considered, best
    first; `explored`: it was chosen in order to know more."""

    bot_id: str
    confidence: float
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    explored: bool = False


@dataclass(frozen=True, slots=True)
class _Rated:
    contender: Contender
    chance: float
    score: float


def contender(bot: BotView, *, in_hand: int, now: float, busy_s: float = 0.0) -> Contender:
    """What the scheduler should know of a bot that may take a task. Whether it may, others decide."""
    just_restarted = bot.restarts > 0 and now - bot.since < _SHAKY_S
    is_sound = bot.health is not Health.UNHEALTHY and bot.state is BotState.RUNNING and not just_restarted
    on_trial = bot.breaker is not Phase.CLOSED
    return Contender(bot_id=bot.bot_id, in_hand=in_hand, busy_s=busy_s, is_sound=is_sound, on_trial=on_trial)


def verdict(event: ev.TaskDone | ev.TaskPutBack | ev.TaskDied) -> bool | None:
    """Did the bot succeed? None where the end of the attempt says nothing about it."""
    match event:
        case ev.TaskDone():
            return True
        case ev.TaskPutBack():
            return False if event.counted else None
        case ev.TaskDied(failure=Failure.REQUEST):  # what was asked is wrong, whoever is asked
            return None
        case ev.TaskDied():  # pragma: no branch (exhaustive)
            return False if event.attempt and event.bot_id else None


class Scheduler:
    def __init__(
        self, policy: SchedulingPolicy = USUAL_POLICY, known: Mapping[Pair, Performance] = MappingProxyType({})
    ) -> None:
        """`known` is what the store has of former days."""
        self._policy = policy
        self._experience = Experience(policy, known)
        self._shares = Shares(policy)

    # Choosing

    def choose(
        self, task_type: TaskType, contenders: Collection[Contender], *, priority: int, now: float, chance: float
    ) -> Choice | None:
        """The bot for a task; None where nobody contends. `chance` (0 to 1, at random) decides whether somebody is
        tried who is not known well. An urgent task is nothing to try somebody with, and goes to whoever can begin it at
        once, if anybody can."""
        if priority == URGENT:
            contenders = [one for one in contenders if one.is_sound and not one.in_hand] or contenders
        choice = self.get_best_bot_for_task(task_type, contenders, now=now)
        if choice is None:
            return None
        tried = None if priority == URGENT else self._to_try(task_type, contenders, choice.bot_id, chance)
        if tried is not None:
            one, why = tried
            confidence = self._experience.probability(one.bot_id, task_type, now)
            choice = Choice(
                bot_id=one.bot_id,
                confidence=confidence,
                reasons=(why, *self._reasons(task_type, one, len(contenders) - 1)),
                candidates=choice.candidates,
                explored=True,
            )
        self._shares.note(choice.bot_id, [one.bot_id for one in contenders if not one.on_trial], now)
        return choice

    def get_best_bot_for_task(
        self, task_type: TaskType, contenders: Collection[Contender], *, now: float
    ) -> Choice | None:
        """Who does it best, without trying anybody."""
        fit = [one for one in contenders if one.is_sound and not one.on_trial]
        fit = fit or [one for one in contenders if one.is_sound] or list(contenders)
        if not fit:
            return None
        rated = self._rated(task_type, fit, now)
        best, surest = rated[0], max(rated, key=lambda one: one.chance)
        why = self._reasons(task_type, best.contender, len(fit) - 1)
        if surest.chance - best.chance >= _SURER:
            why.append(reasons.in_spite_of(surest.contender.bot_id, surest.contender.in_hand, best.contender.in_hand))
        return Choice(
            bot_id=best.contender.bot_id,
            confidence=best.chance,
            reasons=tuple(why),
            candidates=tuple(Candidate(one.contender.bot_id, one.score) for one in rated),
        )

    def _rated(self, task_type: TaskType, fit: Collection[Contender], now: float) -> list[_Rated]:
        """Best first, by how probably and how soon a bot does the task: 0.5 is one that always does it, at once, in the
        usual time."""
        known = self._experience
        usual_s = known.of_type(task_type).duration_s or 1.0
        rated: list[_Rated] = []
        for one in fit:
            chance = known.probability(one.bot_id, task_type, now)
            takes_s = known.duration_s(one.bot_id, task_type) or 1.0
            turn_s = known.turn_s(one.bot_id) or takes_s
            waits_s = max(turn_s / 2, one.busy_s) + (one.in_hand - 1) * turn_s if one.in_hand else 0.0
            gain = chance**_CAUTION * usual_s
            rated.append(_Rated(one, chance, gain / (gain + waits_s + takes_s)))
        return sorted(rated, key=lambda one: (-one.score, one.contender.in_hand, one.contender.bot_id))

    def _to_try(
        self, task_type: TaskType, contenders: Collection[Contender], best: str, chance: float
    ) -> tuple[Contender, str] | None:
        """Somebody with nothing in hand, of whom more should be known, and why."""
        policy, known = self._policy, self._experience
        idle = [one for one in contenders if one.is_sound and not one.in_hand]
        new = [one for one in idle if not one.on_trial and known.of(one.bot_id, task_type).samples < policy.min_samples]
        if new:
            one = new[min(len(new) - 1, int(chance * len(new)))]
            return one, f"explored: {known.of(one.bot_id, task_type).samples} of {policy.min_samples} samples"
        others = [one for one in idle if one.bot_id != best]
        if chance >= policy.explore_share or not others:
            return None
        one = min(others, key=lambda one: (not one.on_trial, known.of(one.bot_id, task_type).at, one.bot_id))
        return one, "tried: its breaker lets one call through" if one.on_trial else "explored: longest not tried"

    def _reasons(self, task_type: TaskType, one: Contender, others: int) -> list[str]:
        known, at_all = self._experience.of(one.bot_id, task_type), self._experience.of_bot(one.bot_id)
        first = reasons.ability(task_type, known, at_all, min_samples=self._policy.min_samples)
        return [
            first,
            *reasons.circumstances(known, in_hand=one.in_hand, is_sound=one.is_sound, others=others),
        ]

    # Learning

    def record_performance(
        self,
        bot_id: str,
        task_type: TaskType,
        task_id: str,
        *,
        succeeded: bool,
        duration_s: float,
        tokens: int,
        at: float,
        before: Performance | None = None,
    ) -> ev.PerformanceRecorded:
        """The event to store beside the end of an attempt; `note` it once it is. Times in seconds, `at` unix.
        `before` is what was known, where an event says so that is to be stored as well."""
        before = before or self._experience.of(bot_id, task_type)
        expected = self._experience.probability(bot_id, task_type, at)
        result = Result(succeeded=succeeded, expected=expected, duration_s=duration_s, tokens=tokens, at=at)
        return ev.PerformanceRecorded(
            at=at,
            bot_id=bot_id,
            task_type=task_type,
            task_id=task_id,
            succeeded=succeeded,
            duration_s=duration_s,
            tokens=tokens,
            expected=expected,
            performance=self._experience.after(before, task_type, result),
            former_trend=before.trend,
            former_score=before.score,
        )

    def reset_bot_history(self, bot_id: str, *, at: float) -> ev.PerformanceForgotten:
        """The event to store when a bot should be tried anew."""
        return ev.PerformanceForgotten(at=at, bot_id=bot_id)

    def note(self, event: ev.Event) -> None:
        """This is stored; events that say nothing about performance change nothing."""
        match event:
            case ev.PerformanceRecorded():
                result = Result(
                    succeeded=event.succeeded,
                    expected=event.expected,
                    duration_s=event.duration_s,
                    tokens=event.tokens,
                    at=event.at,
                )
                self._experience.note(event.bot_id, event.task_type, result, event.performance)
            case ev.PerformanceForgotten():
                self._experience.forget(event.bot_id)
            case _:
                pass

    def update_efficiency_score(self, bot_id: str, task_type: TaskType) -> float:
        """Its score against what is usual by now, since others have worked after it."""
        return self._experience.judge_anew(bot_id, task_type).score

    # Telling

    def get_bot_stats(self, bot_id: str) -> Stats:
        """By type."""
        parts = {str(kind): known for (one, kind), known in self._experience.judged_anew() if one == bot_id}
        return Stats(total=self._experience.of_bot(bot_id), parts=parts)

    def get_task_stats(self, task_type: TaskType) -> Stats:
        """By bot."""
        parts = {one: known for (one, kind), known in self._experience.judged_anew() if kind == task_type}
        return Stats(total=self._experience.of_type(task_type), parts=parts)

    def get_recommendations(self, bot_ids: Collection[str], *, now: float) -> list[Recommendation]:
        """Whom of these bots to give which type of task, if they had nothing else to do. Only for what was done often
        enough."""
        found: list[Recommendation] = []
        for task_type in TaskType:
            known = [one for one in bot_ids if self._is_known(one, task_type)]
            choice = self.get_best_bot_for_task(task_type, [Contender(bot_id=one) for one in known], now=now)
            if choice is not None:
                found.append(
                    Recommendation(
                        task_type=task_type,
                        bot_id=choice.bot_id,
                        confidence=choice.confidence,
                        reason=choice.reasons[0],
                        candidates=choice.candidates,
                    )
                )
        return found

    def odd_patterns(self, bot_ids: Collection[str], *, now: float) -> list[Oddity]:
        """What somebody should look at: bots that get nothing though they could, and confidence that drifts away from
        what comes true."""
        totals = {bot_id: self._experience.of_bot(bot_id) for bot_id in bot_ids}
        return [*self._shares.starved(totals, now), *drifting(totals, self._policy)]

    def standings(self, bot_ids: Collection[str], *, now: float) -> Standings:
        """All of that, of these bots and of those it knows."""
        known = self._experience.judged_anew()
        return Standings(
            bots={one: self.get_bot_stats(one) for one in sorted({*bot_ids, *(pair[0] for pair, _ in known)})},
            types={kind: self.get_task_stats(kind) for kind in TaskType if self._experience.of_type(kind).samples},
            recommendations=tuple(self.get_recommendations(bot_ids, now=now)),
            oddities=tuple(self.odd_patterns(bot_ids, now=now)),
        )

    def export_performance_data(self) -> list[dict[str, Any]]:
        """All that is known, one object for each bot and type."""
        return export(self.standings((), now=0.0))

    def _is_known(self, bot_id: str, task_type: TaskType) -> bool:
        return self._experience.of(bot_id, task_type).samples >= self._policy.min_samples
