"""Decides which letter goes next to which bot, whether that bot can take one, and what became of a letter when the
message that carried it was taken, begun or ended. Knows no clock and sends nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.holds import hold_of
from deia_tui.core.letters import Letter, LetterPolicy, LetterState, fold_letter, message_of
from deia_tui.core.risk import ASKS_ITSELF
from deia_tui.core.state import BotView, Pause
from deia_tui.core.tasks import LOW
from deia_tui.core.turns import Failure

_UNCOUNTED = (Failure.AUTHENTICATION, Failure.BUDGET, Failure.OVERLOAD)
"""What says something about the bot or its provider, and nothing about the letter."""


@dataclass(frozen=True, slots=True)
class HandOver:
    letter: Letter


@dataclass(frozen=True, slots=True)
class TakeBack:
    """It was handed over and its bot's process does not have it yet."""

    letter: Letter


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


class Post:
    """The letters that are open, by recipient. Changes only by what was committed."""

    def __init__(self, letters: Iterable[Letter] = ()) -> None:
        self._bags: dict[str, dict[str, Letter]] = {}
        self._to: dict[str, str] = {}
        self._carried: dict[str, str] = {}
        self._beyond: set[str] = set()
        """Messages that nobody can take back any more."""
        for letter in letters:
            self._put(letter)

    def __iter__(self) -> Iterator[Letter]:
        return (letter for bag in self._bags.values() for letter in bag.values())

    def fold(self, event: ev.LetterEvent) -> None:
        """What is committed."""
        former = self.find(event.letter_id)
        letter = fold_letter(former, event)
        if former is not None:
            self._drop(former)
        if letter is not None and letter.state in (LetterState.PENDING, LetterState.DELIVERED):
            self._put(letter)

    def find(self, letter_id: str) -> Letter | None:
        """None for one that is not open."""
        return self._bags.get(self._to.get(letter_id, ""), {}).get(letter_id)

    def carried_by(self, message_id: str) -> Letter | None:
        """The letter that this message brings to its bot."""
        return self.find(self._carried.get(message_id, ""))

    def keep(self, letter: Letter) -> None:
        """Its bot's process has the message that carries it: it cannot be taken back."""
        self._beyond.add(letter.message_id)

    def free(self, bot_id: str) -> None:
        """Its bot's process is gone: what it had not accepted waits in line again."""
        self._beyond.difference_update(letter.message_id for letter in self._bags.get(bot_id, {}).values())

    def pending(self) -> Iterator[Letter]:
        return filter(_is_pending, self)

    def recipients(self) -> list[str]:
        """Who has letters that are open."""
        return list(self._bags)

    def depth(self, bot_id: str) -> int:
        """How many wait for this bot."""
        return sum(map(_is_pending, self._bags.get(bot_id, {}).values()))

    def sent_by(self, sender: str) -> int:
        """How many of this sender's letters wait."""
        return sum(letter.from_bot == sender for letter in self.pending())

    def next_step(self, bot_id: str, now: float, *, strained: bool, can_take: bool) -> HandOver | TakeBack | None:
        """One letter at a time is ahead of a bot, the most urgent and of those the oldest.

        1. One that its bot's process has stays there: nothing is done before it was read.
        2. One that waits in line goes back when its time is over, when it must wait because the hive is `strained`, or
           when one that is more urgent has come.
        3. Otherwise the next that is due goes, if the bot can take one.
        """
        bag = self._bags.get(bot_id, {}).values()
        ahead = next((letter for letter in bag if letter.message_id), None)
        due = min((one for one in bag if _is_due(one, now, strained=strained)), key=_urgency, default=None)
        if ahead is None:
            return HandOver(due) if due is not None and can_take else None
        if ahead.state is LetterState.DELIVERED or ahead.message_id in self._beyond:
            return None
        overtaken = due is not None and due.priority < ahead.priority
        return TakeBack(ahead) if ahead.expires_at <= now or _must_wait(ahead, strained) or overtaken else None

    def expired(self, now: float) -> list[Letter]:
        """Those that wait with us and whose time is over."""
        return [letter for letter in self.pending() if not letter.message_id and letter.expires_at <= now]

    def next_at(self, now: float) -> float | None:
        """When a letter expires or may be tried again; None for never."""
        times = (
            at
            for letter in self.pending()
            if letter.message_id not in self._beyond
            for at in ((letter.expires_at,) if letter.not_before <= now else (letter.expires_at, letter.not_before))
        )
        return min(times, default=None)

    def _put(self, letter: Letter) -> None:
        self._bags.setdefault(letter.to_bot, {})[letter.letter_id] = letter
        self._to[letter.letter_id] = letter.to_bot
        if letter.message_id:
            self._carried[letter.message_id] = letter.letter_id

    def _drop(self, letter: Letter) -> None:
        bag = self._bags[letter.to_bot]
        del bag[letter.letter_id], self._to[letter.letter_id]
        if not bag:
            del self._bags[letter.to_bot]
        self._carried.pop(letter.message_id, None)
        self._beyond.discard(letter.message_id)


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
            counted = failure not in _UNCOUNTED
        case _:
            counted = crashed
    if counted and letter.tries >= policy.max_tries:
        return failed(letter, turn.at, f"given up after {letter.tries} tries: {turn.error}")
    wait_s = policy.delay_s(letter.tries) if counted or turn.status == "failed" else 0.0
    return returned(letter, turn.at, turn.error, counted=counted, not_before=turn.at + wait_s)


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


def _is_pending(letter: Letter) -> bool:
    return letter.state is LetterState.PENDING


def _is_due(letter: Letter, now: float, *, strained: bool) -> bool:
    waits = _is_pending(letter) and not letter.message_id and letter.not_before <= now < letter.expires_at
    return waits and not _must_wait(letter, strained)


def _must_wait(letter: Letter, strained: bool) -> bool:
    return strained and letter.priority >= LOW


def _urgency(letter: Letter) -> tuple[int, float, str]:
    return letter.priority, letter.sent_at, letter.letter_id
