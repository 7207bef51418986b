"""Messages between bots, called letters here, since "message" is what a bot's agent is given: what one is, and how it
moves.

    pending ─▶ delivered ─▶ read          pending ─▶ expired, when its time is over
       ▲           │  └───▶ failed, when every try failed
       └───────────┘ its bot ended before it was read
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from deia_tui.core import events as ev
from deia_tui.core.work.tasks import NORMAL

TTL_S = 3600.0
LONGEST_TTL_S = 604_800.0
MAX_TEXT = 65_536
"""Bytes of a letter: what is longer belongs into a file that both bots can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPolicy:
    """A letter that could not be handed over within `ttl_s` expires; one that did not get through is tried `max_tries`
    times in all, after `backoff_base_s` doubling up to `backoff_max_s`.

    A bot may have `unread_sent` letters that wait for others, then it must wait itself. So many waiting in all, or for
    one bot, are an alert: `warn_depth`, `critical_depth`. An expired letter is removed after `keep_expired_h` hours.
    """

    ttl_s: float = TTL_S
    max_tries: int = 4
    backoff_base_s: float = 5.0
    backoff_max_s: float = 300.0
    unread_sent: int = 20
    warn_depth: int = 100
    critical_depth: int = 500
    keep_expired_h: float = 24.0


class LetterState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    """The bot has it; its agent may not have seen it yet."""
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"


def message_of(letter_id: str, attempt: int) -> str:
    """The id of the message by which a bot is given it."""
    return f"{_CARRIER}{letter_id}.{attempt}"


def carries_letter(message_id: str) -> bool:
    """Is it that of a message that brings a letter?"""
    return message_id.startswith(_CARRIER)


_CARRIER = "letter:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Times are unix seconds. `from_bot` is a bot or a human's name, `to_bot` a bot. `reply_to` is the letter it
    answers. `attempt` counts hand-overs, `tries` those that are held against it; `not_before` is when the next may be.
    """

    letter_id: str
    from_bot: str
    to_bot: str
    text: str
    priority: int = NORMAL
    reply_to: str = ""
    sent_at: float
    expires_at: float
    state: LetterState = LetterState.PENDING
    since: float
    attempt: int = 0
    tries: int = 0
    not_before: float = 0.0
    message_id: str = ""
    error: str = ""


def fold_letter(letter: Letter | None, event: ev.LetterEvent) -> Letter | None:
    """The letter after an event of its own; the very object it was when the event is stale and changes nothing."""
    if letter is None:
        return _sent(event) if isinstance(event, ev.LetterSent) else None
    match event:
        case ev.LetterHanded() if letter.state is LetterState.PENDING and event.attempt == letter.attempt + 1:
            return replace(
                letter, attempt=event.attempt, tries=letter.tries + 1, message_id=event.message_id, since=event.at
            )
        case ev.LetterDelivered() if letter.state is LetterState.PENDING and event.attempt == letter.attempt:
            return replace(letter, state=LetterState.DELIVERED, since=event.at)
        case ev.LetterRead() if letter.state in (LetterState.PENDING, LetterState.DELIVERED):
            return replace(letter, state=LetterState.READ, since=event.at)
        case ev.LetterReturned() if letter.state in _OPEN and event.attempt == letter.attempt:
            tries = letter.tries - (not event.counted)
            back = replace(letter, state=LetterState.PENDING, since=event.at, tries=tries, error=event.reason)
            return replace(back, not_before=event.not_before, message_id="")
        case ev.LetterFailed() if letter.state in _OPEN:
            return replace(letter, state=LetterState.FAILED, since=event.at, error=event.reason)
        case ev.LetterExpired() if letter.state is LetterState.PENDING:
            return replace(letter, state=LetterState.EXPIRED, since=event.at)
        case _:
            return letter


_OPEN = frozenset({LetterState.PENDING, LetterState.DELIVERED})


def _sent(event: ev.LetterSent) -> Letter:
    return Letter(
        letter_id=event.letter_id,
        from_bot=event.from_bot,
        to_bot=event.to_bot,
        text=event.text,
        priority=event.priority,
        reply_to=event.reply_to,
        sent_at=event.at,
        expires_at=event.expires_at,
        since=event.at,
    )
