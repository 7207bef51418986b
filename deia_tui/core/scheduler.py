"""Which bot gets a task: an exponentially weighted bandit, which prefers who does such tasks well and soon, tries now
and then who is not known, and says why.

It knows neither clock nor chance, and not who is available: all three come in. What it knows changes only by the events
it is told to `note`, once they are stored.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.experience import Experience, Pair
from deia_tui.core.performance import Performance, Result, SchedulingPolicy
from deia_tui.core.state import BotView
from deia_tui.core.tasks import Candidate, TaskType

USUAL_POLICY = SchedulingPolicy()
_SHAKY_S = 60.0
"""A bot that was restarted has to run for so long before it is trusted as before."""
_GOOD = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A bot that may be given a task now. `in_hand` counts the tasks it has; one that is not `is_sound` gets one only
    where nobody else can, one `on_trial` (its breaker lets a single call through) now and then, to see."""

    bot_id: str
    in_hand: int = 0
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


def contender(bot: BotView, *, in_hand: int, now: float) -> Contender:
    """What the scheduler should know of a bot that may take a task. Whether it may, others decide."""
    just_restarted = bot.restarts > 0 and now - bot.since < _SHAKY_S
    is_sound = bot.health is not Health.UNHEALTHY and bot.state is BotState.RUNNING and not just_restarted
    return Contender(bot_id=bot.bot_id, in_hand=in_hand, is_sound=is_sound, on_trial=bot.breaker is not Phase.CLOSED)


def verdict(event: ev.TaskDone | ev.TaskPutBack | ev.TaskDied) -> bool | None:
    """Did the bot succeed? None where the end of the attempt says nothing about it."""
    match event:
        case ev.TaskDone():
            return True
        case ev.TaskPutBack():
            return False if event.counted else None
        case ev.TaskDied():
            return False if event.attempt and event.bot_id else None


class Scheduler:
    def __init__(
        self, policy: SchedulingPolicy = USUAL_POLICY, known: Mapping[Pair, Performance] = MappingProxyType({})
    ) -> None:
        """`known` is what the store has of former days."""
        self._policy = policy
        self._experience = Experience(policy, known)

    def choose(
        self, task_type: TaskType, contenders: Collection[Contender], *, priority: int, now: float, chance: float
    ) -> Choice | None:
        """The bot for a task; None where nobody contends. `chance` (0 to 1, at random) decides whether somebody is
        tried who is not known well; an urgent task is nothing to try somebody with."""
        return self.get_best_bot_for_task(task_type, contenders, now=now)

    def get_best_bot_for_task(
        self, task_type: TaskType, contenders: Collection[Contender], *, now: float
    ) -> Choice | None:
        """Who does it best, without trying anything."""
        ranked = sorted(
            ((self._experience.probability(one.bot_id, task_type, now), one) for one in contenders),
            key=lambda found: (-found[0], found[1].in_hand, found[1].bot_id),
        )
        if not ranked:
            return None
        confidence, best = ranked[0]
        candidates = tuple(Candidate(one.bot_id, chance) for chance, one in ranked)
        return Choice(bot_id=best.bot_id, confidence=confidence, reasons=(), candidates=candidates)

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
    ) -> ev.PerformanceRecorded:
        """The event to store beside the end of an attempt; `note` it once it is. Times in seconds, `at` unix."""
        before = self._experience.of(bot_id, task_type)
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
            performance=self._experience.after(bot_id, task_type, result),
            former_trend=before.trend,
            former_score=before.score,
        )

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
