"""How many bots a template has: by its queue and its load, within its limits, and nothing without end."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.bots import NOT_NEEDED, AgentSpec, BotSpec, BotState
from deia_tui.core.bots import Activity as Act
from deia_tui.core.breaker import Phase
from deia_tui.core.load.scaler import Drain, Limits, Scaler, ScalingPolicy, Start, Step, Stuck
from deia_tui.core.state import BotView, HiveState, Pause, Snapshot, Telemetry
from deia_tui.core.work.view import BotWork, WorkView

POLICY = ScalingPolicy()
AGENT = AgentSpec(name="shell", kind="shell", provider="p")
LIMITS = {"shell": Limits(1, 4)}


def bot(number: int, **changes: Any) -> BotView:
    bot_id = f"BOT-{number:03}"
    spec = BotSpec(bot_id=bot_id, agent=AGENT, template="shell")
    return replace(BotView(bot_id=bot_id, spec=spec, state=BotState.RUNNING), **changes)


def stopped(number: int, reason: str, **changes: Any) -> BotView:
    return bot(number, state=BotState.STOPPED, reason=reason, wanted=False, **changes)


def hive(*bots: BotView, ready: int = 0, works: Mapping[str, BotWork] = {}, **telemetry: Any) -> Snapshot:
    return Snapshot(
        state=HiveState(bots={one.bot_id: one for one in bots}),
        work=WorkView(ready=ready, bots=works),
        telemetry=Telemetry(**telemetry),
    )


def look(snapshot: Snapshot, now: float = 0.0, *, least: int = 1, most: int = 4) -> list[Step]:
    return Scaler(POLICY).look(now, snapshot, {"shell": Limits(least, most)})


def starts(steps: list[Step]) -> list[tuple[int, str]]:
    return [(step.count, step.reason) for step in steps if isinstance(step, Start)]


def test_what_a_template_has_at_least_is_started_and_no_more_than_at_most() -> None:
    assert starts(look(hive(), least=3)) == [(3, "at least 3 are to run")]
    assert starts(look(hive(bot(1)), least=3)) == [(2, "at least 3 are to run")]
    assert look(hive(), least=0) == [] == look(hive(bot(1)))
    draining = [bot(number, state=BotState.STOPPING, wanted=False) for number in (1, 2, 3)]
    assert starts(look(hive(*draining), least=3)) == [(1, "at least 3 are to run")]  # until they are gone
    assert look(hive(bot(1, state=BotState.STOPPING))) == []  # it comes back


def test_a_queue_brings_one_bot_more() -> None:
    assert look(hive(bot(1), ready=4)) == []
    assert starts(look(hive(bot(1), ready=5))) == [(1, "5 tasks wait")]
    assert look(hive(*map(bot, range(4)), ready=500)) == []
    assert starts(look(hive(ready=5), least=0)) == [(1, "5 tasks wait")]


def test_a_load_brings_one_only_when_it_lasts() -> None:
    scaler, snapshot = Scaler(POLICY), hive(bot(1, activity=Act.BUSY), bot(2), works={"BOT-002": BotWork(ahead=1)})
    for second in range(60):
        assert scaler.look(float(second), snapshot, LIMITS) == []
    assert starts(scaler.look(60.0, snapshot, LIMITS)) == [(1, "its bots are busy for 100% of the time")]
    half = hive(bot(1, activity=Act.BUSY), bot(2))
    scaler = Scaler(POLICY)
    assert all(scaler.look(float(second), half, LIMITS) == [] for second in range(200))


def test_between_two_starts_there_is_time_for_the_first_to_help() -> None:
    scaler, snapshot = Scaler(POLICY), hive(bot(1), ready=9)
    assert starts(scaler.look(0.0, snapshot, LIMITS))
    scaler.started("shell", 0.0)
    assert scaler.look(29.9, snapshot, LIMITS) == []
    assert starts(scaler.look(30.0, snapshot, LIMITS))


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (hive(bot(1), ready=9, memory_percent=85.0), "the machine's memory is at 85 %"),
        (hive(bot(1), ready=9, cpu_percent=90.0), "the machine's CPU is at 90 %"),
        (
            hive(bot(1, breaker=Phase.OPEN, breaker_reason="not logged in"), ready=9),
            "BOT-001 needs you: not logged in",
        ),
        (
            hive(*(bot(number, state=BotState.FATAL) for number in (1, 2, 3))),
            "BOT-001, BOT-002, BOT-003 are fatal: another would be, too",
        ),
    ],
)
def test_what_keeps_it_from_starting_one(snapshot: Snapshot, reason: str) -> None:
    [step] = look(snapshot)
    assert isinstance(step, Stuck) and step.reason == reason and step.wanted


def test_a_provider_that_is_left_alone_gets_no_bot_more() -> None:
    snapshot = hive(bot(1), ready=9)
    pauses = {"p": Pause(since=0.0, until=9.0, reason="429")}
    [step] = look(replace(snapshot, state=replace(snapshot.state, pauses=pauses)))
    assert isinstance(step, Stuck) and step.reason == "p is left alone for a while"


def test_a_peak_of_the_processor_is_not_the_machines_load() -> None:
    scaler = Scaler(POLICY)
    for second in range(61):
        scaler.look(float(second), hive(bot(1), cpu_percent=20.0), LIMITS)
    assert starts(scaler.look(61.0, hive(bot(1), ready=5, cpu_percent=100.0), LIMITS))


def test_a_fatal_bot_is_replaced_and_a_bot_that_tries_again_by_itself_is_not() -> None:
    [step] = look(hive(bot(1, state=BotState.FATAL)))
    assert isinstance(step, Start) and (step.count, step.fatal) == (1, "BOT-001")
    assert look(hive(bot(1, state=BotState.BACKOFF))) == []
    assert look(hive(bot(1, breaker=Phase.OPEN, retry_at=9.0))) == []


def test_a_launch_that_fails_is_tried_again_less_and_less_often() -> None:
    scaler, snapshot, tries = Scaler(POLICY), hive(), []
    for second in range(3000):
        for step in scaler.look(float(second), snapshot, LIMITS):
            if isinstance(step, Start):
                tries.append(second)
                scaler.failed("shell", float(second), "no such program")
            else:
                assert isinstance(step, Stuck) and step.reason == "no such program"
    assert tries == [0, 60, 180, 420, 900, 1500, 2100, 2700]
    assert starts(scaler.look(5000.0, snapshot, LIMITS))
    scaler.started("shell", 5000.0)
    assert starts(scaler.look(5030.0, snapshot, LIMITS))


# What a human wants


def test_what_a_human_stopped_stays_off() -> None:
    assert look(hive(stopped(1, "stopped"))) == []
    assert look(hive(stopped(1, "killed"), ready=99)) == []
    assert look(hive(bot(1), stopped(2, "drained")), least=2) == []
    assert starts(look(hive(bot(1), stopped(2, "drained"), ready=99))) == [(1, "99 tasks wait")]
    assert starts(look(hive(stopped(1, NOT_NEEDED)))) == [(1, "at least 1 are to run")]
    assert look(hive(stopped(1, "stopped"), stopped(2, NOT_NEEDED), ready=99)) == []


def test_stopped_with_all_others_means_until_the_hive_is_opened_again() -> None:
    snapshot = hive(stopped(1, "all stopped", since=100.0))
    assert Scaler(POLICY, opened_at=99.0).look(0.0, snapshot, LIMITS) == []
    assert starts(Scaler(POLICY, opened_at=101.0).look(0.0, snapshot, LIMITS))


# Down


def idle(scaler: Scaler, snapshot: Snapshot, *, since: int = 0, until: int = 301) -> list[Step]:
    return [step for second in range(since, until) for step in scaler.look(float(second), snapshot, LIMITS)]


def test_a_bot_that_scaling_started_is_drained_when_it_was_idle_for_long() -> None:
    scaler, snapshot = Scaler(POLICY), hive(bot(1), bot(2, scaled=True), bot(3, scaled=True))
    assert idle(scaler, snapshot) == [Drain(template="shell", bot_id="BOT-002", reason="idle for 300 s", load=0.0)]
    scaler.drained("shell", 300.0)
    left = hive(bot(1), bot(2, scaled=True, state=BotState.STOPPING, wanted=False), bot(3, scaled=True))
    assert idle(scaler, left, since=301, until=360) == []
    [step] = idle(scaler, left, since=360, until=361)
    assert isinstance(step, Drain) and step.bot_id == "BOT-003"


@pytest.mark.parametrize(
    "snapshot",
    [
        hive(bot(1), bot(2)),  # launched by a human
        hive(bot(1, scaled=True)),  # the last one it is to have
        hive(bot(1), bot(2, scaled=True, activity=Act.ASKING)),
        hive(bot(1), bot(2, scaled=True, queued=(("m", "hi"),))),
        hive(bot(1), bot(2, scaled=True), works={"BOT-002": BotWork(addressed=1)}),
        hive(bot(1), bot(2, scaled=True), works={"BOT-002": BotWork(running="t")}),
        hive(bot(1), bot(2, scaled=True, state=BotState.STARTING)),
        hive(bot(1), bot(2, scaled=True), ready=5, memory_percent=99.0),  # it should have one more
    ],
)
def test_what_is_needed_or_not_its_own_is_not_drained(snapshot: Snapshot) -> None:
    assert not any(isinstance(step, Drain) for step in idle(Scaler(POLICY), snapshot))


def test_idle_means_without_a_pause() -> None:
    scaler, calm = Scaler(POLICY), hive(bot(1), bot(2, scaled=True))
    assert idle(scaler, calm, until=200) == []
    scaler.look(200.0, hive(bot(1), bot(2, scaled=True, activity=Act.BUSY)), LIMITS)
    assert idle(scaler, calm, since=201, until=501) == []
    assert idle(scaler, calm, since=501, until=502)


# A simulated hive

Moment = st.tuples(
    st.integers(0, 12),  # ready
    st.sampled_from([20.0, 84.9, 85.0, 99.0]),  # memory
    st.sampled_from(["", "busy", "fatal", "human stops", "human launches", "fails"]),
    st.integers(1, 120),  # seconds until the next look
)


@given(st.lists(Moment, max_size=80), st.integers(0, 4), st.integers(1, 6))
def test_never_beyond_max_never_below_min_never_while_blocked(
    moments: list[tuple[int, float, str, int]], least: int, most: int
) -> None:
    least = min(least, most)
    scaler, bots, now = Scaler(POLICY), dict[str, BotView](), 0.0
    up_at = -math.inf
    for ready, memory, happening, passes_s in moments:
        now += passes_s
        running = [one for one in bots.values() if one.state is BotState.RUNNING]
        if happening == "human launches":
            bots[f"BOT-{len(bots) + 1:03}"] = bot(len(bots) + 1)
        elif running and happening in ("busy", "fatal", "human stops"):
            victim = running[now % len(running) > 1]
            change: dict[str, Any] = {
                "busy": {"activity": Act.BUSY if victim.activity is Act.IDLE else Act.IDLE},
                "fatal": {"state": BotState.FATAL},
                "human stops": {"state": BotState.STOPPED, "reason": "stopped", "wanted": False},
            }[happening]
            bots[victim.bot_id] = dataclasses.replace(victim, **change)
        before = sum(one.state is BotState.RUNNING for one in bots.values())
        resting = sum(one.reason == "stopped" for one in bots.values())
        fatal = sum(one.state is BotState.FATAL for one in bots.values())
        snapshot = hive(*bots.values(), ready=ready, memory_percent=memory)
        steps = scaler.look(now, snapshot, {"shell": Limits(least, most)})
        assert len(steps) <= 1
        for step in steps:
            match step:
                case Start(count=count):
                    assert memory < POLICY.max_memory_percent and fatal < POLICY.max_fatal
                    assert count >= 1 and before + count <= most
                    up_at = now
                    if happening == "fails":
                        scaler.failed("shell", now, "no program")
                        continue
                    scaler.started("shell", now)
                    for _ in range(count):
                        bots[f"BOT-{len(bots) + 1:03}"] = bot(len(bots) + 1, scaled=True)
                case Drain(bot_id=bot_id):
                    assert bots[bot_id].scaled and before - 1 >= least
                    scaler.drained("shell", now)
                    gone = dataclasses.replace(bots[bot_id], state=BotState.STOPPED, reason=NOT_NEEDED, wanted=False)
                    bots[bot_id] = gone
                case Stuck():
                    assert before < most
        if not steps and before + resting < least:
            assert now - up_at < POLICY.up_cooldown_s or (resting and not before)  # a human wants none of them
