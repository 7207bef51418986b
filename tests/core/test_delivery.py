"""Which letter goes next, and what the end of a hand-over means: decisions as a table."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.delivery import HandOver, Obstacle, Post, TakeBack, about, begun, ended, obstacle, taken, told
from deia_tui.core.letters import Letter, LetterPolicy, LetterState
from deia_tui.core.state import BotView, Pause
from deia_tui.core.turns import Failure

NOW = 1_760_000_000.0
POLICY = LetterPolicy()


def letter(number: int, **changes: object) -> Letter:
    """The greater its number, the younger it is."""
    plain = Letter(
        letter_id=f"l{number}",
        from_bot="A",
        to_bot="B",
        text="hi",
        sent_at=NOW - 100 + number,
        since=NOW - 100 + number,
        expires_at=NOW + 1000,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def step(letters: Iterable[Letter], *, strained: bool = False, can_take: bool = True) -> object:
    return Post(letters).next_step("B", NOW, strained=strained, can_take=can_take)


AHEAD = letter(3, attempt=1, tries=1, message_id="l3.1")
WITH_BOT = replace(AHEAD, state=LetterState.DELIVERED)


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
    handed = {"from_bot": "A", "to_bot": "B", "priority": 2, "letter_id": "l1"}
    post.fold(ev.LetterExpired(at=NOW, **handed))
    assert post.recipients() == []
    post.fold(sent)
    assert (post.recipients(), post.depth("B"), post.sent_by("A"), post.sent_by("B")) == (["B"], 1, 1, 0)
    assert post.next_at(NOW) == NOW + 9
    post.fold(ev.LetterHanded(at=NOW, **handed, attempt=1, message_id="l1.1"))
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


def test_an_agent_is_told_who_writes_and_how_to_answer() -> None:
    text = told(letter(1, priority=1, reply_to="l0"), "acp", writer_is_bot=True)
    assert text.startswith("Message l1 from A (P1), in answer to your message l0:\n\nhi\n\n---\n")
    assert "deia-tui msg reply l1 'your answer'" in text
    assert told(letter(1), "claude", writer_is_bot=False) == "Message l1 from A (P2):\n\nhi"
    assert told(letter(1), "shell", writer_is_bot=True) == "hi", "its message is a command line"
