"""What agents do beside answering, as the store keeps it."""

from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.conversation import Parts, Text, Thought, Tool, Used, add, answer_of
from deia_tui.core.costs import Cost, report
from deia_tui.core.state import Approval, Pause, Session
from deia_tui.core.turns import PermissionOption, PermissionRequest, ToolCall, Usage
from deia_tui.folder import Folder
from deia_tui.store.retention import DAY_S, DETAILS_DAYS, Retention
from deia_tui.store.store import Store

from . import scenes
from .scenes import AT

FOREVER = Retention(events_days=36_000, state_mb=1000)
OPTION = PermissionOption(option_id="1", name="Allow", kind="allow_once")


def thought(text: str, frame: int, message_id: str = "m") -> ev.ThoughtAdded:
    return ev.ThoughtAdded(at=AT + 4, bot_id="A", run=1, message_id=message_id, text=text, source_seq=frame)


def tool(call_id: str, frame: int, status: str = "completed") -> ev.ToolCallChanged:
    call = ToolCall(call_id=call_id, tool="Bash", title="ls", status=status)  # type: ignore[arg-type]
    return ev.ToolCallChanged(at=AT + 4, bot_id="A", run=1, message_id="m", call=call, source_seq=frame)


def used(frame: int, cost_usd: float | None, *, model: str = "m1", message_id: str = "m") -> ev.UsageReported:
    usage = Usage(model=model, input_tokens=100, output_tokens=10, cache_read_tokens=1, cache_write_tokens=2)
    return ev.UsageReported(
        at=AT + 4, bot_id="A", run=1, message_id=message_id, usage=usage, source_seq=frame, cost_usd=cost_usd
    )


def asked(request_id: str, frame: int, run: int = 1) -> ev.PermissionAsked:
    request = PermissionRequest(request_id=request_id, tool="Bash", title="ls", input="ls", options=(OPTION,))
    return ev.PermissionAsked(
        at=AT + 4, bot_id="A", run=run, message_id="m", request=request, expires_at=AT + 300, source_seq=frame
    )


TURN: list[ev.Event] = [
    scenes.turn_started("A", "m", 1),
    thought("hm", 2),
    scenes.output("A", "m", "I ", 3),
    scenes.output("A", "m", "look\0 ü", 4),
    tool("t1", 5, "pending"),
    tool("t1", 6, "in_progress"),
    scenes.output("A", "m", "meanwhile", 7),
    tool("t1", 8),
    used(9, 0.25),
    scenes.output("A", "m", " – done", 10),
    scenes.turn_ended("A", "m", 11),
]


async def committed(store: Store, *events: ev.Event) -> Parts:
    """What a chat shows that heard them one by one."""
    await store.commit([*scenes.started("A"), scenes.asked("A", "m")])
    parts: Parts = ()
    for entry in await store.commit(events):
        parts = add(parts, entry.event)
    return parts


async def test_a_past_turn_reads_as_it_was_seen(store: Store) -> None:
    live = await committed(store, *TURN)
    [turn] = await store.chat("A")
    assert turn.parts == live
    assert [type(part) for part in turn.parts] == [Thought, Text, Tool, Text, Used]
    assert turn.answer == answer_of(live) == "I look\0 ümeanwhile – done"
    assert turn.answer_seq == (await store.events(newest=True, limit=2))[0].seq


async def test_a_turn_under_way_goes_on_from_its_last_number(store: Store) -> None:
    half = len(TURN) // 2
    await committed(store, *TURN[:half])
    [turn] = await store.chat("A")
    parts = turn.parts
    await store.commit(TURN[half:])
    for entry in await store.events(bot_id="A", after=turn.answer_seq):
        parts = add(parts, entry.event)
    [whole] = await store.chat("A")
    assert parts == whole.parts


async def test_what_a_bot_does_between_two_turns_is_in_neither(store: Store) -> None:
    await committed(store, *TURN)
    await store.commit([scenes.asked("A", "n"), scenes.turn_started("A", "n", 12), thought("next", 13, "n")])
    first, second = await store.chat("A")
    assert len(first.parts) == 5
    [part] = second.parts
    assert isinstance(part, Thought) and part.pieces == ("next",)


async def test_years_later_the_answer_is_still_in_order(store: Store) -> None:
    live = await committed(store, *TURN)
    await store.prune(FOREVER, AT + 2 * DAY_S)
    [turn] = await store.chat("A")
    assert turn.parts == live, "joined pieces lie where they lay, and how a call ended says it all"
    states = [entry.event.call.status for entry in await store.events() if isinstance(entry.event, ev.ToolCallChanged)]
    assert states == ["pending", "completed"]
    await store.prune(FOREVER, AT + (DETAILS_DAYS + 1) * DAY_S)
    [turn] = await store.chat("A")
    assert [type(part) for part in turn.parts] == [Text, Used]
    assert turn.answer == answer_of(live)


async def test_open_requests_and_pauses_are_loaded(store: Store) -> None:
    await committed(store, scenes.turn_started("A", "m", 1), asked("r1", 2), asked("r2", 3), asked("r3", 4))
    ruled = asked("ruled by the policy", 5)
    await store.commit([replace(ruled, expires_at=ruled.at)])
    await store.commit([ev.PermissionAnswered(at=AT, bot_id="A", run=1, request_id="r1", outcome="allow_once")])
    await store.commit(
        [
            ev.ProviderPaused(at=AT, provider="p", until=AT + 30, reason="429", by="A"),
            ev.ProviderPaused(at=AT, provider="q", until=AT + 30, reason="429", by="A"),
            ev.ProviderResumed(at=AT + 1, provider="p", reason="tried"),
            ev.ProviderPaused(at=AT + 2, provider="p", until=AT + 90, reason="529", by="A"),
            ev.ProviderResumed(at=AT + 3, provider="q", reason="tried"),
        ]
    )
    loaded = await store.load()
    request = asked("r2", 3).request
    assert loaded.approvals[0] == Approval(
        bot_id="A", run=1, message_id="m", request=request, asked_at=AT + 4, expires_at=AT + 300
    )
    assert [one.request.request_id for one in loaded.approvals] == ["r2", "r3"]
    assert loaded.pauses == {"p": Pause(since=AT + 2, until=AT + 90, reason="529")}
    await store.commit([scenes.exited("A")])
    assert (await store.load()).approvals == ()


async def test_what_a_bot_gained_outlives_its_supervisor(folder: Folder) -> None:
    store = await Store.open(folder)
    await committed(store, scenes.turn_started("A", "m", 1), used(2, 0.5), used(3, 0.25))
    opened = ev.SessionOpened(at=AT, bot_id="A", run=1, agent="shell", session_id="s-1", resumed=False, source_seq=4)
    trouble = ev.AgentDegraded(at=AT, bot_id="A", run=1, reason="429, again in 5 s", source_seq=5)
    await store.commit([opened, trouble])
    await store.close()
    store = await Store.open(folder)
    view = (await store.load()).bots["A"]
    await store.close()
    assert view.session == Session(agent="shell", session_id="s-1")
    assert (view.trouble, view.spent_day, view.spent_usd) == ("429, again in 5 s", "2025-10-09", 0.75)


async def test_usage_is_summed_by_day_bot_and_model_and_counted_once(store: Store) -> None:
    await committed(store, scenes.turn_started("A", "m", 1), used(2, 0.5), used(3, None), used(4, 0.25, model="m2"))
    await store.commit([used(4, 0.25, model="m2")])  # a frame that came twice
    rows = await store.costs(since_day="2025-10-09")
    assert rows[0] == Cost(
        day="2025-10-09",
        bot_id="A",
        model="m1",
        input_tokens=200,
        output_tokens=20,
        cache_read_tokens=2,
        cache_write_tokens=4,
        cost_usd=0.5,
        unpriced=1,
    )
    assert [(row.model, row.cost_usd) for row in rows] == [("m1", 0.5), ("m2", 0.25)]
    assert report(rows)["total"]["cost_usd"] == 0.75
    assert await store.costs(since_day="2025-10-10") == []
    assert await store.costs(since_day="2025-10-09", bot_id="B") == []


async def test_a_message_is_found_with_its_answer_and_what_it_was_sent_for(store: Store) -> None:
    await committed(store, scenes.turn_started("A", "m", 1), scenes.output("A", "m", "tea", 2))
    turn = await store.turn("m")
    assert turn is not None
    assert (turn.answer, turn.task_id, turn.letter_id) == ("tea", "", "")
    assert await store.turn("nobody's") is None
