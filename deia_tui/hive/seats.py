"""Which bots may be handed a task now: those that run and are not held, some ahead, not faster than they work."""

import math
from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.availability import unavailable
from deia_tui.core.breaker import Phase
from deia_tui.core.flow import FlowPolicy, Pace
from deia_tui.core.queue import TaskQueue
from deia_tui.core.scheduler import Contender, contender
from deia_tui.core.tasks import TaskState
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
    """`lease_s`: a bot without a sign of life for so long gets nothing. Times are of the hive's clock."""

    def __init__(
        self, around: Surroundings, roster: Roster, queue: TaskQueue, policy: FlowPolicy, *, lease_s: float
    ) -> None:
        self._around = around
        self._roster = roster
        self._queue = queue
        self._policy = policy
        self._lease_s = lease_s
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

    def is_alive(self, keeper: Keeper, now: float) -> bool:
        return keeper.alive_at + self._lease_s > now

    def _seat(self, keeper: Keeper, now: float, at: float) -> Seat | None:
        state = self._around.record.state
        bot, tasks = state.bots.get(keeper.bot_id), self._queue.with_bot(keeper.bot_id)
        if bot is None or unavailable(bot, state.pauses, at) or not self.is_alive(keeper, now):
            return None
        if tasks and (bot.breaker is not Phase.CLOSED or bot.spec.agent.provider in state.pauses):
            return None  # one tries whether it works again
        ahead = sum(task.state is TaskState.SCHEDULED for task in tasks)
        opens_at = self._pace(keeper.bot_id).opens_at(ahead=ahead)
        opens_at = max(-math.inf if opens_at is None else opens_at, self._refused.get(keeper.bot_id, -math.inf))
        if ahead >= self._policy.ahead or opens_at > now:
            self.opens_at = min(self.opens_at, opens_at if opens_at > now else math.inf)
            return None
        in_hand = max(len(tasks), len(bot.queued) + (bot.message_id is not None))
        return Seat(keeper, contender(bot, in_hand=in_hand, now=at))

    def _pace(self, bot_id: str) -> Pace:
        return self._paces.setdefault(bot_id, Pace(self._policy))
