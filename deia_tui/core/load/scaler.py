"""How many bots a template should have, by what waits and how busy those it has are: whether to start or drain one.

Only bots that scaling started are drained; what a human launched counts and is never stopped, and a template all of
whose bots a human stopped is left alone. A bot that is fatal is replaced, but not without end; one whose breaker is
locked is not, since those beside it would fail alike.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deia_tui.core.backoff import backoff_s
from deia_tui.core.bots import NOT_NEEDED, OFF, WITH_ALL, Activity, BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.load.averages import Average
from deia_tui.core.state import BotView, Snapshot
from deia_tui.core.work.view import NO_WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPolicy:
    """One bot more from `up_queue` tasks on that any bot could begin, or above a mean load of `up_load` over `load_s`;
    one less that has been idle for `idle_s`. At least `up_cooldown_s` lie between two starts, `down_cooldown_s` between
    two drains. Nothing is started while the machine uses `max_memory_percent` or `max_cpu_percent`, nor for a template
    that has `max_fatal` fatal bots. After a launch that failed the next one waits, twice as long each time, up to
    `retry_max_s`."""

    up_queue: int = 5
    up_load: float = 0.7
    load_s: float = 60.0
    idle_s: float = 300.0
    up_cooldown_s: float = 30.0
    down_cooldown_s: float = 60.0
    max_memory_percent: float = 85.0
    max_cpu_percent: float = 90.0
    max_fatal: int = 3
    retry_max_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bots of a template scaling keeps at least, and at most."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Launch `count` bots. `fatal` is one that they stand in for, or ""."""

    template: str
    count: int
    reason: str
    load: float
    fatal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    template: str
    bot_id: str
    reason: str
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """There should be a bot more, for `wanted`, and there cannot."""

    template: str
    wanted: str
    reason: str


Step = Start | Drain | Stuck


@dataclass(slots=True)
class _Past:
    """What is remembered of a template; `failures` counts launches in a row that came to nothing."""

    load: Average
    up_at: float = -math.inf
    down_at: float = -math.inf
    failures: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """The bots of a template: those that have a process or will, those of them that are to stay, those that nobody but
    a human starts again, and how many of those that are off a human wants off."""

    present: tuple[BotView, ...]
    staying: tuple[BotView, ...]
    fatal: tuple[str, ...]
    resting: int
    load: float


class Scaler:
    """`opened_at` (unix seconds) is when the supervisor began: who was stopped with all others before is wanted again.
    All other times are seconds on one monotonic clock, passed in."""

    def __init__(self, policy: ScalingPolicy, *, opened_at: float = 0.0) -> None:
        self._policy = policy
        self._opened_at = opened_at
        self._cpu = Average(policy.load_s)
        self._past: dict[str, _Past] = {}
        self._idle_since: dict[str, float] = {}

    def look(self, now: float, snapshot: Snapshot, limits: Mapping[str, Limits]) -> list[Step]:
        """What to do now, at most one step a template; who does it says so by `started`, `failed` and `drained`."""
        self._cpu.add(now, snapshot.telemetry.cpu_percent)
        idle = [bot.bot_id for bot in snapshot.state.bots.values() if _is_idle(bot, snapshot)]
        self._idle_since = {bot_id: self._idle_since.get(bot_id, now) for bot_id in idle}
        self._past = {name: self._past.get(name) or _Past(Average(self._policy.load_s)) for name in limits}
        return [step for name, bounds in limits.items() for step in self._look_at(name, bounds, now, snapshot)]

    def started(self, template: str, now: float) -> None:
        past = self._past[template]
        past.up_at, past.failures = now, 0

    def failed(self, template: str, now: float, reason: str) -> None:
        """A launch came to nothing."""
        past = self._past[template]
        past.up_at, past.failures, past.failure = now, past.failures + 1, reason

    def drained(self, template: str, now: float) -> None:
        self._past[template].down_at = now

    def _look_at(self, template: str, bounds: Limits, now: float, snapshot: Snapshot) -> Iterator[Step]:
        past, policy = self._past[template], self._policy
        group = self._group(template, snapshot)
        past.load.add(now, group.load)
        count, why = self._wanted(group, bounds, past.load.over(now), snapshot.work.ready)
        if count:
            pause_s = backoff_s(past.failures + 1, base_s=policy.up_cooldown_s, max_s=policy.retry_max_s)
            if blocked := self._blocked(group, now, snapshot):
                yield Stuck(template=template, wanted=why, reason=blocked)
            elif now - past.up_at >= pause_s:
                fatal = group.fatal[0] if group.fatal else ""
                yield Start(template=template, count=count, reason=why, load=group.load, fatal=fatal)
            elif past.failures:
                yield Stuck(template=template, wanted=why, reason=past.failure)
        elif len(group.staying) > bounds.least and now - past.down_at >= policy.down_cooldown_s:
            yield from self._spare(template, group, now)

    def _group(self, template: str, snapshot: Snapshot) -> _Group:
        bots = [bot for bot in snapshot.state.bots.values() if bot.spec.template == template]
        present = tuple(bot for bot in bots if bot.state not in OFF)
        staying = tuple(bot for bot in present if bot.state is not BotState.STOPPING or bot.wanted)
        return _Group(
            present=present,
            staying=staying,
            fatal=tuple(sorted(bot.bot_id for bot in bots if bot.state is BotState.FATAL)),
            resting=sum(self._rests(bot) for bot in bots),
            load=sum(_is_busy(bot, snapshot) for bot in staying) / len(staying) if staying else 0.0,
        )

    def _rests(self, bot: BotView) -> bool:
        """Did a human stop it, and want it so?"""
        if bot.state is not BotState.STOPPED or bot.reason == NOT_NEEDED:
            return False
        return bot.reason not in WITH_ALL or bot.since >= self._opened_at

    def _wanted(self, group: _Group, bounds: Limits, load: float | None, ready: int) -> tuple[int, str]:
        """How many bots more there should be, and why."""
        room, here = bounds.most - len(group.present), len(group.staying)
        if room <= 0 or (group.resting and not here):
            return 0, ""
        if (missing := bounds.least - here - group.resting) > 0:
            return min(room, missing), f"at least {bounds.least} are to run"
        if ready >= self._policy.up_queue:
            return 1, f"{ready} tasks wait"
        if load is not None and load > self._policy.up_load:
            return 1, f"its bots are busy for {load:.0%} of the time"
        return 0, ""

    def _blocked(self, group: _Group, now: float, snapshot: Snapshot) -> str:
        """What makes another bot useless now, or harmful, or ""."""
        policy, telemetry = self._policy, snapshot.telemetry
        mean = self._cpu.over(now)
        cpu_percent = telemetry.cpu_percent if mean is None else mean
        locked = [bot for bot in group.staying if bot.breaker is Phase.OPEN and bot.retry_at is None]
        paused = sorted({bot.spec.agent.provider for bot in group.present} & snapshot.state.pauses.keys())
        if telemetry.memory_percent >= policy.max_memory_percent:
            return f"the machine's memory is at {telemetry.memory_percent:.0f} %"
        if cpu_percent >= policy.max_cpu_percent:
            return f"the machine's CPU is at {cpu_percent:.0f} %"
        if len(group.fatal) >= policy.max_fatal:
            return f"{', '.join(group.fatal)} are fatal: another would be, too"
        if locked:
            return f"{locked[0].bot_id} needs you: {locked[0].breaker_reason}"
        return f"{paused[0]} is left alone for a while" if paused else ""

    def _spare(self, template: str, group: _Group, now: float) -> Iterator[Drain]:
        """Of the bots that scaling started, the one that has been idle longest, if that is long enough."""
        idle = [
            (self._idle_since[bot.bot_id], bot.bot_id)
            for bot in group.staying
            if bot.scaled and bot.bot_id in self._idle_since
        ]
        since, bot_id = min(idle, default=(now, ""))
        if bot_id and now - since >= self._policy.idle_s:
            yield Drain(template=template, bot_id=bot_id, reason=f"idle for {now - since:.0f} s", load=group.load)


def _is_busy(bot: BotView, snapshot: Snapshot) -> bool:
    work = snapshot.work.bots.get(bot.bot_id, NO_WORK)
    return bot.activity is not Activity.IDLE or bool(bot.queued or work.ahead or work.running)


def _is_idle(bot: BotView, snapshot: Snapshot) -> bool:
    """It could work, and nothing is there for it."""
    addressed = snapshot.work.bots.get(bot.bot_id, NO_WORK).addressed
    return bot.state is BotState.RUNNING and not addressed and not _is_busy(bot, snapshot)
