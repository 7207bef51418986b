"""Whether a bot can take a letter, what it is told, and what the end of a hand-over means: decisions as a table."""

from dataclasses import replace

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.letters.delivery import (
    Carried,
    Obstacle,
    about,
    begun,
    ended,
    expired,
    failed,
    handed,
    obstacle,
    resumed,
    returned,
    told,
)
from deia_tui.core.letters.letter import LetterPolicy, message_of
from deia_tui.core.state import BotView, Pause
from deia_tui.core.turns import Failure

from .samples import AHEAD, NOW, letter

POLICY = LetterPolicy()


RUNNING = BotView(bot_id="B", spec=BotSpec(bot_id="B", agent=AgentSpec(name="a", kind="acp", provider="p")))
RUNNING = replace(RUNNING, state=BotState.RUNNING)


@pytest.mark.parametrize(
    ("bot", "pauses", "expected"),
    [
        (RUNNING, {}, None),
        (replace(RUNNING, state=BotState.STOPPED), {}, Obstacle("B is stopped")),
        (replace(RUNNING, paused=True), {}, Obstacle("B is paused")),
        (replace(RUNNING, breaker=Phase.OPEN, retry_at=NOW + 3), {}, Obstacle("B recovers", NOW + 3)),
        (replace(RUNNING, breaker=Phase.OPEN, retry_at=NOW), {}, None),
        (
            replace(RUNNING, breaker=Phase.OPEN, breaker_reason="logged out."),
            {},
            Obstacle("logged out: restart it once that is mended"),
        ),
        (RUNNING, {"p": Pause(since=NOW, until=NOW + 9, reason="")}, Obstacle("p paused", NOW + 9)),
        (RUNNING, {"p": Pause(since=NOW, until=NOW, reason="")}, None),
    ],
)
def test_what_keeps_a_letter_from_a_bot(bot: BotView, pauses: dict[str, Pause], expected: Obstacle | None) -> None:
    assert obstacle(bot, pauses, NOW) == expected


def turn(status: str, failure: Failure | None = None) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=NOW,
        bot_id="B",
        run=1,
        message_id="l3.1",
        status=status,  # type: ignore[arg-type]
        error="why",
        duration_s=0.0,
        failure=failure,
    )


def back(counted: bool, wait_s: float) -> ev.LetterReturned:
    until = NOW + wait_s
    return ev.LetterReturned(at=NOW, **about(AHEAD), attempt=1, reason="why", counted=counted, not_before=until)


@pytest.mark.parametrize(
    ("status", "failure", "crashed", "expected"),
    [
        ("answered", None, False, begun(AHEAD, NOW)),
        ("failed", Failure.REQUEST, False, ev.LetterFailed(at=NOW, **about(AHEAD), reason="why")),
        ("failed", Failure.ERROR, False, back(True, 5.0)),
        ("failed", Failure.BUDGET, False, back(False, 5.0)),
        ("interrupted", None, False, back(False, 0.0)),
        ("interrupted", None, True, back(True, 5.0)),
    ],
)
def test_what_the_end_of_a_hand_over_means(
    status: str, failure: Failure | None, crashed: bool, expected: ev.LetterEvent
) -> None:
    assert ended(AHEAD, turn(status, failure), crashed=crashed, policy=POLICY) == expected


def test_after_one_try_and_three_more_it_has_failed() -> None:
    last = replace(AHEAD, tries=4, attempt=7)
    gone = ended(last, turn("interrupted"), crashed=True, policy=POLICY)
    assert gone == ev.LetterFailed(at=NOW, **about(last), reason="given up after 4 tries: why")
    assert isinstance(ended(last, turn("interrupted"), crashed=False, policy=POLICY), ev.LetterReturned)


TAKEN = ev.LetterDelivered(at=NOW + 1, **about(AHEAD), attempt=1)


@pytest.mark.parametrize(
    ("carried", "expected"),
    [
        (None, [returned(AHEAD, NOW, "nobody knows what became of it")]),
        (Carried(taken_at=None, begun_at=None, is_over=False, end=None), []),
        (Carried(taken_at=NOW + 1, begun_at=None, is_over=False, end=None), [TAKEN]),
        (
            Carried(taken_at=NOW + 1, begun_at=NOW + 2, is_over=True, end=turn("failed")),
            [TAKEN, begun(AHEAD, NOW + 2), back(True, 5.0)],
        ),
        (Carried(taken_at=NOW + 1, begun_at=None, is_over=True, end=turn("interrupted")), [TAKEN, back(False, 0.0)]),
        (
            Carried(taken_at=NOW + 1, begun_at=None, is_over=True, end=None),
            [returned(AHEAD, NOW, "nobody knows what became of it")],
        ),
    ],
)
def test_what_happened_while_nobody_listened_is_told_afterwards(
    carried: Carried | None, expected: list[ev.LetterEvent]
) -> None:
    """What comes too late, as a return after it was read, changes nothing: see fold_letter."""
    assert list(resumed(AHEAD, carried, at=NOW, policy=POLICY)) == expected


def test_the_steps_of_a_letter_name_it() -> None:
    step = handed(replace(AHEAD, message_id="", attempt=1), NOW)
    assert (step.attempt, step.message_id) == (2, message_of("l3", 2))
    assert (failed(AHEAD, NOW, "no").reason, expired(AHEAD, NOW).letter_id) == ("no", "l3")


def test_an_agent_is_told_who_writes_and_how_to_answer() -> None:
    text = told(letter(1, priority=1, reply_to="l0"), "acp", writer_is_bot=True)
    assert text.startswith("Message l1 from A (P1), in answer to your message l0:\n\nhi\n\n---\n")
    assert "deia-tui msg reply l1 'your answer'" in text
    assert told(letter(1), "claude", writer_is_bot=False) == "Message l1 from A (P2):\n\nhi"
    assert told(letter(1), "shell", writer_is_bot=True) == "hi", "its message is a command line"
