from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise, concerns, outlived, settle
from deia_tui.core.bots import AgentSpec, BotSpec, BotState, ExitRecord
from deia_tui.core.breaker import Phase
from deia_tui.core.state import Alert, BotView, HiveState, fold

AT = 1_760_000_000.0
COMMON = {"at": AT, "bot_id": "B"}
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"))


def exited(**exit: object) -> ev.BotExited:
    return ev.BotExited(**COMMON, run=1, exit=ExitRecord(at=AT, **exit))


def breaker(to_phase: Phase, retry_at: float | None = None, from_phase: Phase = Phase.CLOSED) -> ev.BreakerChanged:
    return ev.BreakerChanged(
        **COMMON,
        from_phase=from_phase,
        to_phase=to_phase,
        reason="why",
        retry_at=retry_at,
        failure_rate=1.0,
        success_rate=0.0,
        consecutive_failures=5,
    )


@pytest.mark.parametrize(
    ("event", "alerts"),
    [
        (exited(code=3), ["+crash warning crashed (exit 3)"]),
        (exited(signal="SIGSEGV"), ["+crash warning crashed (SIGSEGV)"]),
        (exited(), ["+crash warning crashed (exit unknown)"]),
        (exited(signal="SIGKILL", reason="hung"), ["+crash warning hung (SIGKILL)"]),
        (exited(signal="SIGKILL", reason="killed"), ["+killed info killed by hand (SIGKILL)"]),
        (exited(code=0), []),
        (exited(signal="SIGKILL", reason="stopped"), []),
        (exited(signal="SIGTERM", reason="restarted"), []),
        (ev.BotGaveUp(**COMMON, reason="6 exits"), ["-crash", "+fatal critical fatal: 6 exits"]),
        (ev.BotStarting(**COMMON, run=1, nonce="", reason="launched"), ["-fatal", "-crash", "-killed", "-worktree"]),
        (ev.BotStarting(**COMMON, run=1, nonce="", reason="restart", automatic=True), []),
        (ev.BotStopped(**COMMON), ["-fatal", "-crash", "-cpu", "-memory"]),
        (ev.ProbeFailed(**COMMON, run=1, streak=1, error="no"), ["+unresponsive warning unresponsive: no"]),
        (ev.ProbeFailed(**COMMON, run=1, streak=2, error="no"), []),
        (ev.ProbeRecovered(**COMMON, run=1), ["-unresponsive"]),
        (ev.BotFinished(**COMMON), ["-cpu", "-memory", "-unresponsive"]),
        (
            ev.BotBackingOff(**COMMON, delay_s=1.0, due_at=AT, attempt=1, max_restarts=5, reason=""),
            ["-cpu", "-memory", "-unresponsive"],
        ),
        (breaker(Phase.OPEN, AT + 30), ["+breaker warning breaker open: why"]),
        (breaker(Phase.OPEN), ["+breaker critical needs you: why"]),
        (breaker(Phase.OPEN, AT + 30, from_phase=Phase.HALF_OPEN), []),
        (breaker(Phase.CLOSED, from_phase=Phase.HALF_OPEN), ["-breaker"]),
        (breaker(Phase.HALF_OPEN), []),
        (
            ev.HostLost(at=AT, pid=9, reason="SIGKILL"),
            ["+host critical host process lost (SIGKILL): bots live on, exits may stay unknown"],
        ),
        (ev.HostStarted(at=AT, pid=10), ["-host"]),
        (
            ev.ProviderPaused(at=AT, provider="acme", until=AT + 90, reason="529", by="B"),
            ["+paused acme warning acme is left alone for 90 s: 529"],
        ),
        (ev.ProviderResumed(at=AT, provider="acme", reason="it answers"), ["-paused acme"]),
        (ev.BotReady(**COMMON, run=1), []),
    ],
)
def test_what_an_operator_is_told(event: ev.Event, alerts: list[str]) -> None:
    found = list(concerns(event))
    words = [f"-{wish.kind}" if isinstance(wish, Clear) else f"+{wish.kind} {wish.level} {wish.text}" for wish in found]
    assert words == alerts
    assert {wish.bot_id for wish in found} <= {getattr(event, "bot_id", None)}
    assert all(wish.action for wish in found if isinstance(wish, Raise)), "each alert says what to do"


def test_an_open_breaker_says_whether_it_needs_a_human() -> None:
    [by_itself] = concerns(breaker(Phase.OPEN, AT + 30))
    [by_hand] = concerns(breaker(Phase.OPEN))
    assert isinstance(by_itself, Raise)
    assert isinstance(by_hand, Raise)
    assert (by_itself.action, by_hand.action) == ("tries again by itself", "r once that is mended; its messages wait")


bot_ids = st.sampled_from(["A", "B", None])
kinds = st.sampled_from(["crash", "fatal", "cpu"])
wishes = st.lists(
    st.one_of(
        st.builds(Raise, bot_ids, kinds, st.just("warning"), st.text(max_size=3)),
        st.builds(Clear, bot_ids, kinds, st.just("over")),
    ),
    max_size=8,
)


@given(st.lists(wishes, max_size=8))
def test_never_two_open_alerts_of_one_bot_and_kind_and_never_an_id_twice(batches: list[list[Raise | Clear]]) -> None:
    state, next_id, ids = HiveState(), 1, list[int]()
    for batch in batches:
        settled = settle(batch, state, next_id=next_id, at=AT)
        raised = [event.alert_id for event in settled if isinstance(event, ev.AlertRaised)]
        assert raised == list(range(next_id, next_id + len(raised)))
        cleared = [event.alert_id for event in settled if isinstance(event, ev.AlertCleared)]
        assert len(cleared) == len(set(cleared))
        next_id += len(raised)
        ids += raised
        for event in settled:
            state = fold(state, event)
        open_kinds = [(alert.bot_id, alert.kind) for alert in state.alerts if alert.cleared_at is None]
        assert len(open_kinds) == len(set(open_kinds))
        last = {(wish.bot_id, wish.kind): wish for wish in batch}
        for key, wish in last.items():
            assert (key in open_kinds) is isinstance(wish, Raise), "the last word counts"
    assert len(ids) == len(set(ids))


def test_an_alert_raised_again_replaces_the_former() -> None:
    state = fold(HiveState(), settle([Raise("B", "crash", "warning", "one", "look")], HiveState(), next_id=4, at=AT)[0])
    settled = settle([Raise("B", "crash", "critical", "two", "run")], state, next_id=5, at=AT + 1)
    assert settled == [
        ev.AlertCleared(at=AT + 1, alert_id=4, bot_id="B", reason="again"),
        ev.AlertRaised(at=AT + 1, alert_id=5, bot_id="B", kind="crash", level="critical", text="two", action="run"),
    ]


CRASH = Alert(alert_id=1, bot_id="B", kind="crash", level="warning", text="", action="", raised_at=AT)
RUNNING = BotView(bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT)


@pytest.mark.parametrize(
    ("alert", "bot", "now", "over"),
    [
        (CRASH, RUNNING, AT + 60, True),
        (CRASH, RUNNING, AT + 59, False),
        (CRASH, replace(RUNNING, state=BotState.BACKOFF), AT + 60, False),
        (replace(CRASH, kind="fatal"), RUNNING, AT + 60, False),
        (replace(CRASH, cleared_at=AT), RUNNING, AT + 60, False),
        (replace(CRASH, bot_id="gone"), RUNNING, AT + 60, False),
        (replace(CRASH, bot_id=None), RUNNING, AT + 60, False),
    ],
)
def test_a_crash_is_over_once_its_bot_is_stable(alert: Alert, bot: BotView, now: float, over: bool) -> None:
    found = list(outlived([alert], HiveState(bots={"B": bot}), now=now, stable_s=60.0))
    assert found == ([Clear("B", "crash", "runs for 60 s")] if over else [])
