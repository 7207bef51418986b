from dataclasses import replace

import pytest

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise, settle
from deia_tui.core.letters.care import DEPTH, EXPIRED, FAILED, depths, losses
from deia_tui.core.letters.letter import LetterPolicy
from deia_tui.core.state import Alert, HiveState, fold

AT = 1_760_000_000.0
ABOUT = {"at": AT, "letter_id": "l1", "from_bot": "A", "to_bot": "B", "priority": 2}


def with_alert(kind: str, level: str = "warning") -> HiveState:
    open_alert = Alert(alert_id=1, bot_id=None, kind=kind, level=level, text="", action="", raised_at=AT)
    return HiveState(alerts=(open_alert,))


@pytest.mark.parametrize(
    ("known", "pending", "level"),
    [
        ("", 99, None),
        ("", 100, "warning"),
        ("", 500, "critical"),
        ("warning", 120, None),
        ("warning", 80, None),
        ("warning", 79, "over"),
        ("warning", 500, "critical"),
        ("critical", 400, None),
        ("critical", 399, "warning"),
        ("critical", 10, "over"),
    ],
)
def test_too_many_that_wait_are_told_once_and_do_not_flap(known: str, pending: int, level: str | None) -> None:
    state = with_alert(DEPTH, known) if known else HiveState()
    said = list(depths(state, pending, busiest="B", policy=LetterPolicy()))
    if level is None:
        assert said == []
    elif level == "over":
        assert said == [Clear(None, DEPTH, "fewer wait")]
    else:
        [alert] = said
        assert isinstance(alert, Raise) and (alert.level, alert.value) == (level, pending)
        assert alert.text == f"{pending} messages between bots wait, most of them for B"


def test_the_first_lost_letter_is_told_and_no_other_until_somebody_has_seen_to_it() -> None:
    failed, expired = ev.LetterFailed(**ABOUT, reason="no"), ev.LetterExpired(**ABOUT)
    [told] = losses(HiveState(), failed)
    assert (told.kind, told.level, told.text) == (FAILED, "warning", "a message from A to B failed: no")
    assert list(losses(with_alert(FAILED), failed)) == []
    [also] = losses(with_alert(FAILED), expired)
    assert (also.kind, also.level) == (EXPIRED, "info")
    state = with_alert(EXPIRED)
    for event in settle([Clear(None, EXPIRED, "seen")], state, next_id=2, at=AT):
        state = fold(state, event)
    assert [one.kind for one in losses(state, expired)] == [EXPIRED]
    assert list(losses(replace(state, alerts=()), ev.LetterRead(**ABOUT))) == []
