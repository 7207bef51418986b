"""How the hive as a whole copes: healthy, degraded or critical, from a few measures with two limits each.

A measure that has crossed a limit stays on that level until it is well below it, so that nothing flaps. A change of
level is an alert, which a higher level replaces and recovery ends.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.load.averages import Average
from deia_tui.core.state import Alert
from deia_tui.core.work.view import Strain

CALLS_S = 600.0
"""What is known of calls older than this says nothing about now."""
_LEVELS: tuple[Strain, ...] = ("healthy", "degraded", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrainPolicy:
    """Each measure has a limit from which on the hive is degraded, and one from which on its state is critical. CPU and
    memory are the machine's, in percent, averaged over `window_s`; `queue` counts waiting tasks; `errors` is the
    percentage of failed calls among the last, if these are at least `min_calls`. A level ends below `recovered` times
    its limit."""

    window_s: float = 60.0
    cpu_degraded: float = 70.0
    cpu_critical: float = 90.0
    memory_degraded: float = 80.0
    memory_critical: float = 95.0
    queue_degraded: float = 100.0
    queue_critical: float = 500.0
    errors_degraded: float = 1.0
    errors_critical: float = 5.0
    min_calls: int = 20
    recovered: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is measured every second. `can_write`: the store takes what happens."""

    cpu_percent: float
    memory_percent: float
    waiting: int
    can_write: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """`reason` is "" for a healthy hive; `wanted` is what became different for the alerts."""

    strain: Strain
    reason: str
    wanted: tuple[Raise | Clear, ...]


@dataclass(frozen=True, slots=True)
class _Measure:
    kind: str
    text: str
    action: str
    degraded: float
    critical: float


class Strains:
    """Of one hive; `alerts` are those it has had, which say on which level a former supervisor left each measure."""

    def __init__(self, policy: StrainPolicy, alerts: Iterable[Alert] = ()) -> None:
        self._policy = policy
        self._measures = _measures(policy)
        open_ones = {alert.kind: alert.level for alert in alerts if alert.bot_id is None and alert.cleared_at is None}
        self._levels = {one.kind: _level_of(open_ones.get(one.kind)) for one in self._measures}
        self._cpu, self._memory = Average(policy.window_s), Average(policy.window_s)
        self._calls: deque[tuple[float, bool]] = deque()

    def called(self, now: float, *, failed: bool) -> None:
        """A call of any bot ended."""
        self._calls.append((now, failed))
        while len(self._calls) > self._policy.min_calls and self._calls[0][0] < now - self._policy.window_s:
            self._calls.popleft()

    def look(self, now: float, readings: Readings) -> Judgement:
        """How the hive copes by what is known at `now`."""
        self._cpu.add(now, readings.cpu_percent)
        self._memory.add(now, readings.memory_percent)
        values = {
            "cpu": self._cpu.over(now),
            "memory": self._memory.over(now),
            "queue": float(readings.waiting),
            "errors": self._error_percent(now),
        }
        wanted = tuple(self._moves(values))
        worst = max(self._measures, key=lambda one: self._levels[one.kind])
        if not readings.can_write:
            return Judgement("critical", "the store cannot be written", wanted)
        strain = _LEVELS[self._levels[worst.kind]]
        value = values[worst.kind]
        known = worst.text if value is None else f"{worst.text} {_figure(worst, value)}"
        return Judgement(strain, "" if strain == "healthy" else known, wanted)

    def _moves(self, values: dict[str, float | None]) -> Iterator[Raise | Clear]:
        for one in self._measures:
            value, before = values[one.kind], self._levels[one.kind]
            if value is None and one.kind != "errors":
                continue  # too early to tell
            self._levels[one.kind] = level = _level(one, value or 0.0, before, self._policy.recovered)
            if level and level != before:
                limit = one.critical if level == 2 else one.degraded
                text = f"{one.text} {_figure(one, value or 0.0)} (limit {_figure(one, limit)})"
                yield Raise(None, one.kind, "critical" if level == 2 else "warning", text, one.action, value, limit)
            elif level != before:
                yield Clear(None, one.kind, f"{one.text} {_figure(one, value or 0.0)}")

    def _error_percent(self, now: float) -> float | None:
        recent = [failed for at, failed in self._calls if at >= now - CALLS_S]
        return 100 * sum(recent) / len(recent) if len(recent) >= self._policy.min_calls else None


def _measures(policy: StrainPolicy) -> tuple[_Measure, ...]:
    """The most telling first, where several are on one level."""
    return (
        _Measure(
            "memory",
            "the machine's memory is at",
            "stop bots that need much of it, or the programs beside them",
            policy.memory_degraded,
            policy.memory_critical,
        ),
        _Measure(
            "cpu",
            "the machine's CPU is at",
            "stop what need not run now; P3 waits until it is better",
            policy.cpu_degraded,
            policy.cpu_critical,
        ),
        _Measure(
            "queue",
            "tasks that wait:",
            "launch more bots, or raise max_bots of a template; P3 waits until it is better",
            policy.queue_degraded,
            policy.queue_critical,
        ),
        _Measure(
            "errors",
            "calls of bots that fail:",
            "the log of each bot says why; P3 waits until it is better",
            policy.errors_degraded,
            policy.errors_critical,
        ),
    )


def _level(one: _Measure, value: float, before: int, recovered: float) -> int:
    if value >= one.critical or (before == 2 and value >= recovered * one.critical):
        return 2
    return int(value >= one.degraded or (before >= 1 and value >= recovered * one.degraded))


def _level_of(alert_level: str | None) -> int:
    return {"warning": 1, "critical": 2}.get(alert_level or "", 0)


def _figure(one: _Measure, value: float) -> str:
    return f"{value:.0f}" if one.kind == "queue" else f"{value:.3g} %"
