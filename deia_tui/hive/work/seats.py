"""Which bots may be handed a task now: those that run and are not held, some ahead, not faster than they work."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.breaker import Phase
from deia_tui.core.load.flow import FlowPolicy, Pace
from deia_tui.core.scheduling.scheduler import Contender, contender
from deia_tui.core.state import BotView
from deia_tui.core.work.availability import unavailable
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings

REFUSED_S = 1.0
"""How long a bot is left alone that refused a task and did not say for how long."""


@dataclass(frozen=True, slots=True)
class Seat:
    keeper: Keeper
    contender: Contender


class Seats:
    """`lease_s`: a bot without a sign of life for so long gets nothing, and no less long than it takes to see that it
    lives. Times are of the hive's clock."""

    def __init__(
        self, around: Surroundings, roster: Roster, queue: TaskQueue, policy: FlowPolicy, *, lease_s: float
    ) -> None:
        self._around = around
        self._roster = roster
        self._queue = queue
        self._policy = policy
        liveness = around.settings.liveness
        self.lease_s = max(lease_s, 2 * (liveness.period_s + liveness.timeout_s))
        self._paces: dict[str, Pace] = {}
        self._refused: dict[str, float] = {}
        self.opens_at = math.inf
        """When there may be a seat that is not there yet, as far as time alone decides."""

    def note(self, event: ev.Event, now: float) -> None:
        """What is committed: bots show how fast they work."""
        match event:
            case ev.TaskAssigned(bot_id=bot_id):
                self._pace(bot_id).handed(now)
            case ev.TaskStarted(bot_id=bot_id):
                self._pace(bot_id).began(now)
            case ev.TaskDone(bot_id=bot_id) | ev.TaskPutBack(bot_id=bot_id) | ev.TaskDied(bot_id=bot_id):
                if not any(task.state is TaskState.RUNNING for task in self._queue.with_bot(bot_id)):
                    self._pace(bot_id).ended(now)
            case ev.BotExited(bot_id=bot_id):
                self._pace(bot_id).ended(now)
            case _:
                pass

    def refused(self, bot_id: str, retry_after_s: float | None, now: float) -> None:
        """It did not take what it was given."""
        self._refused[bot_id] = now + (retry_after_s or REFUSED_S)

    def piece_s(self, bot_id: str) -> float | None:
        """How long it takes for a task, where that is known."""
        return self._pace(bot_id).piece_s

    def look(self, now: float, at: float) -> dict[str, Seat]:
        """Every seat there is now (`at`: unix seconds), by bot."""
        self.opens_at = math.inf
        found = ((keeper.bot_id, self._seat(keeper, now, at)) for keeper in self._roster)
        return {bot_id: seat for bot_id, seat in found if seat is not None}

    def look_urgent(self, now: float, at: float, taken: Collection[str]) -> dict[str, Seat]:
        """Those for urgent tasks alone, beside the others and where nobody was just given one: they need not wait until
        their bot has begun what it has."""
        limit = self._policy.ahead + self._policy.urgent_reserve
        found: dict[str, Seat] = {}
        for keeper in self._roster:
            bot = None if keeper.bot_id in taken else self._able(keeper, now, at)
            if bot is not None and self._ahead(bot.bot_id) < limit and self._rests_until(bot.bot_id) <= now:
                found[bot.bot_id] = self._seat_of(keeper, bot, at)
        return found

    def is_alive(self, keeper: Keeper, now: float) -> bool:
        return keeper.alive_at + self.lease_s > now

    def _seat(self, keeper: Keeper, now: float, at: float) -> Seat | None:
        bot = self._able(keeper, now, at)
        if bot is None:
            return None
        opens_at = self._pace(bot.bot_id).opens_at(ahead=self._ahead(bot.bot_id))
        if opens_at is None:
            return None
        opens_at = max(opens_at, self._rests_until(bot.bot_id))
        if opens_at > now:
            self.opens_at = min(self.opens_at, opens_at)
            return None
        return self._seat_of(keeper, bot, at)

    def _able(self, keeper: Keeper, now: float, at: float) -> BotView | None:
        """The bot, if it may be given anything at all."""
        state = self._around.record.state
        bot = state.bots.get(keeper.bot_id)
        if bot is None or unavailable(bot, state.pauses, at) or not self.is_alive(keeper, now):
            return None
        tries = bot.breaker is not Phase.CLOSED or bot.spec.agent.provider in state.pauses
        return None if tries and self._queue.with_bot(bot.bot_id) else bot  # one shows whether it works again

    def at_work(self, at: float) -> list[Contender]:
        """Bots that are at work, and for whom it may be better to wait than to give a task to another."""
        state = self._around.record.state
        bots = [state.bots[bot_id] for bot_id in self._queue.bots_with_tasks() if bot_id in state.bots]
        return [
            self._contender(bot, at)
            for bot in bots
            if bot.breaker is Phase.CLOSED and not unavailable(bot, state.pauses, at)
        ]

    def _seat_of(self, keeper: Keeper, bot: BotView, at: float) -> Seat:
        return Seat(keeper, self._contender(bot, at))

    def _contender(self, bot: BotView, at: float) -> Contender:
        tasks = self._queue.with_bot(bot.bot_id)
        in_hand = max(len(tasks), len(bot.queued) + (bot.message_id is not None))
        began_at = next((task.started_at for task in tasks if task.state is TaskState.RUNNING), None)
        busy_s = 0.0 if began_at is None else max(0.0, at - began_at)
        return contender(bot, in_hand=in_hand, busy_s=busy_s, now=at)

    def _ahead(self, bot_id: str) -> int:
        return sum(task.state is TaskState.SCHEDULED for task in self._queue.with_bot(bot_id))

    def _rests_until(self, bot_id: str) -> float:
        return self._refused.get(bot_id, -math.inf)

    def _pace(self, bot_id: str) -> Pace:
        return self._paces.setdefault(bot_id, Pace(self._policy))
