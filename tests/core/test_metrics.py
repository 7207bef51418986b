"""What is counted of tasks, calls and requests, how windows are added up, and what the last hour and day come to."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, BotState
from deia_tui.core.metrics import HIVE, Metrics, Window
from deia_tui.core.metricsreport import add_up, from_json, summary, to_json
from deia_tui.core.spread import Spread
from deia_tui.core.state import BotView
from deia_tui.core.work.tasks import Task, TaskState, TaskType

AT = 1_760_000_000.0
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))
BOTS = {"B": BotView(bot_id="B", spec=SPEC)}


def queued(task_id: str, at: float) -> ev.TaskQueued:
    return ev.TaskQueued(
        at=at, task_id=task_id, title="", text="", sender="", to="", priority=2, task_type=TaskType.OTHER
    )


def started(task_id: str, at: float) -> ev.TaskStarted:
    return ev.TaskStarted(at=at, task_id=task_id, bot_id="B", attempt=1)


def done(task_id: str, at: float, duration_s: float = 5.0) -> ev.TaskDone:
    return ev.TaskDone(at=at, task_id=task_id, bot_id="B", attempt=1, duration_s=duration_s)


def back(task_id: str, at: float, *, counted: bool = True) -> ev.TaskPutBack:
    return ev.TaskPutBack(at=at, task_id=task_id, bot_id="B", attempt=1, reason="", counted=counted)


def closed(metrics: Metrics) -> Window:
    (window,) = metrics.close(AT + 300, BOTS)[1]
    return window


def near(found: float | None, wanted: float) -> bool:
    return found is not None and abs(found / wanted - 1) < 0.05


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50), st.sampled_from([50, 95, 99]))
def test_a_percentile_of_a_spread_is_right_to_five_percent(times: list[float], part: int) -> None:
    exact = sorted(times)[max(0, -(-len(times) * part // 100) - 1)]
    assert near(Spread.of(times).percentile(part), exact)
    half = len(times) // 2
    assert Spread.of(times[:half]) + Spread.of(times[half:]) == Spread.of(times)


def test_a_spread_of_nothing_has_no_percentile_and_nothing_is_too_short() -> None:
    assert Spread().percentile(50) is None
    assert near(Spread.of([0.0]).percentile(50), 1e-4)


def test_a_task_counts_for_the_bot_that_did_it() -> None:
    metrics = Metrics(AT)
    for event in (queued("a", AT), started("a", AT + 10), back("a", AT + 20), started("a", AT + 50)):
        metrics.add(event)
    metrics.add(done("a", AT + 60, 10.0))
    for event in (queued("b", AT), started("b", AT + 1), back("b", AT + 2, counted=False), started("b", AT + 3)):
        metrics.add(event)
    metrics.add(ev.TaskDied(at=AT + 9, task_id="b", bot_id="B", attempt=2, reason=""))
    metrics.add(queued("c", AT))
    metrics.add(ev.TaskCancelled(at=AT + 9, task_id="c", by="ana"))
    metrics.add(ev.TaskDied(at=AT + 9, task_id="d", bot_id="", attempt=1, reason="no bot had it"))
    metrics.add(ev.TaskFiled(at=AT + 9, task_id="b", response="b.md"))
    metrics.add(started("c", AT + 10))
    metrics.add(done("c", AT + 12))
    metrics.add(ev.HiveClosed(at=AT + 13, reason=""))
    window = closed(metrics)
    assert (window.tasks_done, window.tasks_failed) == (2, 2)
    assert window.waits == Spread.of([10, 30, 1, 1])
    assert window.runs == Spread.of([10, 5])
    assert window.ways == Spread.of([60]), "nobody knows when c was made: it was cancelled"
    assert metrics.close(AT + 600, BOTS) == ([], [])


def test_tasks_of_before_are_known() -> None:
    metrics = Metrics(AT)
    of = {"title": "", "text": "", "created_at": AT - 100}
    metrics.know(
        [
            Task(task_id="new", since=AT - 100, **of),  # type: ignore[arg-type]
            Task(task_id="back", since=AT - 10, state=TaskState.RETRYABLE, tries=1, **of),  # type: ignore[arg-type]
            Task(task_id="given", since=AT - 1, state=TaskState.SCHEDULED, **of),  # type: ignore[arg-type]
            Task(task_id="runs", since=AT - 1, state=TaskState.RUNNING, **of),  # type: ignore[arg-type]
        ]
    )
    for task_id in ("new", "back", "given"):
        metrics.add(started(task_id, AT))
    metrics.add(done("runs", AT))
    window = closed(metrics)
    assert window.waits == Spread.of([100, 10, 100]) and window.ways == Spread.of([100])


def test_requests_are_the_hives_own_and_in_no_file() -> None:
    metrics = Metrics(AT)
    metrics.request(0.004)
    (current,) = metrics.current(AT + 1, BOTS)
    lines, (window,) = metrics.close(AT + 300, BOTS)
    assert (current.bot_id, window.bot_id, window.requests, lines) == (HIVE, HIVE, Spread.of([0.004]), [])


def test_a_bot_that_is_up_is_up_in_the_window_that_is_open() -> None:
    metrics = Metrics(AT)
    up = {"B": BotView(bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT - 9)}
    assert [window.up_s for window in metrics.current(AT + 30, up)] == [30.0]
    assert [window.up_s for window in metrics.current(AT + 60, up)] == [60.0], "looking changes nothing"


def windows(chance: random.Random, count: int) -> list[Window]:
    return [
        Window(
            at=AT - 300 * number,
            bot_id="B",
            window_s=300.0,
            messages=chance.randrange(5),
            answered=3,
            errors={"exit": 1} if number % 2 else {},
            answers=Spread.of([chance.random()]),
            tasks_done=number % 2,
            ways=Spread.of([60.0] * (number % 2)),
            tokens_in=None if number % 3 else 7,
            up_s=150.0,
        )
        for number in range(count)
    ]


def test_windows_are_kept_and_added_up_as_they_were() -> None:
    some = windows(random.Random(1), 9)
    for window in (*some, Window(at=AT, bot_id=HIVE, window_s=300.0, requests=Spread.of([0.1]), cost_usd=0.5)):
        assert from_json(window.at, window.bot_id, json.loads(json.dumps(to_json(window)))) == window
    whole = add_up(some)
    assert (whole.at, whole.window_s, whole.messages) == (AT, 2700.0, sum(window.messages for window in some))
    assert (whole.errors, whole.failed, whole.tokens_in, whole.cost_usd) == ({"exit": 4}, 4, 21, None)
    assert add_up([add_up(some[:4]), add_up(some[4:])]) == whole


def test_the_last_hour_stands_beside_the_last_day() -> None:
    some = windows(random.Random(2), 288 + 50)
    hive = Window(at=AT, bot_id=HIVE, window_s=300.0, requests=Spread.of([0.004] * 99))
    found = summary([*some, hive], AT)
    assert json.loads(json.dumps(found)) == found
    hour, day = found["bots"]["B"]["hour"], found["bots"]["B"]["day"]
    assert (hour["calls"], hour["calls_failed"], hour["errors"]) == (12 * 3 + 6, 6, {"exit": 6})
    assert (day["calls"], day["tasks_done"], day["task_completion_rate"]) == (288 * 3 + 144, 144, 1.0)
    assert (hour["uptime_percent"], day["uptime_percent"]) == (50.0, 50.0)
    assert near(hour["task_latency_s"]["p99"], 60.0) and hour["task_run_s"]["p50"] is None
    assert hour["messages_per_minute"] == round(sum(window.messages for window in some[:12]) / 60, 2)
    assert near(found["total"]["hour"]["api_latency_ms"]["p95"], 4.0) and hour["api_latency_ms"]["p95"] is None


def test_where_nothing_happened_there_is_nothing_to_tell() -> None:
    assert summary([], AT) == {"at": AT, "bots": {}, "total": {"hour": None, "day": None}}
    old = Window(at=AT - 7200, bot_id="B", window_s=300.0, messages=1)
    found = summary([old], AT)
    assert found["bots"]["B"]["hour"] is None and found["bots"]["B"]["day"]["error_rate"] is None
    hive = Window(at=AT, bot_id=HIVE, window_s=300.0, requests=Spread.of([0.1]))
    assert summary([hive], AT)["total"]["hour"]["uptime_percent"] is None
