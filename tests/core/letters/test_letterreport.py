from dataclasses import replace

from deia_tui.core.letters import report as letterreport
from deia_tui.core.letters.letter import Letter, LetterState

AT = 1_760_000_000.0
LETTER = Letter(letter_id="l1", from_bot="A", to_bot="B", text="hi", sent_at=AT, since=AT, expires_at=AT + 60)


def test_a_letter_as_it_is_printed() -> None:
    printed = letterreport.letter(replace(LETTER, reply_to="l0", not_before=AT + 5, tries=1, error="crashed"))
    assert (printed["message_id"], printed["state"], printed["priority"]) == ("l1", "pending", 2)
    assert (printed["reply_to"], printed["not_before"], printed["tries"]) == ("l0", AT + 5, 1)
    plain = letterreport.letter(LETTER)
    assert plain["reply_to"] is plain["not_before"] is None


def test_for_whom_letters_wait_and_for_how_long() -> None:
    waiting = [replace(LETTER, to_bot="C", sent_at=AT + 5), LETTER, replace(LETTER, to_bot="C")]
    assert letterreport.status({LetterState.PENDING: 3}, waiting, AT + 10) == {
        "counts": {"pending": 3, "delivered": 0, "read": 0, "failed": 0, "expired": 0},
        "pending_for": {"B": 1, "C": 2},
        "oldest_s": 10.0,
    }
    assert letterreport.status({}, [], AT)["oldest_s"] is None
