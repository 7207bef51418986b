from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.bots import LIVE, Activity, AgentSpec, BotSpec, BotState, ExitRecord, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.state import MAX_GRANTS, Alert, BotView, HiveState, first_line, fold, fold_bot, is_live
from deia_tui.core.turns import PermissionRequest, PlanEntry, Usage

AT = 1_760_000_000.0
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))
BUSY = BotView(
    bot_id="B",
    spec=SPEC,
    state=BotState.RUNNING,
    activity=Activity.BUSY,
    run=2,
    restarts=1,
    pid=50080,
    port=8001,
    health=Health.OK,
    message_id="m",
    task="build it",
    queued=(("n", "test it"), ("o", "ship it")),
)
EXIT = ExitRecord(at=AT, signal="SIGKILL")

views = st.builds(BotView, bot_id=st.just("B"), spec=st.just(SPEC), state=..., activity=..., pid=..., port=...)
anything = st.one_of(*(st.from_type(kind) for kind in get_args(ev.Event)))
at_rest = st.one_of(
    *(
        st.builds(kind, bot_id=st.just("B"))
        for kind in (ev.BotStarting, ev.BotExited, ev.BotBackingOff, ev.BotStopped, ev.BotFinished, ev.BotGaveUp)
    )
)


def hive(*bots: BotView, alerts: tuple[Alert, ...] = ()) -> HiveState:
    return HiveState(bots=MappingProxyType({bot.bot_id: bot for bot in bots}), alerts=alerts)


# Laws


@given(views, at_rest)
def test_a_bot_without_a_process_has_no_pid_no_port_and_no_message(bot: BotView, event: ev.Event) -> None:
    bot = fold_bot(bot, event)
    assert (bot.pid, bot.port, bot.message_id, bot.task, bot.activity) == (None, None, None, "", Activity.IDLE)
    assert bot.health is Health.UNKNOWN
    assert (bot.due_at is not None) is isinstance(event, ev.BotBackingOff)


@given(anything)
def test_an_unknown_bot_is_ignored(event: ev.Event) -> None:
    known = isinstance(event, ev.BotLaunched)
    assert bool(fold(HiveState(), event).bots) is known


@given(st.lists(anything, max_size=5))
def test_an_event_of_one_bot_changes_no_other_and_no_former_state(events: list[ev.Event]) -> None:
    other = replace(BUSY, bot_id="a bot that no event names")
    state = first = hive(other)
    for event in events:
        state = fold(state, event)
    assert state.bots[other.bot_id] is other
    assert dict(first.bots) == {other.bot_id: other}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200)), max_size=300))
def test_every_open_alert_is_kept_and_the_last_50_cleared(moves: list[tuple[bool, int]]) -> None:
    state, next_id, cleared = HiveState(), 1, list[int]()
    for raised, target in moves * 2:
        if raised:
            state = fold(state, raise_alert(next_id))
            next_id += 1
        else:
            was_open = any(alert.alert_id == target and alert.cleared_at is None for alert in state.alerts)
            state = fold(state, ev.AlertCleared(at=AT, alert_id=target, bot_id=None, reason=""))
            cleared += [target] * was_open
        kept = [alert.alert_id for alert in state.alerts]
        assert kept == sorted(kept)
        assert sum(alert.cleared_at is not None for alert in state.alerts) <= 50
    open_alerts = {alert.alert_id for alert in state.alerts if alert.cleared_at is None}
    assert open_alerts == set(range(1, next_id)) - set(cleared)


def raise_alert(alert_id: int) -> ev.AlertRaised:
    return ev.AlertRaised(
        at=AT, alert_id=alert_id, bot_id="B", kind="crash", level="warning", text="crashed", action="look"
    )


def test_the_51st_cleared_alert_is_forgotten_before_any_open_one() -> None:
    state = HiveState()
    for alert_id in range(1, 61):
        state = fold(state, raise_alert(alert_id))
    for alert_id in range(10, 61):
        state = fold(state, ev.AlertCleared(at=AT + 1, alert_id=alert_id, bot_id="B", reason="over"))
    assert [alert.alert_id for alert in state.alerts] == [*range(1, 10), *range(11, 61)]
    assert state.alerts[0].cleared_at is None
    assert state.alerts[-1] == Alert(
        alert_id=60,
        bot_id="B",
        kind="crash",
        level="warning",
        text="crashed",
        action="look",
        raised_at=AT,
        cleared_at=AT + 1,
    )


# What each event means


def test_the_life_of_a_bot_as_everybody_sees_it() -> None:
    state = HiveState()
    common = {"at": AT, "bot_id": "B"}
    seen = []
    for event in (
        ev.BotLaunched(**common, spec=SPEC),
        ev.BotStarting(**common, run=1, nonce="n", reason="launched"),
        ev.BotSpawned(**common, run=1, pid=7, start_ticks=1, port=8001),
        ev.BotReady(**common, run=1),
        ev.BotExited(**common, run=1, exit=EXIT),
        ev.BotStarting(**common, run=2, nonce="n", reason="restart after SIGKILL", automatic=True),
        ev.BotExited(**common, run=2, exit=EXIT),
        ev.BotBackingOff(**common, delay_s=2.0, due_at=AT + 2, attempt=2, max_restarts=5, reason="SIGKILL"),
        ev.BotGaveUp(**common, reason="6 exits"),
        ev.BotLaunched(**common, spec=SPEC),
        ev.BotStopped(**common),
    ):
        state = fold(state, event)
        bot = state.bots["B"]
        seen.append((str(bot.state), bot.reason, bot.run, bot.restarts, bot.pid, bot.wanted))
    assert seen == [
        ("stopped", "", 0, 0, None, True),
        ("starting", "launched", 1, 0, None, True),
        ("starting", "launched", 1, 0, 7, True),
        ("running", "", 1, 0, 7, True),
        ("running", "", 1, 0, None, True),
        ("starting", "restart after SIGKILL", 2, 1, None, True),
        ("starting", "restart after SIGKILL", 2, 1, None, True),
        ("backoff", "SIGKILL · restart 2/5", 2, 1, None, True),
        ("fatal", "6 exits", 2, 1, None, True),
        ("fatal", "6 exits", 2, 0, None, True),
        ("stopped", "stopped", 2, 0, None, False),
    ]


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            ev.BotAdopted(at=AT, bot_id="B", run=2, pid=50080, start_ticks=1, port=8001),
            {"state": BotState.STARTING, "since": AT, "reason": "adopted"},  # it worked on meanwhile
        ),
        (
            ev.BotStopping(at=AT, bot_id="B", run=2, then="stop", reason="stopped"),
            {"state": BotState.STOPPING, "since": AT, "reason": "stopped", "wanted": False},
        ),
        (
            ev.BotStopping(at=AT, bot_id="B", run=2, then="restart", reason="restarted"),
            {"state": BotState.STOPPING, "since": AT, "reason": "restarted", "wanted": True},
        ),
        (ev.ProbeFailed(at=AT, bot_id="B", run=2, streak=1, error="no answer"), {"health": Health.UNHEALTHY}),
        (ev.ProbeRecovered(at=AT, bot_id="B", run=2), {"health": Health.OK}),
        (
            ev.BreakerChanged(
                at=AT,
                bot_id="B",
                from_phase=Phase.CLOSED,
                to_phase=Phase.OPEN,
                reason="5 failures",
                retry_at=AT + 30,
                failure_rate=1.0,
                success_rate=0.0,
                consecutive_failures=5,
            ),
            {"breaker": Phase.OPEN, "breaker_reason": "5 failures", "retry_at": AT + 30},
        ),
        (
            ev.MessageQueued(at=AT, bot_id="B", message_id="p", sender="human", text="\n paint it \nblue"),
            {"queued": (*BUSY.queued, ("p", "paint it"))},
        ),
        (
            ev.TurnStarted(at=AT, bot_id="B", run=2, message_id="o", source_seq=1),
            {"message_id": "o", "task": "ship it", "queued": (("n", "test it"),)},
        ),
        (
            ev.TurnStarted(at=AT, bot_id="B", run=2, message_id="unheard of", source_seq=1),
            {"message_id": "unheard of", "task": ""},
        ),
        (
            ev.TurnEnded(at=AT, bot_id="B", run=2, message_id="m", status="answered", error="", duration_s=1.0),
            {"activity": Activity.IDLE, "message_id": None, "task": ""},
        ),
        (
            ev.TurnEnded(at=AT, bot_id="B", run=2, message_id="n", status="failed", error="", duration_s=0.0),
            {"queued": (("o", "ship it"),)},
        ),
        (ev.MessageAccepted(at=AT, bot_id="B", run=2, message_id="n", source_seq=1), {}),
        (ev.OutputAdded(at=AT, bot_id="B", run=2, message_id="m", text="x", source_seq=1), {}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)
def test_what_an_event_changes_of_a_busy_bot(event: ev.Event, changes: dict[str, object]) -> None:
    assert fold(hive(BUSY), event).bots["B"] == replace(BUSY, **changes)


def test_a_bot_that_ended_for_good_says_how() -> None:
    state = hive(BUSY)
    for event in (ev.BotExited(at=AT, bot_id="B", run=2, exit=EXIT), ev.BotFinished(at=AT, bot_id="B")):
        state = fold(state, event)
    assert (state.bots["B"].state, state.bots["B"].reason) == (BotState.EXITED, "SIGKILL")
    assert fold_bot(BUSY, ev.BotFinished(at=AT, bot_id="B")).reason == ""


def test_the_hive_and_its_host() -> None:
    state = fold(HiveState(), ev.HiveOpened(at=AT, pid=9, mode="background", version="1"))
    state = fold(state, ev.HostStarted(at=AT, pid=10))
    assert (state.pid, state.mode, state.host_pid) == (9, "background", 10)
    assert fold(state, ev.HostLost(at=AT, pid=10, reason="SIGKILL")).host_pid is None
    assert fold(state, ev.HiveClosed(at=AT, reason="bots left")) is state


@pytest.mark.parametrize("state", list(BotState))
def test_a_bot_is_live_while_a_process_is_there_or_being_made(state: BotState) -> None:
    assert is_live(replace(BUSY, state=state)) is (state in LIVE)


def test_what_a_message_is_about() -> None:
    assert first_line("\n\n  build it \nand test it") == "build it"
    assert first_line("x" * 1000) == "x" * 120
    assert first_line("") == ""


@pytest.mark.parametrize(("left_s", "asked"), [(300.0, 1), (0.0, 0)])
def test_what_the_policy_answers_is_asked_of_nobody(left_s: float, asked: int) -> None:
    wish = PermissionRequest(request_id="r", tool="Bash", title="ls", input="ls", options=())
    event = ev.PermissionAsked(
        at=AT, bot_id="B", run=2, message_id="m", request=wish, expires_at=AT + left_s, source_seq=1
    )
    state = fold(hive(BUSY), event)
    assert (len(state.approvals), state.bots["B"].activity is Activity.ASKING) == (asked, bool(asked))


def test_always_is_remembered_until_the_next_launch() -> None:
    def answered(grant: str) -> ev.PermissionAnswered:
        return ev.PermissionAnswered(
            at=AT, bot_id="B", run=2, request_id="r", outcome="allow_always", by="me", grant=grant
        )

    bot = replace(BUSY, activity=Activity.ASKING)
    for grant in ("", "Read", "Read", "Bash(ls)"):
        bot = fold_bot(bot, answered(grant))
    assert (bot.activity, bot.grants) == (Activity.BUSY, ("Read", "Bash(ls)"))
    for number in range(MAX_GRANTS):
        bot = fold_bot(bot, answered(f"Tool{number}"))
    assert len(bot.grants) == MAX_GRANTS
    assert fold(hive(bot), ev.BotLaunched(at=AT, bot_id="B", spec=SPEC)).bots["B"].grants == ()


def test_a_bot_that_asked_for_two_things_still_asks_after_one_answer() -> None:
    def asked(request_id: str) -> ev.PermissionAsked:
        request = PermissionRequest(request_id=request_id, tool="Bash", title="", input="", options=())
        return ev.PermissionAsked(
            at=AT, bot_id="B", run=2, message_id="m", request=request, expires_at=AT + 60, source_seq=1
        )

    def answered(request_id: str) -> ev.PermissionAnswered:
        return ev.PermissionAnswered(at=AT, bot_id="B", run=2, request_id=request_id, outcome="allow_once")

    state = HiveState(bots={"B": BUSY})
    seen = []
    for event in (asked("one"), asked("two"), answered("one"), answered("two")):
        state = fold(state, event)
        seen.append(state.bots["B"].activity)
    assert seen == [Activity.ASKING, Activity.ASKING, Activity.ASKING, Activity.BUSY]


def test_trouble_lasts_until_the_agent_is_up_again_and_keeps_its_conversation() -> None:
    def opened(session_id: str) -> ev.SessionOpened:
        return ev.SessionOpened(
            at=AT, bot_id="B", run=2, agent="claude", session_id=session_id, resumed=False, note="", source_seq=1
        )

    troubled = fold_bot(BUSY, ev.AgentDegraded(at=AT, bot_id="B", run=2, reason="529", source_seq=1))
    assert troubled.trouble == "529"
    up = fold_bot(troubled, opened("s"))
    assert (up.trouble, up.session and up.session.session_id) == ("", "s")
    assert fold_bot(up, opened("")).session is None


def test_what_a_bot_spent_is_counted_by_the_day() -> None:
    def used(at: float, cost_usd: float | None) -> ev.UsageReported:
        return ev.UsageReported(
            at=at, bot_id="B", run=2, message_id="m", usage=Usage(), source_seq=1, cost_usd=cost_usd
        )

    bot = BUSY
    spent = []
    for event in (used(AT, 0.5), used(AT + 1, 0.25), used(AT + 2, None), used(AT + 86400, 0.125)):
        bot = fold_bot(bot, event)
        spent.append(bot.spent_usd)
    assert spent == [0.5, 0.75, 0.75, 0.125]


def test_a_provider_is_left_alone_until_it_is_resumed() -> None:
    paused = fold(HiveState(), ev.ProviderPaused(at=AT, provider="acme", until=AT + 9, reason="529", by="B"))
    assert paused.pauses["acme"].until == AT + 9
    assert not fold(paused, ev.ProviderResumed(at=AT, provider="acme", reason="it answers")).pauses


def test_how_far_the_plan_is_stands_beside_the_task_until_that_ends() -> None:
    entries = (PlanEntry(content="look", status="completed"), PlanEntry(content="mend"))
    of: dict[str, Any] = {"at": AT, "bot_id": "B", "run": 2, "source_seq": 7}
    planned = fold_bot(BUSY, ev.PlanChanged(**of, message_id="m", entries=entries))
    assert planned.plan == (1, 2)
    assert fold_bot(planned, ev.PlanChanged(**of, message_id="another", entries=())).plan == (1, 2)
    ended = ev.TurnEnded(at=AT, bot_id="B", run=2, message_id="m", status="answered", error="", duration_s=1.0)
    assert fold_bot(planned, ended).plan is None


def test_a_bot_that_is_paused_or_was_started_for_the_load() -> None:
    about = {"at": 1.0, "bot_id": "B"}
    marked = {"template": "t", "reason": "5 tasks wait", "queue_depth": 5, "load": 1.0}
    state = HiveState()
    expected = (
        (ev.BotLaunched(**about, spec=SPEC), (False, False)),  # type: ignore[arg-type]
        (ev.Scaled(**about, **marked, direction="up"), (False, True)),  # type: ignore[arg-type]
        (ev.BotPaused(**about), (True, True)),  # type: ignore[arg-type]
        (ev.BotUnpaused(**about), (False, True)),  # type: ignore[arg-type]
        (ev.Scaled(**about, **marked, direction="down"), (False, True)),  # type: ignore[arg-type]
        (ev.BotLaunched(**about, spec=SPEC), (False, False)),  # type: ignore[arg-type]  # by a human: it is his now
    )
    for event, (paused, scaled) in expected:
        state = fold(state, event)
        assert (state.bots["B"].paused, state.bots["B"].scaled) == (paused, scaled)
