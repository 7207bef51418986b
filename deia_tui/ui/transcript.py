"""A conversation as lines: turns in order, each with what was said and done in it, every event counted once."""

import time
from collections.abc import Collection, Iterator, Sequence

from deia_tui.core import events as ev
from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.conversation import Leave, Omitted, Part, Parts, Plan, Text, Thought, Tool, Used, add, close
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.turns import Failure
from deia_tui.ui import markdown, parts
from deia_tui.ui.streamed import Streamed
from deia_tui.ui.theme import UNICODE, Glyphs, Ink, Spans
from deia_tui.ui.wrapping import wrap

_PROGRESS = {"queued": 0, "accepted": 1, "running": 2, "answered": 3, "failed": 3, "interrupted": 3}
_ENDED = 3
Foldable = int
"""The place of a part in its turn, counted from the first one there ever was."""


class Turn:
    """A message and its answer so far. `places` says which of the lines drawn last belong to what can be opened."""

    def __init__(self, turn: ChatTurn, *, formatted: bool = False, how_to_answer: str = "") -> None:
        """`formatted`: what is said is Markdown. `how_to_answer`: what answers a request where its keys do not."""
        self.message_id = turn.message_id
        self.original = turn.text
        self.sender = clean(turn.sender)
        self.text = clean_lines(turn.text)
        self.asked_at = turn.asked_at
        self.status = turn.status
        self.error = clean(turn.error)
        self.errand = clean(f"task {turn.task_id}" if turn.task_id else "a bot's message" if turn.letter_id else "")
        self.parts: Parts = turn.parts
        self.places: list[tuple[range, Foldable]] = []
        self.opened: set[Foldable] = set()
        self._failure = turn.failure
        self._stop_reason = turn.stop_reason
        self._took_s = turn.ended_at - turn.asked_at if turn.ended_at else None
        self._formatted = formatted
        self._how_to_answer = how_to_answer
        self._seq = turn.answer_seq
        self._texts: dict[Foldable, Streamed] = {}
        self._drawn: dict[Foldable, tuple[object, list[Spans]]] = {}

    @property
    def ended(self) -> bool:
        return _PROGRESS[self.status] == _ENDED

    @property
    def unanswered(self) -> bool:
        """It ended without an answer, and sending it again might help; who has sent a task or letter sees to that."""
        return not self.errand and self.status in ("failed", "interrupted") and self._failure is not Failure.REQUEST

    @property
    def answer(self) -> str:
        texts = [str(part) for part in self.parts if isinstance(part, Text)]
        return clean_lines("\n\n".join(text.strip("\n") for text in texts)).rstrip("\n")

    @property
    def waiting(self) -> list[tuple[Foldable, Leave]]:
        """What it asks leave for and nobody has answered."""
        if self.ended:
            return []
        return [(at, part) for at, part in _numbered(self.parts) if isinstance(part, Leave) and part.outcome is None]

    def hear(self, seq: int, event: ev.Event) -> bool:
        """An event about this message; one that came before, or again, changes nothing. Returns: did it change?"""
        match event:
            case ev.MessageAccepted():
                return self._advance("accepted")
            case ev.TurnStarted():
                return self._advance("running")
            case ev.TurnEnded():
                self.error = clean(event.error)
                self._failure, self._stop_reason = event.failure, event.stop_reason
                self._took_s = event.duration_s or None
                self.parts = close(self.parts)
                return self._advance(event.status)
            case _ if seq > self._seq and (more := add(self.parts, event)) is not self.parts:
                self._seq = seq
                self.parts = more
                self._advance("running")
                return True
            case _:
                return False

    def _advance(self, status: str) -> bool:
        further = _PROGRESS[status] > _PROGRESS[self.status]
        if further:
            self.status = status
        return further

    # As lines

    def lines(self, bot_id: str, width: int, offer: str = "", glyphs: Glyphs = UNICODE) -> list[Spans]:
        """Everything of this turn in `width` cells, with what one can do about it, a blank line at its end."""
        at = time.strftime("%H:%M", time.localtime(self.asked_at))
        who = "you" if self.sender.casefold() == "human" else self.sender
        errand = f"  {self.errand}" if self.errand else ""
        lines: list[Spans] = [((f"{who}  ", Ink.YOU), (at, Ink.FAINT), (errand, Ink.NEWS))]
        lines += [((line, Ink.TEXT),) for line in wrap(self.text, width)]
        lines.append(())
        asked = len(lines)
        lines += self.answer_lines(bot_id, width, glyphs)
        self.places = [(range(asked + where.start, asked + where.stop), part) for where, part in self.places]
        lines += [((line, Ink.NEWS),) for line in wrap(offer, width) if offer]
        return [*lines, ()]

    def answer_lines(self, bot_id: str, width: int, glyphs: Glyphs) -> list[Spans]:
        """What was said and done, and how it ended."""
        lines: list[Spans] = [((f"{bot_id}  ", Ink.BOT), *self._state())]
        self._add_parts(lines, width, glyphs)
        if self.error and self.error != self.status:
            lines += [((line, Ink.BAD),) for line in wrap(self.error, width)]
        if self.status == "failed" and self._failure in parts.ADVICE:
            lines += [((line, Ink.WARN),) for line in wrap(parts.ADVICE[self._failure], width)]
        if self.ended:
            used = self.parts[-1] if self.parts and isinstance(self.parts[-1], Used) else None
            lines += parts.end(used, self._stop_reason, self._took_s, width)
        return lines

    def _state(self) -> Spans:
        match self.status:
            case "queued" | "accepted":
                return (("waiting…", Ink.DIM),)
            case "running" if self.waiting:
                return (("asks…", Ink.WARN),)
            case "running":
                return (("answering…", Ink.GOOD),)
            case "failed":
                return (("failed", Ink.BAD),)
            case "interrupted":
                return (("interrupted", Ink.WARN),)
            case _:
                return ()

    def _add_parts(self, lines: list[Spans], width: int, glyphs: Glyphs) -> None:
        self.places = []
        before: Part | None = None
        asked = {leave.request.title for _, leave in self.waiting}
        numbered = [(at, part) for at, part in _numbered(self.parts) if not _stands_elsewhere(part, asked)]
        known = {at for at, _ in numbered}
        self._drawn = {at: drawn for at, drawn in self._drawn.items() if at in known}
        self._texts = {at: text for at, text in self._texts.items() if at in known}
        for at, part in numbered:
            drawn = self._draw(at, part, width, glyphs, is_last=at == numbered[-1][0])
            if not drawn:
                continue
            if before is not None and (isinstance(part, Text | Plan) or isinstance(before, Text | Plan)):
                lines.append(())
            if isinstance(part, Thought | Tool | Leave):
                self.places.append((range(len(lines), len(lines) + len(drawn)), at))
            lines += drawn
            before = part

    def _draw(self, at: Foldable, part: Part, width: int, glyphs: Glyphs, *, is_last: bool) -> list[Spans]:
        """The lines of a part: those of before, if they would be the same."""
        is_open = at in self.opened
        left = int(part.expires_at - time.time()) if isinstance(part, Leave) and part.outcome is None else 0
        of = (part, width, is_open, is_last, self.ended, left)
        former, drawn = self._drawn.get(at, (None, []))
        if former is None or not _same(former, of):
            drawn = self._drawn_anew(at, part, width, glyphs, is_last=is_last)
            self._drawn[at] = of, drawn
        return drawn

    def _drawn_anew(self, at: Foldable, part: Part, width: int, glyphs: Glyphs, *, is_last: bool) -> list[Spans]:
        is_open = at in self.opened
        match part:
            case Text():
                return self._said(at, part, width)
            case Thought():
                going_on = is_last and not self.ended
                return parts.thought(part, glyphs, width, is_open=is_open, going_on=going_on)
            case Tool(call=call):
                return parts.tool(call, glyphs, width, is_open=is_open)
            case Plan():
                return parts.plan(part, width)
            case Leave():
                how = self._how_to_answer
                return parts.leave(part, glyphs, width, is_open=is_open, in_time=not self.ended, how=how)
            case Omitted(count=count):
                return [((f"… {count} earlier steps are in the bot's log", Ink.DIM),)]
            case Used():
                return []

    def _said(self, at: Foldable, part: Text, width: int) -> list[Spans]:
        """Formatted once it is all there: formatting it again with every piece would cost the square of its length."""
        length = sum(len(piece) for piece in part.pieces)
        if self._formatted and self.ended and length <= markdown.LONGEST:
            formatted = markdown.render(str(part), width)
            if formatted is not None:
                return list(formatted)
        text = self._texts.setdefault(at, Streamed())
        text.take(part.pieces)
        lines: list[Spans] = [((line, Ink.TEXT),) for line in text.lines(width)]
        if text.forgotten:
            lines.insert(0, ((f"… {text.forgotten} earlier lines are in the bot's log", Ink.DIM),))
        return lines


def _stands_elsewhere(part: Part, asked: Collection[str]) -> bool:
    """What was used stands below, and a tool that waits for leave in the request itself."""
    return isinstance(part, Used) or (
        isinstance(part, Tool) and part.call.status in ("pending", "in_progress") and part.call.title in asked
    )


def _numbered(found: Parts) -> Iterator[tuple[Foldable, Part]]:
    """The parts with numbers that stay theirs when older ones are left out."""
    first = found[0].count - 1 if found and isinstance(found[0], Omitted) else 0
    return enumerate(found, first)


def _same(former: object, of: tuple[object, ...]) -> bool:
    """By identity where it can be long."""
    return isinstance(former, tuple) and former[0] is of[0] and former[1:] == of[1:]


class Transcript:
    """The turns of one bot that are in memory, oldest first. `formatted`: what it says is Markdown."""

    def __init__(self, bot_id: str, turns: Sequence[ChatTurn], *, formatted: bool = False) -> None:
        self.bot_id = bot_id
        self._formatted = formatted
        self.turns = [Turn(turn, formatted=formatted) for turn in turns]
        self.oldest = turns[0].number if turns else None

    def hear(self, recorded: Sequence[Recorded]) -> int | None:
        """The place of the first turn that changed, if one did."""
        changed: int | None = None
        places = {turn.message_id: place for place, turn in enumerate(self.turns)}
        for row in recorded:
            event = row.event
            touched: list[int] = []
            if isinstance(event, ev.MessageQueued) and event.message_id not in places:
                touched += [place for place in self.unanswered() if self.turns[place].original == event.text][:1]
                places[event.message_id] = len(self.turns)
                touched.append(len(self.turns))
                self.turns.append(Turn(_queued(event), formatted=self._formatted))
            elif isinstance(event, ev.PermissionAnswered):
                asking = (place for place, turn in enumerate(self.turns) if turn.waiting)
                touched += [place for place in asking if self.turns[place].hear(row.seq, event)]
            elif (place := places.get(getattr(event, "message_id", ""))) is not None:
                touched += [place] if self.turns[place].hear(row.seq, event) else []
            changed = min([*touched, *([] if changed is None else [changed])], default=None)
        return changed

    def unanswered(self) -> list[int]:
        """The places of messages that ended without an answer and were not sent again."""
        later: set[str] = set()
        found: list[int] = []
        for place in range(len(self.turns) - 1, -1, -1):
            turn = self.turns[place]
            if turn.unanswered and turn.original not in later:
                found.append(place)
            later.add(turn.original)
        return found[::-1]

    def asking(self) -> int | None:
        """The place of the first turn that waits for an answer of ours."""
        return next((place for place, turn in enumerate(self.turns) if turn.waiting), None)

    def prepend(self, turns: Sequence[ChatTurn]) -> None:
        known = {turn.message_id for turn in self.turns}
        self.turns[:0] = [Turn(turn, formatted=self._formatted) for turn in turns if turn.message_id not in known]
        if turns:
            self.oldest = turns[0].number

    def forget_to(self, count: int) -> None:
        """Keep the newest `count` turns; older ones are in the store, but this view no longer leads there."""
        if len(self.turns) > count:
            del self.turns[:-count]
            self.oldest = None


def _queued(event: ev.MessageQueued) -> ChatTurn:
    return ChatTurn(
        number=0,
        message_id=event.message_id,
        sender=event.sender,
        text=event.text,
        status="queued",
        error="",
        asked_at=event.at,
        ended_at=None,
        answer="",
        answer_seq=0,
        task_id=event.task_id,
        letter_id=event.letter_id,
    )
