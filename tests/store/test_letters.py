"""What the messenger asks of the store: what is unread, how many there are, what became of what carried them."""

from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.letters.delivery import Carried, expired
from deia_tui.core.letters.letter import LetterState, message_of
from deia_tui.core.letters.post import Post
from deia_tui.store.store import Store

from . import scenes, tasks

AT = tasks.AT


async def test_what_a_bot_has_not_read_stands_in_the_order_in_which_it_gets_it(store: Store) -> None:
    old, urgent, young = tasks.sent("l1"), replace(tasks.sent("l2", at=AT + 2), priority=0), tasks.sent("l3", at=AT + 3)
    others, seen = tasks.sent("l4", "B", "A"), tasks.sent("l5")
    await store.commit([young, old, urgent, others, seen, tasks.read("l5")])
    taken = ev.LetterHanded(
        at=AT, letter_id="l3", from_bot="A", to_bot="B", priority=2, attempt=1, message_id=message_of("l3", 1)
    )
    await store.commit(
        [taken, ev.LetterDelivered(at=AT, letter_id="l3", from_bot="A", to_bot="B", priority=2, attempt=1)]
    )
    assert [letter.letter_id for letter in await store.unread_letters("B")] == ["l3", "l2", "l1"]
    assert [letter.letter_id for letter in await store.unread_letters("B", limit=1)] == ["l3"]
    assert [letter.letter_id for letter in await store.unread_letters("B", ageing_s=0.1)] == ["l3", "l1", "l2"]
    assert await store.letter_counts() == {
        LetterState.PENDING: 3,
        LetterState.DELIVERED: 1,
        LetterState.READ: 1,
        LetterState.FAILED: 0,
        LetterState.EXPIRED: 0,
    }
    open_letters = Post((await store.open_work()).letters)
    assert {letter.letter_id for letter in open_letters} == {"l1", "l2", "l3", "l4"}


async def test_how_far_a_message_came_is_known_from_its_events(store: Store) -> None:
    await store.commit([*scenes.started("B"), *(scenes.asked("B", name) for name in ("waits", "had", "read", "cut"))])
    await store.commit([scenes.accepted("B", name, 1 + number) for number, name in enumerate(("had", "read", "cut"))])
    began, end = scenes.turn_started("B", "read", 5), scenes.turn_ended("B", "read", 6)
    cut = replace(scenes.turn_ended("B", "cut", 7), status="interrupted", error="the bot ended")
    await store.commit([began, end, cut])
    found = await store.carried(["waits", "had", "read", "cut", "gone"])
    at = scenes.accepted("B", "had", 1).at
    assert found == {
        "waits": Carried(taken_at=None, begun_at=None, is_over=False, end=None),
        "had": Carried(taken_at=at, begun_at=None, is_over=False, end=None),
        "read": Carried(taken_at=at, begun_at=began.at, is_over=True, end=end),
        "cut": Carried(taken_at=at, begun_at=None, is_over=True, end=cut),
    }


async def test_only_what_expired_long_ago_goes(store: Store) -> None:
    await store.commit([tasks.sent(f"l{number}") for number in range(4)])
    late = {letter.letter_id: letter for letter in await store.letters()}
    await store.commit([expired(late["l0"], AT + 10), expired(late["l1"], AT + 20), tasks.read("l2", at=AT + 5)])
    assert await store.drop_expired_letters(AT + 15) == 1
    assert {letter.letter_id for letter in await store.letters()} == {"l1", "l2", "l3"}
    assert await store.drop_expired_letters(AT + 15) == 0
