"""The files and keys of hive-files.md, in its order."""

import hashlib
import json
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, BotState, ExitRecord
from deia_tui.core.breaker import Phase
from deia_tui.core.journal import registry_action, resources, rfc3339, route
from deia_tui.core.state import BotView
from deia_tui.core.turns import Failure
from deia_tui.core.work.tasks import TaskType

AT = 1_760_000_000.25
STAMP = "2025-10-09T08:53:20.250+00:00"
ACTIVITY = [
    "timestamp",
    "bot_id",
    "event_type",
    "operation",
    "result",
    "duration_seconds",
    "error",
    "task_id",
    "context",
]
ERRORS = ["timestamp", "bot_id", "level", "message", "context"]
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))
CRASH = ev.BotExited(
    at=AT, bot_id="B", run=2, exit=ExitRecord(at=AT, signal="SIGKILL"), stderr_tail=("token=abc", "bye")
)


def lines(event: ev.Event) -> dict[str, dict[str, object]]:
    return dict(route(event, registry_version=7))


def test_times_carry_their_zone_and_never_fail() -> None:
    assert rfc3339(AT) == STAMP
    assert rfc3339(float("nan")) == rfc3339(-5.0) == "1970-01-01T00:00:00.000+00:00"
    assert rfc3339(1e300).startswith("9999-12-31")


def test_a_crash_is_activity_error_and_change_of_the_registry() -> None:
    found = lines(CRASH)
    assert list(found) == ["B-activity.jsonl", "B-errors.jsonl", "registry-changes.jsonl"]
    activity, error, change = found.values()
    assert list(activity) == ACTIVITY
    assert (activity["event_type"], activity["result"], activity["error"]) == ("shutdown", "failed", "SIGKILL")
    assert list(error) == ERRORS
    assert error == {
        "timestamp": STAMP,
        "bot_id": "B",
        "level": "error",
        "message": "SIGKILL",
        "context": {
            "run": 2,
            "exit_code": None,
            "signal": "SIGKILL",
            "reason": "",
            "stderr": ["token=[redacted]", "bye"],
        },
    }
    assert change == {
        "timestamp": STAMP,
        "action": "unregistered",
        "bot_id": "B",
        "version": 7,
        "details": {"run": 2, "exit_code": None, "signal": "SIGKILL", "reason": ""},
    }
    assert list(change) == ["timestamp", "action", "bot_id", "version", "details"]


def test_an_exit_that_was_wanted_is_no_error() -> None:
    for exit in (ExitRecord(at=AT, code=0), ExitRecord(at=AT, signal="SIGKILL", reason="killed")):
        found = lines(ev.BotExited(at=AT, bot_id="B", run=1, exit=exit))
        assert "B-errors.jsonl" not in found
        assert found["B-activity.jsonl"]["result"] == "ok"


def test_a_hang_is_an_error_at_once() -> None:
    found = lines(ev.BotStopping(at=AT, bot_id="B", run=1, then="policy", reason="hung"))
    assert found["B-errors.jsonl"]["message"] == "hung"
    assert "B-errors.jsonl" not in lines(ev.BotStopping(at=AT, bot_id="B", run=1, then="stop", reason="stopped"))


def test_a_message_leaves_length_and_hash_but_no_text() -> None:
    queued = ev.MessageQueued(at=AT, bot_id="B", message_id="m", sender="human", text="the plan is secret")
    found = lines(queued)
    assert found["B-activity.jsonl"]["event_type"] == "message_received"
    digest = hashlib.sha256(b"the plan is secret").hexdigest()[:12]
    context = {"message_id": "m", "sender": "human", "length": 18, "sha256": digest}
    assert found["B-activity.jsonl"]["context"] == context
    assert "plan" not in json.dumps(found)
    output = ev.OutputAdded(at=AT, bot_id="B", run=1, message_id="m", text="x", source_seq=1)
    assert lines(output) == {}


def test_the_end_of_a_turn_tells_how_long_it_took() -> None:
    ended = ev.TurnEnded(
        at=AT, bot_id="B", run=1, message_id="m", status="failed", error="exit 2", duration_s=1.5, source_seq=3
    )
    found = lines(ended)
    activity = found["B-activity.jsonl"]
    assert list(activity) == ACTIVITY
    assert (activity["event_type"], activity["result"], activity["duration_seconds"], activity["error"]) == (
        *("message_answered", "failed"),
        *(1.5, "exit 2"),
    )
    assert found["B-errors.jsonl"]["message"] == "exit 2"


def test_a_breaker_moves() -> None:
    moved = ev.BreakerChanged(
        at=AT,
        bot_id="B",
        from_phase=Phase.CLOSED,
        to_phase=Phase.OPEN,
        reason="5 failures in a row",
        retry_at=AT + 30,
        failure_rate=1 / 3,
        success_rate=2 / 3,
        consecutive_failures=5,
    )
    assert list(lines(moved)) == ["circuit-breaker.jsonl"]
    assert list(lines(moved)["circuit-breaker.jsonl"].items()) == [
        ("timestamp", STAMP),
        ("bot_id", "B"),
        ("from_state", "closed"),
        ("to_state", "open"),
        ("reason", "5 failures in a row"),
        ("failure_rate", 0.3333),
        ("success_rate", 0.6667),
        ("consecutive_failures", 5),
    ]


def test_types_of_activity() -> None:
    common = {"at": AT, "bot_id": "B"}
    expected: list[tuple[ev.Event, str]] = [
        (ev.BotLaunched(**common, spec=SPEC), "status_update"),
        (ev.BotReady(**common, run=1), "startup"),
        (ev.BotAdopted(**common, run=1, pid=1, start_ticks=1, port=8001), "startup"),
        (ev.BotStarting(**common, run=1, nonce="n", reason="launched"), "status_update"),
        (ev.BotBackingOff(**common, delay_s=1.0, due_at=AT, attempt=1, max_restarts=5, reason="SIGKILL"), "warning"),
        (ev.BotGaveUp(**common, reason="6 exits"), "error"),
        (ev.ProbeFailed(**common, run=1, streak=1, error="timeout"), "health_check"),
        (ev.ProbeRecovered(**common, run=1), "health_check"),
        (ev.BotLogged(**common, run=1, level="warning", text="hm", source_seq=1), "warning"),
        (ev.AlertRaised(**common, alert_id=1, kind="crash", level="critical", text="t", action="a"), "error"),
    ]
    for event, event_type in expected:
        row = lines(event)["B-activity.jsonl"]
        assert (list(row), row["event_type"]) == (ACTIVITY, event_type)
    logged = ev.BotLogged(**common, run=1, level="error", text="sk-abcdefghijklmnopqrstuv", source_seq=1)
    assert lines(logged)["B-errors.jsonl"]["message"] == "[redacted]"
    assert lines(ev.BotLogged(**common, run=1, level="info", text="x", source_seq=1)) == {}
    assert lines(ev.AlertRaised(at=AT, bot_id=None, alert_id=1, kind="k", level="critical", text="", action="")) == {}
    assert lines(ev.HiveClosed(at=AT, reason="quit")) == {}


def test_the_registry_changes_with_processes() -> None:
    common = {"at": AT, "bot_id": "B", "run": 1, "pid": 1, "start_ticks": 1, "port": 8001}
    assert registry_action(ev.BotSpawned(**common)) == "registered"
    assert registry_action(ev.BotAdopted(**common)) == "adopted"
    assert registry_action(CRASH) == "unregistered"
    unseen = ev.BotExited(at=AT, bot_id="B", run=1, exit=ExitRecord(at=AT))
    assert registry_action(unseen) == "stale_entry_removed"
    assert registry_action(ev.BotStopped(at=AT, bot_id="B")) is None
    assert lines(ev.BotSpawned(**common))["registry-changes.jsonl"]["details"] == {"run": 1, "pid": 1, "port": 8001}


def test_resources() -> None:
    bots = {"B": BotView(bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT - 60)}
    samples = {"B": (12.345, 81.92, 3, 9), "GONE": (1.0, 1.0, 1, 1)}
    ((file, row),) = resources(AT, bots, samples, 8192.0)
    assert file == "B-resources.jsonl"
    assert list(row.items()) == [
        ("timestamp", STAMP),
        ("bot_id", "B"),
        ("cpu_percent", 12.3),
        ("memory_mb", 81.9),
        ("memory_percent", 1.0),
        ("threads", 9),
        ("processes", 3),
        ("uptime_seconds", 60.0),
    ]


def test_an_agent_and_its_conversation_are_told_of() -> None:
    opened = ev.SessionOpened(
        at=AT, bot_id="B", run=1, agent="claude", session_id="s", resumed=True, note="", source_seq=1
    )
    degraded = ev.AgentDegraded(at=AT, bot_id="B", run=1, reason="529", source_seq=2)
    told = [lines(event)["B-activity.jsonl"] for event in (opened, degraded)]
    assert [(line["event_type"], line["operation"]) for line in told] == [
        ("status_update", "session"),
        ("warning", "agent"),
    ]
    assert told[0]["context"]["resumed"] is True
    assert told[1]["error"] == "529"


def task_row(event: ev.Event) -> dict[str, object]:
    row = lines(event)["B-activity.jsonl"]
    assert list(row) == ACTIVITY and row["task_id"] == "t" and row["timestamp"] == STAMP
    return row


def test_the_ways_of_a_task_are_activities_of_its_bot() -> None:
    of = {"at": AT, "task_id": "t", "bot_id": "B", "attempt": 2}
    assigned = ev.TaskAssigned(**of, message_id="t.2", task_type=TaskType.CODE)  # type: ignore[arg-type]
    back = ev.TaskPutBack(**of, reason="exit 1", counted=True, duration_s=2.0)  # type: ignore[arg-type]
    died = ev.TaskDied(**of, reason="every try failed", failure=Failure.ERROR, duration_s=2.0)  # type: ignore[arg-type]
    rows = [
        task_row(assigned),
        task_row(ev.TaskStarted(**of)),  # type: ignore[arg-type]
        task_row(ev.TaskDone(**of, duration_s=1.5)),  # type: ignore[arg-type]
        task_row(back),
        task_row(replace(back, counted=False)),
        task_row(died),
    ]
    assert [(row["event_type"], row["result"], row["duration_seconds"], row["error"]) for row in rows] == [
        ("task_received", "ok", None, None),
        ("task_started", "ok", None, None),
        ("task_completed", "ok", 1.5, None),
        ("task_failed", "failed", 2.0, "exit 1"),
        ("status_update", "put back", None, "exit 1"),
        ("task_failed", "dead", 2.0, "every try failed"),
    ]
    assert rows[0]["context"] == {"attempt": 2, "message_id": "t.2", "type": "code"}
    assert lines(died)["B-errors.jsonl"]["context"] == {"task_id": "t", "attempt": 2}
    assert lines(replace(died, bot_id="")) == {}, "no bot had it"
    cancelled = ev.TaskCancelled(at=AT, task_id="t", by="ana")
    assert lines(cancelled) == {}


def test_a_message_that_carries_a_task_names_it() -> None:
    told = ev.MessageQueued(at=AT, bot_id="B", message_id="t.1", sender="human", text="do it", task_id="t")
    assert task_row(told)["event_type"] == "message_received"
    assert lines(replace(told, task_id=""))["B-activity.jsonl"]["task_id"] is None
