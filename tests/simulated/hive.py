"""A hive without processes, store or waiting: the queue, the scheduler, the pace, the breakers and the scaling of the
real one, bots of a simulated world, and a clock that jumps from one moment to the next.

It notes whatever a hive must never do, in `wrongs`.
"""

import heapq
import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from deia_tui.core import breaker as br
from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, AgentSpec, BotSpec, BotState, Health
from deia_tui.core.failures import consequences
from deia_tui.core.load.flow import FlowPolicy, Pace
from deia_tui.core.load.scaler import Drain, Limits, Scaler, ScalingPolicy, Start
from deia_tui.core.scheduling.scheduler import Contender, contender
from deia_tui.core.state import BotView, HiveState, Pause, Snapshot
from deia_tui.core.turns import Failure
from deia_tui.core.work.attempts import Circumstances, TaskPolicy, after_turn, put_back
from deia_tui.core.work.availability import unavailable
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import URGENT, Task
from deia_tui.core.work.view import WorkView
from tests.simulated.world import Job, World

TEMPLATE, PROVIDER = "worker", "acme"
AWAITING = 20
TASKS, FLOW = TaskPolicy(), FlowPolicy()
Pick = Callable[[Task, Sequence[Contender], float], tuple[str, float | None]]
"""The bot for a task of those that contend at this time, and the confidence in it."""
Learn = Callable[[Task, ev.TaskDone | ev.TaskPutBack | ev.TaskDied], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls the bots, as shares of the turns they begin: `crash` ends the run, `overload` has the provider ask
    everybody to wait for `pause_s`."""

    crash: float = 0.0
    overload: float = 0.0
    pause_s: float = 120.0


@dataclass(slots=True)
class Bot:
    view: BotView
    breaker: br.Breaker
    pace: Pace
    in_hand: list[str] = field(default_factory=list)
    turn: int = 0
    """Counts its turns: the end of a former one says nothing."""
    began_at: float | None = None
    permit: br.Permit | None = None
    is_leaving: bool = False


@dataclass(slots=True)
class Told:
    """What became of it all. `said` are confidences and what came true; `waits` are by priority, until a task began
    for the first time."""

    failures: int = 0
    crashes: int = 0
    pauses: int = 0
    done: Counter[str] = field(default_factory=Counter)
    dead: dict[str, str] = field(default_factory=dict)
    makespan_s: float = 0.0
    worked_s: float = 0.0
    until_done_s: float = 0.0
    said: list[tuple[float, bool]] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)
    waits: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    most_bots: int = 0
    wrongs: list[str] = field(default_factory=list)


class SimulatedHive:
    def __init__(
        self,
        world: World,
        pick: Pick,
        learn: Learn,
        *,
        trouble: Trouble = Trouble(),
        limits: Limits | None = None,
    ) -> None:
        """With `limits` it begins with the fewest bots, and is scaled."""
        self.told = Told()
        self._world, self._pick, self._learn, self._trouble = world, pick, learn, trouble
        self._jobs = {job.task_id: job for job in world.jobs}
        self._queue = TaskQueue(ageing_s=TASKS.ageing_s)
        self._pauses: dict[str, Pause] = {}
        self._moments: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()
        self._dice = random.Random(f"trouble {world.seed}")
        self._confidence: dict[str, float] = {}
        self._limits = limits
        self._scaler = Scaler(ScalingPolicy()) if limits else None
        self._bots: dict[str, Bot] = {}
        self._spare = list(world.bots)
        for _ in range(limits.least if limits else len(world.bots)):
            self._launch(0.0)
        for job in world.jobs:
            self._plan(job.at, lambda at, job=job: self._come(job, at))  # type: ignore[misc]
        if self._scaler is not None:
            self._plan(10.0, self._scale)

    def run(self) -> Told:
        """Until nothing is left to be done."""
        while self._moments:
            at, _, happen = heapq.heappop(self._moments)
            happen(at)
            self._hand_out(at)
        self.told.wrongs += [f"{task.task_id} is left {task.state}" for task in self._queue]
        return self.told

    # Tasks

    def _come(self, job: Job, at: float) -> None:
        self._note(
            ev.TaskQueued(
                at=at,
                task_id=job.task_id,
                title=job.task_id,
                text=job.task_id,
                sender="HUMAN",
                to="",
                priority=job.priority,
                task_type=job.task_type,
            )
        )

    def _note(self, event: ev.TaskEvent) -> None:
        if not self._queue.note(event, event.at):
            self.told.wrongs.append(f"{event} is stale")
        match event:
            case ev.TaskDone():
                self.told.done[event.task_id] += 1
            case ev.TaskDied():
                self.told.dead[event.task_id] = event.reason

    def _hand_out(self, at: float) -> None:
        seats = {bot_id: bot for bot_id, bot in self._bots.items() if self._has_seat(bot, at)}
        passed_over: list[Task] = []
        awaited = Counter[str]()
        while seats and len(passed_over) < AWAITING and (task := self._queue.first(seats, at)):
            bot_id, confidence = self._pick(task, self._contenders(task, seats, awaited, at), at)
            if bot_id not in seats:
                self._queue.take(task.task_id)
                passed_over.append(task)
                awaited[bot_id] += 1
                continue
            bot = seats.pop(bot_id)
            attempt = task.attempt + 1
            assigned = ev.TaskAssigned(
                at=at,
                task_id=task.task_id,
                bot_id=bot_id,
                attempt=attempt,
                message_id=f"{task.task_id}.{attempt}",
                task_type=task.task_type,
            )
            self._note(assigned)
            self.told.given[bot_id] += 1
            if confidence is not None:
                self._confidence[assigned.message_id] = confidence
            bot.pace.handed(at)
            self._line_up(bot, task)
            self._begin(bot, at)
            if self._has_seat(bot, at):
                seats[bot_id] = bot
        for task in passed_over:
            self._queue.give_back(task.task_id)
        if (due := self._queue.next_due) is not None and due > at:
            self._plan_once(due)

    def _line_up(self, bot: Bot, task: Task) -> None:
        """What is most urgent goes first, of what it has not begun."""
        begun = bot.in_hand[:1] if bot.began_at is not None else []
        rest = [*bot.in_hand[len(begun) :], task.task_id]
        bot.in_hand = [*begun, *sorted(rest, key=lambda task_id: self._jobs[task_id].priority)]

    def _contenders(
        self, task: Task, seats: Mapping[str, Bot], awaited: Mapping[str, int], at: float
    ) -> list[Contender]:
        """Whom it may be given now, or may wait for."""
        bots = [bot for bot in self._bots.values() if bot.view.bot_id in seats or self._may_be_awaited(task, bot, at)]
        return [
            contender(
                bot.view,
                in_hand=len(bot.in_hand) + awaited.get(bot.view.bot_id, 0),
                busy_s=0.0 if bot.began_at is None else at - bot.began_at,
                now=at,
            )
            for bot in bots
        ]

    def _may_be_awaited(self, task: Task, bot: Bot, at: float) -> bool:
        if task.priority == URGENT or bot.is_leaving or bot.view.breaker is not br.Phase.CLOSED:
            return False
        return bool(bot.in_hand) and not unavailable(bot.view, self._pauses, at)

    def _has_seat(self, bot: Bot, at: float) -> bool:
        """As the dispatcher's seats are."""
        if bot.is_leaving or unavailable(bot.view, self._pauses, at):
            return False
        ahead = len(bot.in_hand) - (bot.began_at is not None)
        if bot.in_hand and bot.view.breaker is not br.Phase.CLOSED:
            return False
        opens_at = bot.pace.opens_at(ahead=ahead)
        if opens_at is None or opens_at <= at:
            return opens_at is not None
        self._plan_once(opens_at)
        return False

    # Turns

    def _begin(self, bot: Bot, at: float) -> None:
        if bot.began_at is not None or not bot.in_hand or bot.view.state is not BotState.RUNNING:
            return
        if PROVIDER in self._pauses:
            self.told.wrongs.append(f"{bot.view.bot_id} begins while its provider is left alone")
        task = self._queue.get(bot.in_hand[0])
        assert task is not None
        bot.breaker, answer = br.ask(bot.breaker, at)
        self._show_breaker(bot, at)
        if isinstance(answer, br.Refusal):
            self._give_back(bot, at, answer.reason)
            return
        bot.permit, bot.began_at, bot.turn = answer, at, bot.turn + 1
        bot.view = replace(bot.view, activity=Activity.BUSY, message_id=task.message_id)
        bot.pace.began(at)
        self._note(ev.TaskStarted(at=at, task_id=task.task_id, bot_id=bot.view.bot_id, attempt=task.attempt))
        job = self._jobs[task.task_id]
        if task.attempt == 1:
            self.told.waits[job.priority].append(at - job.at)
        succeeded, takes_s = self._world.attempt(job, task.attempt, bot.view.bot_id, at)
        luck = self._dice.random()
        crashes = luck < self._trouble.crash
        overloaded = not crashes and luck < self._trouble.crash + self._trouble.overload
        turn = bot.turn
        self._plan(
            at + (takes_s * 0.3 if crashes or overloaded else takes_s),
            lambda end: self._end(bot, turn, end, succeeded=succeeded, crashes=crashes, overloaded=overloaded),
        )

    def _end(self, bot: Bot, turn: int, at: float, *, succeeded: bool, crashes: bool, overloaded: bool) -> None:
        if bot.turn != turn or bot.began_at is None or bot.permit is None:
            return
        task = self._queue.get(bot.in_hand.pop(0))
        assert task is not None
        took_s, permit = at - bot.began_at, bot.permit
        bot.began_at = bot.permit = None
        bot.view = replace(bot.view, activity=Activity.IDLE, message_id=None)
        bot.pace.ended(at)
        ended = ev.TurnEnded(
            at=at,
            bot_id=bot.view.bot_id,
            run=bot.view.run,
            message_id=task.message_id,
            status="interrupted" if crashes else "answered" if succeeded and not overloaded else "failed",
            error="" if succeeded else "it failed",
            duration_s=took_s,
            failure=Failure.OVERLOAD if overloaded else None if succeeded or crashes else Failure.ERROR,
        )
        end = after_turn(task, ended, Circumstances(crashed=crashes), TASKS, begun=True)
        self._count(task, end, took_s)
        self._note(end)
        if crashes:
            self._crash(bot, at)
            return
        follows = consequences(ended)
        if follows.breaker == "success":
            bot.breaker = br.succeed(bot.breaker, permit, at)
        elif follows.breaker == "failure":
            bot.breaker = br.fail(bot.breaker, permit, at, "it failed")
        else:
            bot.breaker = br.give_back(bot.breaker, permit, at)
        self._show_breaker(bot, at)
        if follows.pause:
            self._pause(at)
        self._begin(bot, at)
        self._leave(bot)

    def _count(self, task: Task, end: ev.TaskDone | ev.TaskPutBack | ev.TaskDied, took_s: float) -> None:
        told = self.told
        told.worked_s += took_s
        told.makespan_s = max(told.makespan_s, end.at)
        succeeded = isinstance(end, ev.TaskDone)
        counts = not isinstance(end, ev.TaskPutBack) or end.counted
        if counts:
            told.failures += not succeeded
            if (confidence := self._confidence.get(task.message_id)) is not None:
                told.said.append((confidence, succeeded))
            self._learn(task, end)
        if not isinstance(end, ev.TaskPutBack):
            told.until_done_s += end.at - task.created_at

    def _give_back(self, bot: Bot, at: float, reason: str) -> None:
        """What it has not begun."""
        left = bot.in_hand[1:] if bot.began_at is not None else bot.in_hand[:]
        for task_id in left:
            bot.in_hand.remove(task_id)
            task = self._queue.get(task_id)
            assert task is not None
            self._note(put_back(task, at, reason, TASKS))

    # Bots

    def _show_breaker(self, bot: Bot, at: float) -> None:
        breaker = bot.breaker
        retry_at = breaker.until if breaker.phase is br.Phase.OPEN else None
        bot.view = replace(bot.view, breaker=breaker.phase, retry_at=retry_at, breaker_reason=breaker.reason)
        if retry_at is not None and retry_at > at:
            self._give_back(bot, at, breaker.reason)
            self._plan_once(retry_at)

    def _crash(self, bot: Bot, at: float) -> None:
        self.told.crashes += 1
        bot.breaker = br.observe_failure(bot.breaker, at, "it crashed")
        bot.view = replace(bot.view, state=BotState.BACKOFF, since=at)
        self._give_back(bot, at, "its bot crashed")
        self._show_breaker(bot, at)
        self._plan(at + 20.0, lambda then: self._restart(bot, then))

    def _restart(self, bot: Bot, at: float) -> None:
        view = bot.view
        bot.view = replace(view, state=BotState.RUNNING, since=at, run=view.run + 1, restarts=view.restarts + 1)
        self._leave(bot)

    def _pause(self, at: float) -> None:
        if PROVIDER in self._pauses:
            return
        self.told.pauses += 1
        self._pauses[PROVIDER] = Pause(since=at, until=at + self._trouble.pause_s, reason="overloaded")
        for bot in self._bots.values():
            self._give_back(bot, at, "its provider is left alone")
        self._plan(at + self._trouble.pause_s, lambda _: self._pauses.clear())

    # Scaling

    def _scale(self, at: float) -> None:
        assert self._scaler is not None
        assert self._limits is not None
        views = {bot_id: bot.view for bot_id, bot in self._bots.items()}
        queue = self._queue
        snapshot = Snapshot(
            state=HiveState(bots=MappingProxyType(views), pauses=MappingProxyType(dict(self._pauses))),
            work=WorkView(waiting=queue.ready, ready=queue.ready),
        )
        for step in self._scaler.look(at, snapshot, {TEMPLATE: self._limits}):
            if isinstance(step, Start):
                for _ in range(step.count):
                    self._launch(at)
                self._scaler.started(TEMPLATE, at)
            elif isinstance(step, Drain):
                self._bots[step.bot_id].is_leaving = True
                self._give_back(self._bots[step.bot_id], at, "it is not needed")
                self._leave(self._bots[step.bot_id])
                self._scaler.drained(TEMPLATE, at)
        if len(self.told.done) + len(self.told.dead) < len(self._jobs):
            self._plan(at + 10.0, self._scale)

    def _launch(self, at: float) -> None:
        bot_id = self._spare.pop(0)
        agent = AgentSpec(name="agent", kind="command", provider=PROVIDER)
        spec = BotSpec(bot_id=bot_id, agent=agent, template=TEMPLATE)
        view = BotView(bot_id=bot_id, spec=spec, state=BotState.RUNNING, since=at, run=1, health=Health.OK)
        view = replace(view, scaled=self._limits is not None)
        self._bots[bot_id] = Bot(view, br.Breaker(policy=br.BreakerPolicy()), Pace(FLOW))
        self.told.most_bots = max(self.told.most_bots, len(self._bots))

    def _leave(self, bot: Bot) -> None:
        if bot.is_leaving and not bot.in_hand:
            del self._bots[bot.view.bot_id]
            self._spare.append(bot.view.bot_id)

    # Moments

    def _plan(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._moments, (at, next(self._numbers), happen))

    def _plan_once(self, at: float) -> None:
        """A look at who may get something, unless one comes soon anyway."""
        assert math.isfinite(at)
        if not self._moments or self._moments[0][0] > at:
            self._plan(at, lambda _: None)
