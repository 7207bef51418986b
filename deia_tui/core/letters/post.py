"""The letters that are on their way, and which of them goes next to which bot. Knows no clock and sends nothing.

As tasks do, a letter that waits rises by one priority every `ageing_s`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.letters.letter import Letter, LetterState, fold_letter
from deia_tui.core.work.tasks import LOW


@dataclass(frozen=True, slots=True)
class HandOver:
    letter: Letter


@dataclass(frozen=True, slots=True)
class TakeBack:
    """It was handed over and its bot's process does not have it yet."""

    letter: Letter


class Post:
    """The letters that are open, by recipient. Changes only by what was committed."""

    def __init__(self, letters: Iterable[Letter] = (), *, ageing_s: float = 600.0) -> None:
        self._ageing_s = ageing_s
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
        """One letter at a time is ahead of a bot, the most urgent and of those the oldest, as they have risen by now.

        1. One that its bot's process has stays there: nothing is done before it was read.
        2. One that waits in line goes back when its time is over, when it must wait because the hive is `strained` and
           it has not risen yet, or when one that is more urgent has come.
        3. Otherwise the next that is due goes, if the bot can take one.
        """
        bag = self._bags.get(bot_id, {}).values()
        ahead = next((letter for letter in bag if letter.message_id), None)
        due = min((one for one in bag if self._is_due(one, now, strained)), key=self._urgency, default=None)
        if ahead is None:
            return HandOver(due) if due is not None and can_take else None
        if ahead.state is LetterState.DELIVERED or ahead.message_id in self._beyond:
            return None
        if ahead.expires_at <= now or self._must_wait(ahead, now, strained):
            return TakeBack(ahead)
        more_urgent = due is not None and due.priority < ahead.priority and self._urgency(due) < self._urgency(ahead)
        return TakeBack(ahead) if more_urgent else None

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

    def _is_due(self, letter: Letter, now: float, strained: bool) -> bool:
        waits = _is_pending(letter) and not letter.message_id and letter.not_before <= now < letter.expires_at
        return waits and not self._must_wait(letter, now, strained)

    def _must_wait(self, letter: Letter, now: float, strained: bool) -> bool:
        return strained and letter.priority >= LOW and now - letter.sent_at < self._ageing_s

    def _urgency(self, letter: Letter) -> tuple[float, str]:
        return letter.sent_at + self._ageing_s * letter.priority, letter.letter_id

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


def _is_pending(letter: Letter) -> bool:
    return letter.state is LetterState.PENDING
