"""A conversation as lines: turns in order, answers growing piece by piece, every piece counted once. Bounded."""

import time
from collections.abc import Sequence

from deia_tui.core import events as ev
from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.text import clean, clean_lines
from deia_tui.ui.theme import Ink, Spans
from deia_tui.ui.wrapping import wrap

MAX_ANSWER_LINES = 3000
_LONGEST_PIECE = 8192
_PROGRESS = {"queued": 0, "accepted": 1, "running": 2, "answered": 3, "failed": 3, "interrupted": 3}


class Turn:
    """A message and its answer so far. Finished lines of the answer are wrapped once for a width."""

    def __init__(self, turn: ChatTurn) -> None:
        self.message_id = turn.message_id
        self.original = turn.text
        self.sender = clean(turn.sender)
        self.text = clean_lines(turn.text)
        self.asked_at = turn.asked_at
        self.status = turn.status
        self.error = clean(turn.error)
        self._seq = turn.answer_seq
        self._finished: list[str] = []
        self._begun = ""
        self._forgotten = 0
        self._wrapped: list[str] = []
        self._wrapped_for = (0, 0)
        self._add(turn.answer)

    @property
    def unanswered(self) -> bool:
        """It ended, and not with an answer."""
        return self.status in ("failed", "interrupted")

    @property
    def answer(self) -> str:
        return "\n".join([*self._finished, clean(self._begun)]).rstrip("\n")

    def hear(self, seq: int, event: ev.Event) -> None:
        """An event about this message; one that came before, or again, changes nothing."""
        match event:
            case ev.MessageAccepted():
                self._advance("accepted")
            case ev.TurnStarted():
                self._advance("running")
            case ev.OutputAdded() if seq > self._seq:
                self._seq = seq
                self._advance("running")
                self._add(event.text)
            case ev.TurnEnded():
                self._advance(event.status)
                self.error = clean(event.error)

    def _advance(self, status: str) -> None:
        if _PROGRESS[status] > _PROGRESS[self.status]:
            self.status = status

    def _add(self, piece: str) -> None:
        self._begun += piece
        end = self._begun.rfind("\n")
        if end < 0 and len(self._begun) > _LONGEST_PIECE:
            end = len(self._begun)
        if end < 0:
            return
        self._finished += clean_lines(self._begun[:end]).split("\n")
        self._begun = self._begun[end + 1 :]
        excess = len(self._finished) - MAX_ANSWER_LINES
        if excess > 0:
            del self._finished[:excess]
            self._forgotten += excess
            self._wrapped_for = (0, 0)

    def lines(self, bot_id: str, width: int, offer: str = "") -> list[Spans]:
        """Everything of this turn in `width` cells, with what one can do about it, a blank line at its end."""
        at = time.strftime("%H:%M", time.localtime(self.asked_at))
        who = "you" if self.sender == "human" else self.sender
        lines: list[Spans] = [((f"{who}  ", Ink.YOU), (at, Ink.FAINT))]
        lines += [((line, Ink.TEXT),) for line in wrap(self.text, width)]
        lines += [(), ((f"{bot_id}  ", Ink.BOT), *self._state())]
        if self._forgotten:
            lines.append(((f"… {self._forgotten} earlier lines are in the bot's log", Ink.DIM),))
        lines += [((line, Ink.TEXT),) for line in self._wrap_answer(width)]
        if self.error and self.error != self.status:
            lines += [((line, Ink.BAD),) for line in wrap(self.error, width)]
        lines += [((line, Ink.NEWS),) for line in wrap(offer, width) if offer]
        return [*lines, ()]

    def _state(self) -> Spans:
        match self.status:
            case "queued" | "accepted":
                return (("waiting…", Ink.DIM),)
            case "running":
                return (("answering…", Ink.GOOD),)
            case "failed":
                return (("failed", Ink.BAD),)
            case "interrupted":
                return (("interrupted", Ink.WARN),)
            case _:
                return ()

    def _wrap_answer(self, width: int) -> list[str]:
        wrapped_for, done = self._wrapped_for
        if wrapped_for != width:
            self._wrapped, done = [], 0
        for line in self._finished[done:]:
            self._wrapped += wrap(line, width)
        self._wrapped_for = (width, len(self._finished))
        rest = wrap(clean(self._begun), width) if self._begun else []
        lines = [*self._wrapped, *rest]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Transcript:
    """The turns of one bot that are in memory, oldest first."""

    def __init__(self, bot_id: str, turns: Sequence[ChatTurn]) -> None:
        self.bot_id = bot_id
        self.turns = [Turn(turn) for turn in turns]
        self.oldest = turns[0].number if turns else None

    def hear(self, recorded: Sequence[Recorded]) -> int | None:
        """The place of the first turn that changed, if one did."""
        changed: int | None = None
        places = {turn.message_id: place for place, turn in enumerate(self.turns)}
        for row in recorded:
            event = row.event
            if isinstance(event, ev.MessageQueued) and event.message_id not in places:
                again = [place for place in self.unanswered() if self.turns[place].original == event.text]
                changed = min([*again[:1], *([] if changed is None else [changed])], default=None)
                places[event.message_id] = len(self.turns)
                self.turns.append(Turn(_queued(event)))
            elif not isinstance(
                event, ev.MessageQueued | ev.MessageAccepted | ev.TurnStarted | ev.OutputAdded | ev.TurnEnded
            ):
                continue
            place = places.get(event.message_id)
            if place is not None:
                self.turns[place].hear(row.seq, event)
                changed = place if changed is None else min(changed, place)
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

    def prepend(self, turns: Sequence[ChatTurn]) -> None:
        known = {turn.message_id for turn in self.turns}
        self.turns[:0] = [Turn(turn) for turn in turns if turn.message_id not in known]
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
    )
