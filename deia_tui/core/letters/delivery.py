"""Decides whether a bot can take a letter, what its agent is told with it, and what became of the letter when the
message that carried it was taken, begun or ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.backoff import backoff_s
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.failures import OF_THE_AGENT
from deia_tui.core.holds import hold_of
from deia_tui.core.letters.letter import Letter, LetterPolicy, message_of
from deia_tui.core.risk import ASKS_ITSELF
from deia_tui.core.state import BotView, Pause
from deia_tui.core.turns import Failure


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a bot is given no letter now; `until` is when that ends by itself (unix seconds), None when an event will
    tell."""

    text: str
    until: float | None = None


def obstacle(bot: BotView, pauses: Mapping[str, Pause], now: float) -> Obstacle | None:
    """What keeps a letter from this bot: it waits where nothing is lost, with us."""
    if bot.state is not BotState.RUNNING:
        return Obstacle(f"{bot.bot_id} is {bot.state}")
    if bot.paused:
        return Obstacle(f"{bot.bot_id} is paused")
    if bot.breaker is Phase.OPEN and bot.retry_at is not None and bot.retry_at > now:
        return Obstacle(f"{bot.bot_id} recovers", bot.retry_at)
    hold = hold_of(bot, pauses, now)
    if hold is None or (hold.until is not None and hold.until <= now):
        return None
    return Obstacle(hold.text, hold.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How far the message came that carried a letter: its bot's process has it (`taken_at`), its turn began
    (`begun_at`), it is over. `end` is None as well when that is so long ago that nobody remembers."""

    taken_at: float | None
    begun_at: float | None
    is_over: bool
    end: ev.TurnEnded | None


def about(letter: Letter) -> dict[str, Any]:
    """What every event of a letter tells of it."""
    return {
        "letter_id": letter.letter_id,
        "from_bot": letter.from_bot,
        "to_bot": letter.to_bot,
        "priority": letter.priority,
    }


def handed(letter: Letter, at: float) -> ev.LetterHanded:
    """Its next attempt begins."""
    attempt = letter.attempt + 1
    message_id = message_of(letter.letter_id, attempt)
    return ev.LetterHanded(at=at, **about(letter), attempt=attempt, message_id=message_id)


def taken(letter: Letter, at: float) -> ev.LetterDelivered:
    """The bot's process has the message that carries it."""
    return ev.LetterDelivered(at=at, **about(letter), attempt=letter.attempt)


def begun(letter: Letter, at: float, by: str = "") -> ev.LetterRead:
    """The bot's agent was given it, or `by` has marked it as read."""
    return ev.LetterRead(at=at, **about(letter), by=by)


def ended(letter: Letter, turn: ev.TurnEnded, *, crashed: bool, policy: LetterPolicy) -> ev.LetterEvent:
    """What the end of the message that carried it means, if its turn never began; had it begun, the letter was read,
    and this changes nothing any more. `crashed`: the bot's process ended and nobody wanted that."""
    match turn.status, turn.failure:
        case "answered", _:
            return begun(letter, turn.at)
        case "failed", Failure.REQUEST:
            return failed(letter, turn.at, turn.error)
        case "failed", failure:
            counted = failure not in OF_THE_AGENT
        case _:
            counted = crashed
    if counted and letter.tries >= policy.max_tries:
        return failed(letter, turn.at, f"given up after {letter.tries} tries: {turn.error}")
    rests = counted or turn.status == "failed"
    rest_s = backoff_s(letter.tries, base_s=policy.backoff_base_s, max_s=policy.backoff_max_s) if rests else 0.0
    return returned(letter, turn.at, turn.error, counted=counted, not_before=turn.at + rest_s)


def resumed(letter: Letter, carried: Carried | None, *, at: float, policy: LetterPolicy) -> Iterator[ev.LetterEvent]:
    """What is to be said of one that was handed over, from what is known of the message that carried it."""
    if carried is None or (carried.is_over and carried.end is None):
        yield returned(letter, at, "nobody knows what became of it")
        return
    if carried.taken_at is not None:
        yield taken(letter, carried.taken_at)
    if carried.begun_at is not None:
        yield begun(letter, carried.begun_at)
    if carried.end is not None:
        yield ended(letter, carried.end, crashed=False, policy=policy)


def failed(letter: Letter, at: float, reason: str) -> ev.LetterFailed:
    """It is not tried again."""
    return ev.LetterFailed(at=at, **about(letter), reason=reason)


def expired(letter: Letter, at: float) -> ev.LetterExpired:
    """Its time is over."""
    return ev.LetterExpired(at=at, **about(letter))


def returned(
    letter: Letter, at: float, reason: str, *, counted: bool = False, not_before: float = 0.0
) -> ev.LetterReturned:
    """It did not get through and waits again."""
    return ev.LetterReturned(
        at=at, **about(letter), attempt=letter.attempt, reason=reason, counted=counted, not_before=not_before
    )


def told(letter: Letter, kind: str, *, writer_is_bot: bool) -> str:
    """The text for an agent of this kind: who writes, and how to answer a bot. For a shell it is a command line."""
    if kind == ASKS_ITSELF:
        return letter.text
    answered = f", in answer to your message {letter.reply_to}" if letter.reply_to else ""
    head = f"Message {letter.letter_id} from {letter.from_bot} (P{letter.priority}){answered}:"
    how = (
        f"{letter.from_bot} is a bot and does not see what you say here. If it needs an answer, run: "
        f"deia-tui msg reply {letter.letter_id} 'your answer'\n"
        f"Any bot gets a message by: deia-tui msg send BOT-ID 'text'"
    )
    return f"{head}\n\n{letter.text}" + (f"\n\n---\n{how}" if writer_is_bot else "")
