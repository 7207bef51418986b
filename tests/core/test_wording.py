from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, AgentSpec, BotSpec, BotState, ExitRecord
from deia_tui.core.breaker import Phase
from deia_tui.core.state import Approval, BotView, HiveState, Pause
from deia_tui.core.turns import PermissionRequest, Usage
from deia_tui.core.wording import countdown, describe, doing, now_text, waiting_for, wanted

AT = 1_760_000_000.0
COMMON = {"at": AT, "bot_id": "B"}
RUN = {**COMMON, "run": 2}
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))
RUNNING = BotView(bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT)


@pytest.mark.parametrize("kind", get_args(ev.Event))
@settings(max_examples=10)
@given(data=st.data())
def test_every_event_has_words(kind: type[ev.Event], data: st.DataObject) -> None:
    event = data.draw(st.from_type(kind))
    level, what, details = describe(event)
    assert level in ("info", "warning", "error")
    assert what
    assert what == what.lower()
    assert "\n" not in what
    assert isinstance(details, str)


def exited(**exit: object) -> ev.BotExited:
    return ev.BotExited(**RUN, exit=ExitRecord(at=AT, **exit))


def turn(status: str, error: str = "") -> ev.TurnEnded:
    return ev.TurnEnded(**RUN, message_id="m", status=status, error=error, duration_s=1.234)


def breaker(to_phase: Phase) -> ev.BreakerChanged:
    return ev.BreakerChanged(
        **COMMON,
        from_phase=Phase.HALF_OPEN,
        to_phase=to_phase,
        reason="why",
        retry_at=None,
        failure_rate=0.0,
        success_rate=0.0,
        consecutive_failures=0,
    )


def used(usage: Usage, cost_usd: float | None = None) -> ev.UsageReported:
    return ev.UsageReported(**RUN, message_id="m", usage=usage, cost_usd=cost_usd, source_seq=1)


def permission(*, expires_at: float) -> ev.PermissionAsked:
    wish = PermissionRequest(request_id="r", tool="Bash", title="ls", input="", options=())
    return ev.PermissionAsked(**RUN, message_id="m", request=wish, expires_at=expires_at, source_seq=1)


def alert(level: str) -> ev.AlertRaised:
    return ev.AlertRaised(at=AT, alert_id=1, bot_id="B", kind="crash", level=level, text="crashed", action="")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.HiveOpened(at=AT, pid=9, mode="serve", version="1"), ("info", "hive_opened", "pid 9, serve")),
        (ev.HostLost(at=AT, pid=9, reason="SIGKILL"), ("error", "host_lost", "pid 9: SIGKILL")),
        (ev.BotLaunched(**COMMON, spec=SPEC), ("info", "launched", "shell")),
        (ev.BotLaunched(**COMMON, spec=replace(SPEC, template="designer")), ("info", "launched", "designer")),
        (ev.BotSpawned(**RUN, pid=7, start_ticks=1, port=8001), ("info", "spawned", "pid 7 port 8001")),
        (exited(code=0), ("info", "exited", "exit 0")),
        (exited(code=1), ("error", "exited", "exit 1")),
        (exited(), ("error", "exited", "exit unknown")),
        (exited(signal="SIGKILL", reason="hung"), ("error", "exited", "SIGKILL (hung)")),
        (exited(signal="SIGKILL", reason="killed"), ("info", "exited", "SIGKILL (killed)")),
        (
            ev.BotBackingOff(**COMMON, delay_s=3.96, due_at=AT, attempt=3, max_restarts=5, reason="exit 1"),
            ("warning", "backoff", "exit 1 · restart 3/5 in 4.0 s"),
        ),
        (breaker(Phase.OPEN), ("warning", "breaker", "half_open → open: why")),
        (breaker(Phase.CLOSED), ("info", "breaker", "half_open → closed: why")),
        (
            ev.MessageQueued(**COMMON, message_id="m", sender="human", text="build it\nnow"),
            ("info", "message", "from human: build it"),
        ),
        (turn("answered"), ("info", "answered", "1.23 s")),
        (turn("failed", "exit 2"), ("warning", "failed", "1.23 s · exit 2")),
        (ev.BotLogged(**RUN, level="error", text="x", source_seq=1), ("error", "log", "x")),
        (used(Usage(input_tokens=3, output_tokens=4), 0.5), ("info", "usage", "3 tokens in, 4 out · $0.5000")),
        (used(Usage(cache_read_tokens=9)), ("info", "usage", "0 tokens in, 0 out · 9 cached")),
        (used(Usage(cost_usd=0.25), 0.0), ("info", "usage", "$0.2500 by its agent's own count")),
        (permission(expires_at=AT + 300), ("warning", "asks", "Bash: ls")),
        (permission(expires_at=AT), ("info", "permission", "Bash: ls")),
        (alert("critical"), ("warning", "alert", "crashed")),
        (alert("info"), ("info", "alert", "crashed")),
    ],
)
def test_an_event_in_words(event: ev.Event, words: tuple[str, str, str]) -> None:
    assert describe(event) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"queued": (("m", "a"), ("n", "b"))}, "2 queued"),
        ({"activity": Activity.BUSY, "task": "build it"}, "build it"),
        ({"activity": Activity.BUSY, "task": "build it", "queued": (("n", "b"),)}, "build it (+1)"),
        (
            {"state": BotState.BACKOFF, "reason": "exit 1 · restart 3/5", "due_at": AT + 4},
            "exit 1 · restart 3/5 in 4 s",
        ),
        ({"state": BotState.BACKOFF, "reason": "exit 1", "due_at": AT - 4}, "exit 1 in 0 s"),
        ({"state": BotState.BACKOFF, "reason": "exit 1"}, "exit 1 in 0 s"),
        ({"state": BotState.FATAL, "reason": "6 exits"}, "6 exits"),
        ({"state": BotState.EXITED, "reason": "exit 0"}, "exit 0"),
        ({"state": BotState.STOPPED, "reason": "stopped"}, ""),
        ({"state": BotState.STARTING, "reason": "launched", "since": AT - 3}, "launched · 3 s"),
        ({"state": BotState.STOPPING, "reason": "stopped", "since": AT + 3}, "0 s"),
        ({"breaker": Phase.OPEN, "retry_at": AT + 12}, "unavailable (recovering) · 12 s"),
        ({"breaker": Phase.OPEN, "activity": Activity.BUSY, "task": "x"}, "unavailable (recovering)"),
    ],
)
def test_what_a_bot_is_doing(changes: dict[str, object], words: str) -> None:
    assert now_text(replace(RUNNING, **changes), AT) == words


@pytest.mark.parametrize(("until", "words"), [(None, ""), (AT, ""), (AT - 1, ""), (AT + 12.4, " · 12 s")])
def test_a_countdown(until: float | None, words: str) -> None:
    assert countdown(until, AT) == words


def request(tool: str = "Bash", title: str = "rm -r build/", input: str = "") -> PermissionRequest:
    return PermissionRequest(request_id="r", tool=tool, title=title, input=input, options=())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(), "Bash: rm -r build/"),
        (request(title="Bash rm -r build/"), "Bash rm -r build/"),
        (request(title="", input="rm\n-r"), "Bash: rm"),
        (request(tool=""), "rm -r build/"),
    ],
)
def test_what_an_agent_wants_is_one_line(asked: PermissionRequest, words: str) -> None:
    assert wanted(asked) == words


def test_what_holds_a_bot_up_comes_before_what_it_does() -> None:
    spec = replace(SPEC, agent=replace(SPEC.agent, provider="anthropic"), budget_usd=5.0)
    busy = replace(RUNNING, spec=spec, activity=Activity.BUSY, task="count", trouble="retry 2")
    state = HiveState()
    assert (waiting_for(busy, state, AT), doing(busy, state, AT)) == ("", "retry 2 · count")
    spent = replace(busy, spent_day="2025-10-09", spent_usd=5.2)
    assert doing(spent, state, AT) == "budget of $5.00 a day used up"
    paused = replace(state, pauses={"anthropic": Pause(since=AT, until=AT + 42, reason="429")})
    assert doing(busy, paused, AT) == "anthropic paused · 42 s"
    waits = Approval(bot_id="B", run=2, message_id="m", request=request(), asked_at=AT, expires_at=AT + 300)
    assert doing(spent, replace(paused, approvals=(waits,)), AT) == "asks: Bash: rm -r build/"
    stopped = replace(spent, state=BotState.STOPPED)
    assert (waiting_for(stopped, paused, AT), doing(stopped, paused, AT)) == ("", "")
