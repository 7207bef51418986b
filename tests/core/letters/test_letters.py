"""How a letter moves: every step once, and that stale ones change nothing."""

import pytest

from deia_tui.core import events as ev
from deia_tui.core.letters.delivery import about, begun, returned, taken
from deia_tui.core.letters.letter import Letter, LetterState, carries_letter, fold_letter, message_of

AT = 1_760_000_000.0
SENT = ev.LetterSent(
    at=AT, letter_id="l1", from_bot="A", to_bot="B", text="hi", priority=1, expires_at=AT + 60, reply_to="l0"
)


def fold(letter: Letter | None, event: ev.LetterEvent) -> Letter:
    after = fold_letter(letter, event)
    assert after is not None
    return after


def handed(letter: Letter, attempt: int | None = None) -> ev.LetterHanded:
    number = letter.attempt + 1 if attempt is None else attempt
    return ev.LetterHanded(at=AT + 1, **about(letter), attempt=number, message_id=f"l1.{number}")


@pytest.fixture
def letter() -> Letter:
    return fold(None, SENT)


def test_a_letter_waits_until_it_is_handed_over_taken_and_read(letter: Letter) -> None:
    assert (letter.state, letter.since, letter.reply_to, letter.text) == (LetterState.PENDING, AT, "l0", "hi")
    with_keeper = fold(letter, handed(letter))
    assert (with_keeper.state, with_keeper.attempt, with_keeper.tries) == (LetterState.PENDING, 1, 1)
    assert with_keeper.message_id == "l1.1"
    with_bot = fold(with_keeper, taken(with_keeper, AT + 2))
    assert with_bot.state is LetterState.DELIVERED
    read = fold(with_bot, begun(with_bot, AT + 3))
    assert (read.state, read.since) == (LetterState.READ, AT + 3)


def test_what_is_told_of_a_former_hand_over_changes_nothing(letter: Letter) -> None:
    first = fold(letter, handed(letter))
    back = fold(first, returned(first, AT + 2, "crashed", counted=True, not_before=AT + 7))
    assert (back.state, back.tries, back.error, back.not_before) == (LetterState.PENDING, 1, "crashed", AT + 7)
    assert back.message_id == ""
    second = fold(back, handed(back))
    assert second.attempt == 2
    for stale in (handed(first, 2), taken(first, AT + 3), returned(first, AT + 3, "again")):
        assert fold_letter(second, stale) is second, stale


def test_a_hand_over_that_says_nothing_against_it_is_given_back(letter: Letter) -> None:
    first = fold(letter, handed(letter))
    assert fold(first, returned(first, AT + 2, "stopped")).tries == 0


def test_what_has_ended_stays_as_it_is(letter: Letter) -> None:
    ends = (
        begun(letter, AT + 9, "human"),
        ev.LetterFailed(at=AT + 9, **about(letter), reason="no"),
        ev.LetterExpired(at=AT + 9, **about(letter)),
    )
    for end in ends:
        ended = fold(letter, end)
        for more in (SENT, *ends, handed(letter), returned(letter, AT + 9, "no")):
            assert fold_letter(ended, more) is ended, (end, more)


def test_one_that_its_bot_has_does_not_expire(letter: Letter) -> None:
    with_keeper = fold(letter, handed(letter))
    with_bot = fold(with_keeper, taken(with_keeper, AT + 2))
    assert fold_letter(with_bot, ev.LetterExpired(at=AT + 9, **about(letter))) is with_bot


def test_what_concerns_no_known_letter_is_nothing(letter: Letter) -> None:
    assert fold_letter(None, handed(letter)) is None


def test_a_message_that_carries_a_letter_is_known_by_its_id() -> None:
    assert carries_letter(message_of("l1", 2))
    assert message_of("l1", 2) != message_of("l1", 1)
    assert not carries_letter("l1.2")
