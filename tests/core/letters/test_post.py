"""Which letter goes next to which bot: decisions as a table."""

from collections.abc import Iterable
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.letters.delivery import begun, taken
from deia_tui.core.letters.letter import Letter
from deia_tui.core.letters.post import HandOver, Post, TakeBack

from .samples import AHEAD, NOW, WITH_BOT, letter


def step(letters: Iterable[Letter], *, strained: bool = False, can_take: bool = True) -> object:
    return Post(letters).next_step("B", NOW, strained=strained, can_take=can_take)


def test_the_most_urgent_goes_first_and_of_those_the_oldest() -> None:
    one, two, urgent = letter(1), letter(2), letter(9, priority=0)
    assert step([two, one]) == HandOver(one)
    assert step([two, one, urgent]) == HandOver(urgent)
    assert step([]) is None
    assert step([letter(1, to_bot="C")]) is None


def test_nothing_goes_to_who_cannot_take_it() -> None:
    assert step([letter(1)], can_take=False) is None


def test_what_is_not_due_yet_or_not_any_more_lets_others_go() -> None:
    later, over = letter(1, not_before=NOW + 5), letter(2, expires_at=NOW)
    assert step([later, over, letter(3)]) == HandOver(letter(3))
    assert step([later, over]) is None
    assert Post([later, over]).expired(NOW) == [over]


def test_while_the_hive_is_strained_what_is_not_important_waits() -> None:
    low, normal = letter(1, priority=3), letter(2)
    assert step([low, normal]) == HandOver(normal)
    assert step([low], strained=True) is None
    assert step([low, normal], strained=True) == HandOver(normal)
    assert step([replace(AHEAD, priority=3)], strained=True) == TakeBack(replace(AHEAD, priority=3))


def test_a_letter_that_waits_rises_and_is_not_held_up_for_ever() -> None:
    old, urgent = letter(1, priority=3, sent_at=NOW - 1801), letter(9, priority=0, sent_at=NOW)
    assert step([old, urgent]) == HandOver(old)
    assert step([replace(old, sent_at=NOW - 1799), urgent]) == HandOver(urgent)
    risen = letter(1, priority=3, sent_at=NOW - 600)
    assert step([risen], strained=True) == HandOver(risen)
    assert step([replace(risen, sent_at=NOW - 599)], strained=True) is None
    ahead = replace(AHEAD, priority=3, sent_at=NOW - 1801)
    assert step([ahead, urgent], strained=True) is None, "it stays where it is"


def test_one_at_a_time_is_ahead_unless_a_more_urgent_one_comes() -> None:
    assert step([AHEAD, letter(1)]) is None
    assert step([AHEAD, letter(9, priority=0)]) == TakeBack(AHEAD)
    assert step([replace(AHEAD, expires_at=NOW)]) == TakeBack(replace(AHEAD, expires_at=NOW))
    assert step([WITH_BOT, letter(9, priority=0)]) is None


def test_what_cannot_be_taken_back_is_not_tried_again() -> None:
    over = replace(AHEAD, expires_at=NOW - 1)
    post = Post([over])
    assert post.next_at(NOW) == over.expires_at
    post.keep(over)
    assert post.next_step("B", NOW, strained=False, can_take=True) is None
    assert post.next_at(NOW) is None
    assert post.expired(NOW) == []
    post.free("C")
    assert post.next_at(NOW) is None
    post.free("B")
    assert post.next_step("B", NOW, strained=False, can_take=True) == TakeBack(over), "its process is gone"


def test_the_post_follows_what_was_committed() -> None:
    post = Post()
    sent = ev.LetterSent(at=NOW, letter_id="l1", from_bot="A", to_bot="B", text="", priority=2, expires_at=NOW + 9)
    of_it = {"from_bot": "A", "to_bot": "B", "priority": 2, "letter_id": "l1"}
    post.fold(ev.LetterExpired(at=NOW, **of_it))
    assert post.recipients() == []
    post.fold(sent)
    assert (post.recipients(), post.depth("B"), post.sent_by("A"), post.sent_by("B")) == (["B"], 1, 1, 0)
    assert post.next_at(NOW) == NOW + 9
    post.fold(ev.LetterHanded(at=NOW, **of_it, attempt=1, message_id="l1.1"))
    carried = post.carried_by("l1.1")
    assert carried is not None and carried.attempt == 1
    post.fold(taken(carried, NOW))
    assert (post.depth("B"), list(post.pending())) == (0, [])
    post.fold(begun(carried, NOW))
    assert post.find("l1") is post.carried_by("l1.1") is None
    assert post.recipients() == []


def test_the_next_time_to_look_is_a_retry_or_an_expiry() -> None:
    post = Post([letter(1, not_before=NOW + 5), letter(2)])
    assert post.next_at(NOW) == NOW + 5
    post.fold(begun(letter(1), NOW, "human"))
    assert post.next_at(NOW) == letter(2).expires_at
