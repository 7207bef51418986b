import tempfile
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.breaker import Phase
from deia_tui.core.client import Recorded
from deia_tui.core.state import HiveState, fold
from deia_tui.core.turns import Failure
from deia_tui.folder import Folder
from deia_tui.identity import boot_id
from deia_tui.store.chats import MAX_ANSWER
from deia_tui.store.store import Store

from . import scenes

AT = scenes.AT


def happening(bot_id: str, message_id: str, run: int, alert_id: int) -> list[ev.Event]:
    """One event of nearly every kind."""
    common = {"at": AT + run, "bot_id": bot_id, "run": run}
    phase = Phase.OPEN if run % 2 else Phase.CLOSED
    return [
        scenes.launched(bot_id, at=AT + run),
        scenes.starting(bot_id, run, automatic=bool(run % 2)),
        scenes.spawned(bot_id, run),
        ev.BotReady(**common),
        ev.BotAdopted(**common, pid=9, start_ticks=8, port=8009),
        ev.BotStopping(**common, then="stop" if run % 2 else "policy", reason="hung"),
        scenes.exited(bot_id, run),
        ev.BotBackingOff(
            at=AT, bot_id=bot_id, delay_s=1.5, due_at=AT + 1.5, attempt=run, max_restarts=5, reason="exit 1"
        ),
        ev.BotStopped(at=AT, bot_id=bot_id),
        ev.BotFinished(at=AT, bot_id=bot_id),
        ev.BotGaveUp(at=AT, bot_id=bot_id, reason="6 exits"),
        ev.ProbeFailed(**common, streak=1, error="timeout"),
        ev.ProbeRecovered(**common),
        ev.BreakerChanged(
            at=AT,
            bot_id=bot_id,
            from_phase=Phase.CLOSED,
            to_phase=phase,
            reason="5 failures",
            retry_at=AT + 30 if run == 1 else None,
            failure_rate=1.0,
            success_rate=0.0,
            consecutive_failures=run,
        ),
        scenes.asked(bot_id, message_id),
        scenes.accepted(bot_id, message_id, 0, run),
        scenes.turn_started(bot_id, message_id, 0, run),
        scenes.output(bot_id, message_id, "x", 0, run),
        scenes.turn_ended(bot_id, message_id, 0, run),
        ev.AlertCleared(at=AT + run, alert_id=alert_id, bot_id=bot_id, reason="seen"),
        ev.HiveOpened(at=AT, pid=1, mode="serve", version="1"),
    ]


events_of_two_bots = st.lists(
    st.builds(
        happening,
        st.sampled_from(["A", "B"]),
        st.sampled_from(["m1", "m2", "m3"]),
        st.integers(1, 3),
        st.integers(1, 2),
    ).flatmap(st.sampled_from),
    max_size=25,
)


def of_its_bot(event: ev.Event) -> ev.Event:
    """Messages have ids of their own in each bot, as real ones do."""
    if isinstance(event, ev.MessageQueued | ev.MessageAccepted | ev.TurnStarted | ev.OutputAdded | ev.TurnEnded):
        return type(event)(
            **{name: getattr(event, name) for name in event.__dataclass_fields__ if name != "message_id"},
            message_id=f"{event.bot_id}-{event.message_id}",
        )
    return event


@settings(max_examples=15, deadline=None)
@given(events_of_two_bots, st.integers(1, 5))
async def test_what_is_loaded_is_what_everybody_saw(happened: list[ev.Event], unit: int) -> None:
    begun = [scenes.launched("A"), scenes.launched("B"), scenes.alert(1, "A"), scenes.alert(2)]
    events = begun + [of_its_bot(event) for event in happened]
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root))
        folder.create()
        store = await Store.open(folder)
        recorded: list[Recorded] = []
        for start in range(0, len(events), unit):
            recorded += await store.commit(events[start : start + unit])
        seen: HiveState = reduce(fold, (entry.event for entry in recorded), HiveState())
        await store.close()
        store = await Store.open(folder)
        loaded = await store.load()
        assert dict(loaded.bots) == dict(seen.bots)
        assert loaded.alerts == seen.alerts
        assert loaded.seq == recorded[-1].seq
        assert await store.events(limit=1000) == recorded
        await store.close()


async def test_runs_breakers_and_counts_are_loaded(store: Store) -> None:
    await store.commit([*scenes.started("A"), scenes.exited("A", at=AT + 5, code=3, reason="hung")])
    await store.commit([scenes.starting("A", 2, automatic=True), scenes.spawned("A", 2), scenes.alert(7)])
    await store.commit([scenes.output("A", "m", "x", 4, run=2), happening("A", "m", 2, 1)[13]])
    loaded = await store.load()
    run = loaded.runs["A"]
    assert (run.run, run.nonce, run.pid, run.start_ticks, run.port) == (2, "nonce-2", 4242, 77, 8001)
    assert (run.boot_id, run.last_seq, run.ended) == (boot_id(), 4, False)
    assert loaded.exits == {"A": (AT + 5,)}
    assert loaded.breakers["A"].consecutive_failures == 2
    assert loaded.next_alert_id == 8
    assert loaded.registry_version == 3


async def test_a_human_start_begins_the_count_of_exits_anew(store: Store) -> None:
    await store.commit([*scenes.started("A"), scenes.exited("A")])
    await store.commit([scenes.starting("A", 2, automatic=True), scenes.exited("A", 2, at=AT + 9)])
    assert (await store.load()).exits == {"A": (AT + 5, AT + 9)}
    await store.commit([scenes.starting("A", 3)])
    assert (await store.load()).exits == {}
    await store.commit([scenes.exited("A", 3), scenes.launched("A")])
    assert (await store.load()).exits == {}


async def test_an_open_breaker_without_a_time_waits_for_a_human(store: Store) -> None:
    await store.commit([scenes.launched("A"), happening("A", "m", 3, 1)[13]])
    assert (await store.load()).breakers["A"].locked


async def test_messages_by_how_far_they_came(store: Store) -> None:
    await store.commit([*scenes.started("A"), *(scenes.asked("A", name) for name in "abcd")])
    await store.commit([scenes.accepted("A", "a", 1), scenes.turn_started("A", "a", 2), scenes.turn_ended("A", "a", 3)])
    await store.commit([scenes.accepted("A", "b", 4), scenes.turn_started("A", "b", 5), scenes.accepted("A", "c", 6)])
    loaded = await store.load()
    assert [(message.message_id, message.status) for message in loaded.waiting("A")] == [("d", "queued")]
    in_hand = [(message.message_id, message.status) for message in loaded.in_hand("A")]
    assert in_hand == [("b", "running"), ("c", "accepted")]
    assert loaded.bots["A"].queued == (("c", "hello"), ("d", "hello"))


async def test_a_message_that_ended_stays_as_it_ended(store: Store) -> None:
    await store.commit([*scenes.started("A"), scenes.asked("A", "m"), scenes.turn_started("A", "m", 1)])
    gone = ev.TurnEnded(
        at=AT + 6, bot_id="A", run=1, message_id="m", status="interrupted", error="died", duration_s=2.0
    )
    await store.commit([gone])
    await store.commit([scenes.turn_ended("A", "m", 9)])
    (turn,) = await store.chat("A")
    assert (turn.status, turn.error, turn.ended_at) == ("interrupted", "died", AT + 6)


async def test_a_chat_tells_why_a_turn_ended(store: Store) -> None:
    await store.commit([*scenes.started("A"), scenes.asked("A", "m"), scenes.turn_started("A", "m", 1)])
    assert (await store.chat("A"))[0].failure is None
    await store.commit([replace(failed("m"), failure=Failure.OVERLOAD, stop_reason="max_tokens")])
    (turn,) = await store.chat("A")
    assert (turn.status, turn.failure, turn.stop_reason) == ("failed", Failure.OVERLOAD, "max_tokens")


def failed(message_id: str) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=AT + 6, bot_id="A", run=1, message_id=message_id, status="failed", error="429", duration_s=2.0
    )


async def test_chat_shows_each_answer_with_its_question(store: Store) -> None:
    await store.commit([*scenes.started("A"), *scenes.started("B")])
    await store.commit(
        [scenes.asked("A", "m1", "one"), scenes.asked("A", "m2", "two"), scenes.asked("B", "n", "three")]
    )
    await store.commit([scenes.turn_started("A", "m1", 1), scenes.turn_started("B", "n", 1)])
    await store.commit([scenes.output("A", "m1", "a", 2), scenes.output("B", "n", "other", 2)])
    await store.commit([scenes.output("A", "m1", "b\n", 3), scenes.turn_ended("A", "m1", 4)])
    (begun,) = await store.commit([scenes.turn_started("A", "m2", 5)])
    one, two = await store.chat("A")
    assert (one.text, one.answer, one.status, one.answer_seq) == ("one", "ab\n", "answered", begun.seq - 2)
    assert (two.text, two.answer, two.status, two.answer_seq) == ("two", "", "running", 0)
    (streamed,) = await store.commit([scenes.output("A", "m2", "c", 6)])
    assert [turn.answer for turn in await store.chat("A")] == ["ab\n", "c"]
    assert (await store.chat("A"))[1].answer_seq == streamed.seq
    assert [turn.answer for turn in await store.chat("B")] == ["other"]


async def test_chat_is_paged_from_the_newest(store: Store) -> None:
    await store.commit([scenes.launched("A"), *(scenes.asked("A", f"m{number}") for number in range(10))])
    newest = await store.chat("A", limit=4)
    assert [turn.message_id for turn in newest] == ["m6", "m7", "m8", "m9"]
    older = await store.chat("A", before=newest[0].number, limit=4)
    assert [turn.message_id for turn in older] == ["m2", "m3", "m4", "m5"]
    assert [turn.message_id for turn in await store.chat("A", before=older[0].number)] == ["m0", "m1"]
    assert await store.chat("NOBODY") == []


@pytest.mark.parametrize("piece", [1_000, 400_000])
async def test_a_flood_is_cut_and_says_so(store: Store, piece: int) -> None:
    await store.commit([*scenes.started("A"), scenes.asked("A", "m"), scenes.turn_started("A", "m", 1)])
    count = 3_000_000 // piece
    flood = [scenes.output("A", "m", f"{number:04}".ljust(piece, "x"), number + 2) for number in range(count)]
    recorded = await store.commit(flood)
    (turn,) = await store.chat("A")
    assert turn.answer.startswith("0000x")
    assert turn.answer[MAX_ANSWER:] == "\n[only the first 1 MiB of this answer is shown]"
    assert turn.answer_seq == recorded[-1].seq


async def test_events_and_output_are_one_sequence(store: Store) -> None:
    recorded = await store.commit([*scenes.started("A"), scenes.asked("A", "m"), scenes.turn_started("A", "m", 1)])
    for number in range(2, 8):
        recorded += await store.commit([scenes.output("A", "m", str(number), number), *scenes.started(f"B{number}")])
    of_a = [entry for entry in recorded if getattr(entry.event, "bot_id", None) == "A"]
    assert await store.events() == recorded
    assert await store.events(bot_id="A") == of_a
    assert await store.events(limit=5) == recorded[:5]
    assert await store.events(limit=5, newest=True) == recorded[-5:]
    assert await store.events(after=recorded[9].seq, limit=3) == recorded[10:13]
    assert await store.events(bot_id="A", after=of_a[6].seq) == of_a[7:]
    assert await store.events(bot_id="A", limit=3, newest=True) == of_a[-3:]
    assert await store.events(after=recorded[-1].seq) == []
