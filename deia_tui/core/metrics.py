"""How the bots did in the last minutes, from the events of that time: one window a bot, and its line for
`metrics-YYYY-MM-DD.jsonl`. Tokens and cost are null where agents report none. The hive itself has a window too, for the
requests it answered. How windows are added up says metricsreport.py."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.journal import Line, rfc3339
from deia_tui.core.redact import redact_text
from deia_tui.core.spread import Spread
from deia_tui.core.state import BotView
from deia_tui.core.work.tasks import WAITING, Task, TaskState

HIVE = ""
"""Stands for the hive itself where a bot is named."""
PERCENTILES = (50, 95, 99)
_UP = frozenset({BotState.RUNNING, BotState.STOPPING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a bot did in the `window_s` seconds before `at` (unix seconds). `messages` counts what it was given, letters
    and tasks included; of its calls `answered` succeeded and those in `errors` failed. Spreads: `answers` how long
    calls took; of tasks `waits` how long they waited, `runs` how long it worked on those that were done, `ways` from
    their making to their end; `requests` how long the hive's API took."""

    at: float
    bot_id: str
    window_s: float
    messages: int = 0
    answered: int = 0
    errors: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    answers: Spread = Spread()
    tasks_done: int = 0
    tasks_failed: int = 0
    waits: Spread = Spread()
    runs: Spread = Spread()
    ways: Spread = Spread()
    requests: Spread = Spread()
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    up_s: float = 0.0

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


@dataclass(slots=True)
class _Counts:
    asked: int = 0
    answered: int = 0
    answers_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    tasks_done: int = 0
    tasks_failed: int = 0
    waits_s: list[float] = field(default_factory=list)
    runs_s: list[float] = field(default_factory=list)
    ways_s: list[float] = field(default_factory=list)
    requests_s: list[float] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    used: bool = False
    up_s: float = 0.0
    up_since: float | None = None


class Metrics:
    """One window after the other; `since` is when the first begins (unix seconds)."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._bots: dict[str, _Counts] = {}
        self._made: dict[str, float] = {}
        self._waits_since: dict[str, float] = {}

    def know(self, tasks: Iterable[Task]) -> None:
        """These had not ended before the first event."""
        for task in tasks:
            self._made[task.task_id] = task.created_at
            if task.state is not TaskState.RUNNING:
                self._waits_since[task.task_id] = task.since if task.state in WAITING else task.created_at

    def request(self, took_s: float) -> None:
        """The hive answered one."""
        self._of(HIVE).requests_s.append(took_s)

    def add(self, event: ev.Event) -> None:
        match event:
            case ev.MessageQueued():
                self._of(event.bot_id).asked += 1
            case ev.TurnEnded(status="answered" | "failed"):
                counts = self._of(event.bot_id)
                counts.answered += event.status == "answered"
                if event.source_seq:
                    counts.answers_s.append(event.duration_s)
                if event.status == "failed":
                    counts.errors[redact_text(event.error).partition(":")[0][:60]] += 1
            case ev.UsageReported(usage=usage, cost_usd=cost):
                counts = self._of(event.bot_id)
                counts.used = True
                counts.tokens_in += usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
                counts.tokens_out += usage.output_tokens
                counts.cost_usd = counts.cost_usd if cost is None else (counts.cost_usd or 0.0) + cost
            case ev.BotReady():
                self._of(event.bot_id).up_since = event.at
            case ev.BotExited():
                counts = self._of(event.bot_id)
                if counts.up_since is not None:
                    counts.up_s += max(0.0, event.at - max(counts.up_since, self._since))
                counts.up_since = None
            case _ if isinstance(event, ev.TaskEvent):
                self._add_task(event)
            case _:
                return

    def _add_task(self, event: ev.TaskEvent) -> None:
        task_id = event.task_id
        match event:
            case ev.TaskQueued() | ev.TaskRevived():
                self._made[task_id] = self._waits_since[task_id] = event.at
            case ev.TaskStarted():
                if (since := self._waits_since.pop(task_id, None)) is not None:
                    self._of(event.bot_id).waits_s.append(max(0.0, event.at - since))
            case ev.TaskDone():
                counts = self._of(event.bot_id)
                counts.tasks_done += 1
                counts.runs_s.append(event.duration_s)
                if (made := self._made.get(task_id)) is not None:
                    counts.ways_s.append(max(0.0, event.at - made))
            case ev.TaskPutBack():
                self._waits_since[task_id] = event.at
                self._of(event.bot_id).tasks_failed += event.counted
            case ev.TaskDied() if event.bot_id:
                self._of(event.bot_id).tasks_failed += 1
            case _:
                pass
        if isinstance(event, ev.TaskDone | ev.TaskDied | ev.TaskCancelled):
            self._made.pop(task_id, None)
            self._waits_since.pop(task_id, None)

    def close(self, at: float, bots: Mapping[str, BotView]) -> tuple[list[Line], list[Window]]:
        """The lines and windows that end now; the next ones begin. Bots that were off and silent have none, nor has
        anybody when the clock was set back."""
        closed = self._windows(at, bots)
        up = {bot_id: bot.since for bot_id, bot in bots.items() if bot.state in _UP}
        self._since, self._bots = at, {bot_id: _Counts(up_since=since) for bot_id, since in up.items()}
        file = f"metrics-{rfc3339(at)[:10]}.jsonl"
        lines = [(file, _row(window, counts)) for window, counts in closed if window.bot_id != HIVE]
        return lines, [window for window, _ in closed]

    def current(self, at: float, bots: Mapping[str, BotView]) -> list[Window]:
        """The windows that are open, as if they ended now."""
        return [window for window, _ in self._windows(at, bots)]

    def _windows(self, at: float, bots: Mapping[str, BotView]) -> list[tuple[Window, _Counts]]:
        found: list[tuple[Window, _Counts]] = []
        if at <= self._since:
            return found
        for bot_id in sorted({HIVE, *bots}):
            counts = self._bots.get(bot_id, _Counts())
            bot = bots.get(bot_id)
            now_up_s = max(0.0, at - max(bot.since, self._since)) if bot is not None and bot.state in _UP else 0.0
            window = _window(at, bot_id, at - self._since, counts, counts.up_s + now_up_s)
            if window != Window(at=at, bot_id=bot_id, window_s=window.window_s):
                found.append((window, counts))
        return found

    def _of(self, bot_id: str) -> _Counts:
        return self._bots.setdefault(bot_id, _Counts())


def _window(at: float, bot_id: str, window_s: float, counts: _Counts, up_s: float) -> Window:
    return Window(
        at=at,
        bot_id=bot_id,
        window_s=window_s,
        messages=counts.asked,
        answered=counts.answered,
        errors=dict(counts.errors),
        answers=Spread.of(counts.answers_s),
        tasks_done=counts.tasks_done,
        tasks_failed=counts.tasks_failed,
        waits=Spread.of(counts.waits_s),
        runs=Spread.of(counts.runs_s),
        ways=Spread.of(counts.ways_s),
        requests=Spread.of(counts.requests_s),
        tokens_in=counts.tokens_in if counts.used else None,
        tokens_out=counts.tokens_out if counts.used else None,
        cost_usd=counts.cost_usd,
        up_s=up_s,
    )


def _row(window: Window, counts: _Counts) -> dict[str, object]:
    calls = window.answered + window.failed
    return {
        "timestamp": rfc3339(window.at),
        "bot_id": window.bot_id,
        "window_s": round(window.window_s, 1),
        "messages_per_minute": round(60 * window.messages / window.window_s, 2),
        "latency_ms": {f"p{part}": _percentile(sorted(counts.answers_s), part) for part in PERCENTILES},
        "error_rate": round(window.failed / calls, 4) if calls else None,
        "errors": dict(window.errors),
        "tasks_done": window.tasks_done,
        "tasks_failed": window.tasks_failed,
        "tokens_in": window.tokens_in,
        "tokens_out": window.tokens_out,
        "cost_usd": None if window.cost_usd is None else round(window.cost_usd, 6),
        "uptime_percent": round(min(100.0, 100 * window.up_s / window.window_s), 1),
    }


def _percentile(ordered: Sequence[float], part: int) -> float | None:
    """In milliseconds, by nearest rank."""
    if not ordered:
        return None
    return round(1000 * ordered[max(0, math.ceil(len(ordered) * part / 100) - 1)], 1)
