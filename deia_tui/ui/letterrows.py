"""How messages between bots look: as rows of a list, as inboxes with counts, and as the conversation of two. Pure."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.core.state import first_line
from deia_tui.core.text import clean, clean_lines
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.wrapping import cut, wrap, wrap_spans

_STATE = 12
UNREAD = frozenset({LetterState.PENDING, LetterState.DELIVERED})


@dataclass(frozen=True, slots=True)
class Look:
    """A state as glyph and word."""

    glyph: str
    word: str
    ink: Ink
    text: Ink = Ink.TEXT


def look(letter: Letter, glyphs: Glyphs) -> Look:
    match letter.state:
        case LetterState.PENDING if letter.tries and letter.error:
            return Look(glyphs.backoff, "retries", Ink.WARN)
        case LetterState.PENDING:
            return Look(glyphs.idle, "pending", Ink.NEWS)
        case LetterState.DELIVERED:
            return Look(glyphs.starting, "delivered", Ink.GOOD)
        case LetterState.READ:
            return Look(glyphs.cleared, "read", Ink.DIM, Ink.DIM)
        case LetterState.FAILED:
            return Look(glyphs.fatal, "failed", Ink.BAD)
        case LetterState.EXPIRED:
            return Look(glyphs.off, "expired", Ink.FAINT, Ink.FAINT)


def row(letter: Letter, width: int, ids: int, glyphs: Glyphs, *, marked: bool) -> Spans:
    """Time, state, priority, from whom to whom, and the first line, in `width` cells; `ids` are for one name."""
    seen = look(letter, glyphs)
    at = time.strftime("%H:%M", time.localtime(letter.sent_at))
    left = width - 7 - _STATE - 4 - 2 * ids - 5
    who = f"{cut(clean(letter.from_bot), ids)} → {cut(clean(letter.to_bot), ids)}  "
    return (
        (f"{glyphs.mark if marked else ' '}{at} ", Ink.NEWS if marked else Ink.FAINT),
        (f"{seen.glyph} {seen.word}".ljust(_STATE), seen.ink),
        (f"P{letter.priority}  ", Ink.NEWS if letter.priority == 0 else Ink.DIM),
        (who, Ink.STRONG if letter.state in UNREAD else Ink.DIM),
        (cut(clean(first_line(letter.text)), max(0, left)), seen.text),
    )


def headings(ids: int) -> Spans:
    names = f"{'FROM'.ljust(ids)}   {'TO'.ljust(ids)}"
    return ((f" SENT  {'STATE'.ljust(_STATE)}PRI {names}  TEXT", Ink.FAINT),)


@dataclass(slots=True)
class Counts:
    """Of the messages to one bot: not read yet, and such as never were."""

    all: int = 0
    unread: int = 0
    lost: int = 0


def count(letters: Iterable[Letter], bots: Iterable[str]) -> dict[str, Counts]:
    """The inboxes of all bots, and of those that letters are for; those with something unread first."""
    counts = {bot_id: Counts() for bot_id in bots}
    for letter in letters:
        inbox = counts.setdefault(letter.to_bot, Counts())
        inbox.all += 1
        inbox.unread += letter.state in UNREAD
        inbox.lost += letter.state in (LetterState.FAILED, LetterState.EXPIRED)
    return dict(
        sorted(counts.items(), key=lambda entry: (-entry[1].unread, -entry[1].lost, not entry[1].all, entry[0]))
    )


def inbox_row(name: str, counts: Counts, width: int, glyphs: Glyphs) -> Spans:
    unread = f"{glyphs.idle} {counts.unread} unread" if counts.unread else ""
    lost = f"{glyphs.fatal} {counts.lost} lost" if counts.lost else ""
    ink = Ink.STRONG if counts.unread else Ink.TEXT if counts.all else Ink.FAINT
    return (
        (f" {cut(clean(name), max(4, min(16, width - 30)))}  ", ink),
        (f"{counts.all:5,}   ", Ink.DIM),
        (unread.ljust(13), Ink.NEWS),
        (lost, Ink.BAD),
    )


def conversation(letters: Sequence[Letter], width: int, glyphs: Glyphs) -> tuple[list[Spans], dict[str, range]]:
    """Letters (oldest first) as lines, and which of them belong to which."""
    lines: list[Spans] = []
    places: dict[str, range] = {}
    for letter in letters:
        start = len(lines)
        lines += [*_letter(letter, width, glyphs), ()]
        places[letter.letter_id] = range(start, len(lines) - 1)
    return lines[:-1], places


def _letter(letter: Letter, width: int, glyphs: Glyphs) -> list[Spans]:
    seen = look(letter, glyphs)
    at = time.strftime("%H:%M:%S", time.localtime(letter.sent_at))
    answers = f"  answers {clean(letter.reply_to)}" if letter.reply_to else ""
    when = time.strftime(" %H:%M:%S", time.localtime(letter.since)) if letter.state is not LetterState.PENDING else ""
    head: Spans = (
        (f"{clean(letter.from_bot)} → {clean(letter.to_bot)}  ", Ink.BOT),
        (f"{at}  P{letter.priority}  ", Ink.FAINT),
        (f"{seen.glyph} {seen.word}{when}", seen.ink),
        (answers, Ink.FAINT),
    )
    lines = wrap_spans(head, width)
    lines += [((line, Ink.TEXT),) for line in wrap(clean_lines(letter.text).strip("\n"), width)]
    if letter.error and letter.state in (LetterState.PENDING, LetterState.FAILED):
        lines += [((line, seen.ink),) for line in wrap(clean(letter.error), width)]
    return lines
