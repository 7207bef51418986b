"""adaptive-scheduling.jsonl, in the shape of hive-files.md."""

from deia_tui.core import events as ev
from deia_tui.core.chronicle import Chronicle
from deia_tui.core.journals.scheduling import FILE
from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.state import HiveState
from deia_tui.core.work.tasks import Candidate, TaskType

AT = 1_760_000_000.25
KEYS = ["timestamp", "event", "task_type", "recommended_bot", "confidence", "candidate_bots", "details"]


def lines(*events: ev.Event) -> list[dict[str, object]]:
    written = Chronicle(HiveState(), registry_version=0)
    return [row for event in events for name, row in written.lines(event) if name == FILE]


def learned(performance: Performance, **former: object) -> ev.PerformanceRecorded:
    return ev.PerformanceRecorded(
        at=AT,
        bot_id="A",
        task_type=TaskType.CODE,
        task_id="t",
        succeeded=True,
        duration_s=2.5,
        tokens=7,
        expected=0.75,
        performance=performance,
        **former,  # type: ignore[arg-type]
    )


def test_whom_it_chose_and_recommends() -> None:
    candidates = (Candidate("A", 0.5), Candidate("B", 0.25))
    assigned = ev.TaskAssigned(
        at=AT,
        task_id="t",
        bot_id="A",
        attempt=1,
        message_id="t.1",
        task_type=TaskType.CODE,
        reasons=("idle",),
        confidence=0.9,
        candidates=candidates,
    )
    generated = ev.RecommendationGenerated(
        at=AT, task_type=TaskType.CODE, bot_id="A", confidence=0.9, reason="well", candidates=candidates
    )
    rows = lines(assigned, generated)
    assert [row["event"] for row in rows] == ["bot_selected", "recommendation_generated"]
    assert all(list(row) == KEYS for row in rows)
    assert rows[0]["candidate_bots"] == [{"bot_id": "A", "score": 0.5}, {"bot_id": "B", "score": 0.25}]
    assert rows[0]["details"] == {"task_id": "t", "attempt": 1, "reasons": ["idle"]}
    no_choice = ev.TaskAssigned(at=AT, task_id="t", bot_id="A", attempt=1, message_id="t.1", task_type=TaskType.CODE)
    assert lines(no_choice, ev.BotPaused(at=AT, bot_id="A")) == []


def test_what_a_result_taught() -> None:
    known = Performance(samples=5, success_rate=0.8, score=0.5, trend="declining")
    rows = lines(learned(known, former_score=0.7, former_trend="steady"))
    assert [row["event"] for row in rows] == ["performance_recorded", "efficiency_updated", "trend_detected"]
    assert all(list(row) == KEYS for row in rows)
    assert rows[0]["confidence"] == 0.75
    assert rows[1]["details"] == {"score": 0.5, "former_score": 0.7}
    assert rows[2]["details"] == {"trend": "declining", "former_trend": "steady", "score": 0.5}
    same = lines(learned(known, former_score=0.5, former_trend="unknown"))
    assert [row["event"] for row in same] == ["performance_recorded"]
