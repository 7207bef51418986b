"""The files and keys of hive-files.md for messages, alerts, backpressure and metrics, in its order."""

import json
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, BotState, ExitRecord
from deia_tui.core.chronicle import Chronicle
from deia_tui.core.journal import body_of, rfc3339
from deia_tui.core.journals import approvals, backpressure, health, load, messaging
from deia_tui.core.letters.letter import message_of
from deia_tui.core.metrics import Metrics
from deia_tui.core.state import REPLACED, Alert, BotView, HiveState
from deia_tui.core.turns import PermissionRequest, PlanEntry, ToolCall, Usage
from deia_tui.core.work.tasks import TaskType

AT = 1_760_000_000.25
STAMP = "2025-10-09T08:53:20.250+00:00"
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))


def chronicle(state: HiveState | None = None) -> Chronicle:
    return Chronicle(state or HiveState(), registry_version=0)


def lines(written: Chronicle, file: str, *events: ev.Event) -> list[dict[str, object]]:
    return [row for event in events for name, row in written.lines(event) if name == file]


def asked(message_id: str = "m") -> ev.MessageQueued:
    return ev.MessageQueued(at=AT, bot_id="B", message_id=message_id, sender="human", text="the plan")


def started(message_id: str = "m") -> ev.TurnStarted:
    return ev.TurnStarted(at=AT, bot_id="B", run=1, message_id=message_id, source_seq=2)


def ended(status: str = "answered", error: str = "", *, duration_s: float = 1.0) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=AT,
        bot_id="B",
        run=1,
        message_id="m",
        status=status,  # type: ignore[arg-type]
        error=error,
        duration_s=duration_s,
        source_seq=3,
    )


def test_a_message_on_its_way() -> None:
    accepted = ev.MessageAccepted(at=AT, bot_id="B", run=1, message_id="m", source_seq=1)
    rows = lines(chronicle(), messaging.FILE, asked(), accepted, started(), ended("failed", "exit 1 token=abc"))
    assert [(row["event"], row["status"]) for row in rows] == [
        ("message_queued", "pending"),
        ("message_delivered", "delivered"),
        ("message_read", "read"),
        ("message_failed", "failed"),
    ]
    names = ["timestamp", "event", "message_id", "from_bot", "to_bot", "priority", "status", "details"]
    assert all(list(row) == names for row in rows)
    assert all((row["timestamp"], row["from_bot"], row["to_bot"]) == (STAMP, "human", "B") for row in rows)
    assert "plan" not in json.dumps(rows) and "abc" not in json.dumps(rows)


def test_an_answered_message_is_in_the_activity_only_and_its_sender_forgotten() -> None:
    written = chronicle()
    assert len(lines(written, messaging.FILE, asked(), ended())) == 1
    assert lines(written, messaging.FILE, started())[0]["from_bot"] is None


def test_a_task_is_named_by_the_message_that_assigns_it() -> None:
    assigned = replace(asked(), priority=3, task_id="t1")
    queued, read = lines(chronicle(), messaging.FILE, assigned, started())
    assert isinstance(queued["details"], dict) and queued["details"]["task_id"] == "t1"
    assert queued["priority"] == read["priority"] == 2, "as people call it"


def test_a_letter_is_told_once_whatever_carries_it() -> None:
    about = {"at": AT, "letter_id": "l1", "from_bot": "A", "to_bot": "B", "priority": 1}
    carrier = message_of("l1", 1)
    rows = lines(
        chronicle(),
        messaging.FILE,
        ev.LetterSent(**about, text="the plan", expires_at=AT + 60, reply_to="l0"),
        ev.LetterHanded(**about, attempt=1, message_id=carrier),
        replace(asked(carrier), letter_id="l1"),
        ev.LetterDelivered(**about, attempt=1),
        ev.LetterReturned(**about, attempt=1, reason="the bot ended", counted=True),
        ev.LetterRead(**about),
        started(carrier),
        ev.LetterRead(**about, by="human"),
        ev.LetterFailed(**about, reason="no"),
        ev.LetterExpired(**about),
        ev.LettersCleaned(at=AT, count=3),
    )
    assert [(row["event"], row["status"]) for row in rows] == [
        ("message_queued", "pending"),
        ("message_delivered", "delivered"),
        ("message_retry", "pending"),
        ("message_read", "read"),
        ("message_read", "read"),
        ("message_failed", "failed"),
        ("message_expired", "expired"),
        ("cleanup_completed", "expired"),
    ]
    between = ("message_id", "from_bot", "to_bot", "priority")
    assert all(tuple(row[name] for name in between) == ("l1", "A", "B", 1) for row in rows[:-1])
    assert tuple(rows[-1][name] for name in between) == (None, None, None, None)
    assert rows[0]["details"] == {**body_of(asked()), "expires_at": rfc3339(AT + 60), "reply_to": "l0"}
    assert rows[2]["details"] == {"attempt": 1, "counted": True, "reason": "the bot ended"}
    assert [row["details"] for row in rows[3:5]] == [{"by": "B"}, {"by": "human"}]


def test_an_alert_and_its_end() -> None:
    raised = ev.AlertRaised(
        at=AT,
        alert_id=1,
        bot_id="B",
        kind="memory",
        level="warning",
        text="runaway",
        action="K kills it",
        value=512.34,
        threshold=500.0,
    )
    critical = ev.AlertRaised(at=AT, alert_id=2, bot_id=None, kind="disk", level="critical", text="", action="free it")
    clear = ev.AlertCleared(at=AT, alert_id=1, bot_id="B", reason="back")
    replaced = ev.AlertCleared(at=AT, alert_id=2, bot_id=None, reason=REPLACED)
    rows = lines(chronicle(), health.FILE, raised, critical, clear, replaced, clear)
    assert list(rows[0].items()) == [
        ("timestamp", STAMP),
        ("event", "alert_triggered"),
        ("alert_level", "warning"),
        ("component", "bot"),
        ("metric", "memory"),
        ("current_value", 512.3),
        ("threshold", 500.0),
        ("recommended_action", "K kills it"),
        ("bot_id", "B"),
    ]
    assert [row["event"] for row in rows] == ["alert_triggered", "critical_alert", "recovery_detected"]
    assert (rows[1]["component"], rows[1]["current_value"], rows[2]["metric"]) == ("hive", None, "memory")


def test_alerts_of_a_former_supervisor_recover_too() -> None:
    alert = Alert(alert_id=7, bot_id="B", kind="cpu", level="warning", text="", action="", raised_at=AT)
    clear = ev.AlertCleared(at=AT, alert_id=7, bot_id="B", reason="back")
    (row,) = lines(chronicle(HiveState(alerts=(alert,))), health.FILE, clear)
    assert (row["event"], row["metric"], row["alert_level"]) == ("recovery_detected", "cpu", "warning")


def test_backpressure() -> None:
    about = {"at": AT, "bot_id": "B"}
    rows = lines(
        chronicle(),
        backpressure.FILE,
        ev.PressureChanged(**about, kind="engaged", what="messages", queue_depth=10),  # type: ignore[arg-type]
        ev.MessageRefused(**about, sender="ana", queue_depth=10, retry_after_s=5.0),  # type: ignore[arg-type]
        ev.TaskRefused(**about, sender="BOT-002", priority=2, queue_depth=7, retry_after_s=60.0),  # type: ignore[arg-type]
        ev.PressureChanged(**about, kind="released", what="tasks", queue_depth=4),  # type: ignore[arg-type]
        asked(),
    )
    assert [(row["event"], row["queue_depth"]) for row in rows] == [
        *(("engaged", 10), ("refused", 10), ("refused", 7), ("released", 4)),
    ]
    assert (rows[0]["sender"], rows[1]["sender"], rows[1]["priority"]) == (None, "ana", None)
    assert list(rows[2].items()) == [
        ("timestamp", STAMP),
        ("event", "refused"),
        ("bot_id", "B"),
        ("queue_depth", 7),
        ("sender", "BOT-002"),
        ("priority", 2),
        ("retry_after_s", 60.0),
    ]


def test_load_management() -> None:
    about = {"at": AT, "bot_id": "B", "queue_depth": 7, "load": 0.666}
    rows = lines(
        chronicle(),
        load.FILE,
        ev.TaskAssigned(
            **about,  # type: ignore[arg-type]
            task_id="t",
            attempt=2,
            message_id="t.2",
            task_type=TaskType.CODE,
            reasons=("it is free",),
            confidence=0.5,
        ),
        ev.TaskDeferred(**{**about, "bot_id": ""}, task_id="t", kind="rate_limited", reason="anthropic paused"),  # type: ignore[arg-type]
        ev.Scaled(**about, template="shell", direction="up", reason="7 tasks wait"),  # type: ignore[arg-type]
        ev.Scaled(**about, template="shell", direction="replace", reason="A is fatal"),  # type: ignore[arg-type]
        ev.Scaled(**about, template="shell", direction="down", reason="idle for 300 s"),  # type: ignore[arg-type]
        asked(),
    )
    assert [(row["event"], row["bot_id"], row["task_id"]) for row in rows] == [
        *(("assigned", "B", "t"), ("rate_limited", None, "t")),
        *(("scaled_up", "B", None), ("scaled_up", "B", None), ("scaled_down", "B", None)),
    ]
    assert list(rows[0].items()) == [
        ("timestamp", STAMP),
        ("event", "assigned"),
        ("bot_id", "B"),
        ("task_id", "t"),
        ("queue_depth", 7),
        ("load", 0.67),
        ("details", {"attempt": 2, "confidence": 0.5, "reasons": ["it is free"]}),
    ]
    assert rows[3]["details"] == {"template": "shell", "reason": "A is fatal", "replaces": True}


def test_metrics_of_a_window() -> None:
    metrics = Metrics(AT - 300)
    bots = {
        "A": BotView(bot_id="A", spec=SPEC),
        "B": BotView(bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT - 60),
    }
    for number in range(100):
        metrics.add(asked())
        metrics.add(ended(duration_s=number / 1000))
    metrics.add(ended("failed", "exit 2: password=abc"))
    metrics.add(ended("interrupted", "interrupted"))
    metrics.add(ev.BotReady(at=AT - 200, bot_id="B", run=1))
    metrics.add(ev.BotExited(at=AT - 110, bot_id="B", run=1, exit=ExitRecord(at=AT, code=1)))
    ((file, row),), _ = metrics.close(AT, bots)
    assert file == "metrics-2025-10-09.jsonl"
    assert list(row.items()) == [
        ("timestamp", STAMP),
        ("bot_id", "B"),
        ("window_s", 300.0),
        ("messages_per_minute", 20.0),
        ("latency_ms", {"p50": 50.0, "p95": 95.0, "p99": 99.0}),
        ("error_rate", 0.0099),
        ("errors", {"exit 2": 1}),
        ("tasks_done", 0),
        ("tasks_failed", 0),
        ("tokens_in", None),
        ("tokens_out", None),
        ("cost_usd", None),
        ("uptime_percent", 50.0),
    ]
    ((_, quiet),), _ = metrics.close(AT + 300, bots)
    assert (quiet["messages_per_minute"], quiet["error_rate"], quiet["uptime_percent"]) == (0.0, None, 100.0)
    assert metrics.close(AT + 200, bots) == ([], [])
    assert quiet["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_a_request_and_its_answer_are_audited_without_what_was_in_it() -> None:
    written = chronicle()
    request = PermissionRequest(request_id="r", tool="Bash", title="run make", input="token=abc make", options=())
    about = {"at": AT, "bot_id": "B", "run": 1}
    question = ev.PermissionAsked(**about, message_id="m", request=request, expires_at=AT + 300, source_seq=3)  # type: ignore[arg-type]
    answer = ev.PermissionAnswered(
        at=AT + 2.5, bot_id="B", run=1, request_id="r", outcome="allow_once", by="ana", note="go"
    )
    first, second = lines(written, approvals.FILE, question, answer)
    assert list(first) == [
        *("timestamp", "event", "request_id", "bot_id", "tool", "title", "input"),
        *("outcome", "by", "waited_s"),
    ]
    assert (first["event"], first["outcome"], first["timestamp"]) == ("asked", None, STAMP)
    assert (second["event"], second["outcome"], second["by"], second["waited_s"]) == (
        "answered",
        "allow_once",
        "ana",
        2.5,
    )
    assert second["tool"] == "Bash" and "make" not in json.dumps(second["input"])
    [alone] = lines(written, approvals.FILE, answer)  # by a supervisor that has not heard the question
    assert alone["outcome"] == "allow_once" and alone["waited_s"] is None and "tool" not in alone


def test_what_agents_say_and_do_leaves_neither_words_nor_secrets_in_the_journals() -> None:
    secret, words = "sk-ant-api03-" + "a" * 40, "what nobody else is to read"
    of = {"at": AT, "bot_id": "B", "run": 1, "source_seq": 1}
    turn = {**of, "message_id": "m"}
    call = ToolCall(call_id="c", tool="Bash", title=words, input=words, output=f"{words} {secret}")
    request = PermissionRequest(request_id="r", tool="Bash", title=f"curl {secret}", input=words, options=())
    said: list[ev.Event] = [
        ev.ThoughtAdded(**turn, text=words),  # type: ignore[arg-type]
        ev.ToolCallChanged(**turn, call=call),  # type: ignore[arg-type]
        ev.PlanChanged(**turn, entries=(PlanEntry(content=words),)),  # type: ignore[arg-type]
        ev.UsageReported(**turn, usage=Usage(model="m1", input_tokens=1), cost_usd=0.5),  # type: ignore[arg-type]
        ev.PermissionAsked(**turn, request=request, expires_at=AT + 300),  # type: ignore[arg-type]
        ev.PermissionAnswered(**of, request_id="r", outcome="reject_once", by="ana", note=words),  # type: ignore[arg-type]
        ev.SessionOpened(**of, agent="claude", session_id="s-1", resumed=False, note=f"{secret} is gone"),  # type: ignore[arg-type]
        ev.AgentDegraded(**of, reason=f"401 for {secret}"),  # type: ignore[arg-type]
        ev.ProviderPaused(at=AT, provider="anthropic", until=AT + 30, reason=f"429 for {secret}", by="B"),
        ev.ProviderResumed(at=AT, provider="anthropic", reason="it answers again"),
    ]
    written = chronicle()
    text = "\n".join(json.dumps(row) for event in said for _, row in written.lines(event))
    assert text.count('"permission"') == 2 and '"reject_once"' in text
    assert secret not in text and words not in text


def test_metrics_count_tokens_and_cost_where_agents_tell_them() -> None:
    metrics = Metrics(AT)
    usage = Usage(model="m", input_tokens=100, output_tokens=10, cache_read_tokens=5, cache_write_tokens=7)
    for cost_usd in (0.25, None, 0.5):
        metrics.add(
            ev.UsageReported(at=AT, bot_id="B", run=1, message_id="m", usage=usage, source_seq=1, cost_usd=cost_usd)
        )
    [(_, row)], _ = metrics.close(AT + 300, {"B": BotView(bot_id="B", spec=SPEC)})
    assert (row["tokens_in"], row["tokens_out"], row["cost_usd"]) == (336, 30, 0.75)
    assert metrics.close(AT + 600, {"B": BotView(bot_id="B", spec=SPEC)}) == ([], [])


def test_what_the_hive_ended_itself_has_no_latency_and_a_run_that_never_was_ready_no_uptime() -> None:
    metrics = Metrics(AT - 300)
    metrics.add(replace(ended("failed", "undeliverable", duration_s=0.0), source_seq=0))
    metrics.add(ev.BotExited(at=AT, bot_id="B", run=1, exit=ExitRecord(at=AT, code=1)))
    ((_, row),), _ = metrics.close(AT, {"B": BotView(bot_id="B", spec=SPEC)})
    assert (row["error_rate"], row["uptime_percent"]) == (1.0, 0.0)
    assert row["latency_ms"] == {"p50": None, "p95": None, "p99": None}
