"""Why a task is not being done: the one reason that is told."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from deia_tui.core.bots import Activity, AgentSpec, BotSpec, BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.state import BotView, HiveState, Pause
from deia_tui.core.work.tasks import LOW, Task, TaskState
from deia_tui.core.work.view import BotWork, WorkView
from deia_tui.core.work.waits import why_waiting

NOW = 1000.0
TASK = Task(task_id="T-1", title="tea", text="make tea", created_at=900.0, since=900.0)


def bot(bot_id: str = "BOT-1", **changes: Any) -> BotView:
    spec = BotSpec(bot_id=bot_id, agent=AgentSpec(name="claude", kind="claude", provider="anthropic"))
    return replace(BotView(bot_id=bot_id, spec=spec, state=BotState.RUNNING), **changes)


def why(
    *bots: BotView, needs: dict[str, str] | None = None, work: dict[str, BotWork] | None = None, **task: Any
) -> str:
    state = HiveState(bots={view.bot_id: view for view in bots})
    return why_waiting(replace(TASK, **task), state, WorkView(bots=MappingProxyType(work or {})), NOW, needs or {})


def test_what_does_not_wait_has_no_reason() -> None:
    assert why(state=TaskState.RUNNING, held="no matter") == ""


def test_what_is_kept_back_says_so_before_all_else() -> None:
    assert why(held="not today", needs={"T-0": "running"}) == "held: not today"


def test_what_must_come_first_is_named_with_how_it_stands() -> None:
    assert why(needs={"T-0": "dead"}, not_before=NOW + 5) == "waits for T-0 (dead)"
    many = {f"T-{number}": "queued" for number in range(5)}
    assert why(needs=many) == "waits for T-0 (queued), T-1 (queued), T-2 (queued) and 2 more"


def test_the_next_try_is_counted_down() -> None:
    assert why(state=TaskState.RETRYABLE, not_before=NOW + 12.4) == "retries in 12 s"
    assert why(state=TaskState.RETRYABLE, not_before=NOW + 12, error="exit 1") == "retries in 12 s: exit 1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": BotState.STOPPED}, "BOT-1 is stopped"),
        ({"paused": True}, "BOT-1 is paused"),
        ({"breaker": Phase.OPEN, "retry_at": NOW + 9}, "BOT-1 is recovering"),
        ({"breaker": Phase.OPEN, "retry_at": NOW}, ""),
        ({"breaker": Phase.HALF_OPEN}, "BOT-1 has one trial under way"),
        ({"health": Health.UNHEALTHY}, "BOT-1 does not answer its probes"),
        ({"breaker": Phase.OPEN, "breaker_reason": "No login."}, "No login: restart it once that is mended"),
        ({"activity": Activity.BUSY}, "BOT-1 is busy"),
        ({}, ""),
    ],
)
def test_the_bot_it_is_for_may_be_the_reason(changes: dict[str, Any], reason: str) -> None:
    assert why(bot(**changes), to="BOT-1") == reason


def test_a_bot_that_nobody_knows_is_named() -> None:
    assert why(bot(), to="BOT-9") == "there is no BOT-9"


def test_a_bot_with_other_tasks_is_busy() -> None:
    assert why(bot(), to="BOT-1", work={"BOT-1": BotWork(ahead=1)}) == "BOT-1 is busy"
    assert why(bot(), to="BOT-1", work={"BOT-1": BotWork(running="T-0")}) == "BOT-1 is busy"


def test_what_is_not_urgent_waits_while_the_hive_is_strained() -> None:
    state, strained = HiveState(bots={"BOT-1": bot()}), WorkView(strain="degraded")
    low = replace(TASK, priority=LOW)
    assert why_waiting(low, state, strained, NOW, {}) == "P3 waits: the hive is degraded"
    assert why_waiting(TASK, state, strained, NOW, {}) == ""
    assert why_waiting(low, state, WorkView(), NOW, {}) == ""


def test_a_provider_that_rests_holds_up_its_bots() -> None:
    pause = Pause(since=NOW, until=NOW + 30, reason="429")
    state = HiveState(bots={"BOT-1": bot(), "BOT-2": bot("BOT-2")}, pauses={"anthropic": pause})
    assert why_waiting(replace(TASK, to="BOT-1"), state, WorkView(), NOW, {}) == "anthropic paused · 30 s"
    assert why_waiting(TASK, state, WorkView(), NOW, {}) == "no bot can take work: anthropic paused · 30 s"
    assert why_waiting(replace(TASK, to="BOT-1"), state, WorkView(), NOW + 31, {}) == "", "it may be tried"


def test_work_for_anyone_waits_for_a_bot() -> None:
    assert why() == "there is no bot"
    assert why(bot(state=BotState.STOPPED)) == "no bot runs"
    assert why(bot(paused=True), bot("BOT-2", state=BotState.FATAL)) == "BOT-1 is paused"
    assert why(bot(paused=True), bot("BOT-2", activity=Activity.BUSY)) == "no bot is free"
    assert why(bot(paused=True), bot("BOT-2")) == ""
