"""The turns of a conversation as lines with a cursor: what can be opened opens at it, what waits for an answer is found
at it. A turn that changed is drawn anew from its own first line on."""

import sys
from collections.abc import Collection, Sequence

from textual import events
from textual.message import Message

from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.turns import PermissionRequest
from deia_tui.ui.keys import ANSWERS, FOLD, RESEND
from deia_tui.ui.theme import Glyphs, Spans
from deia_tui.ui.transcript import Foldable, Transcript
from deia_tui.ui.widgets.lines import Pointed
from deia_tui.ui.widgets.titles import entitle

_TURNS_KEPT, _LINES_KEPT = 200, 100_000
_OFFER = "e sends it again"


class ChatView(Pointed):
    DEFAULT_CLASSES = "pane"

    class Changed(Message):
        """Other turns, or another line under the cursor: other keys may be of use."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=sys.maxsize, id="chat-view")  # whole turns are forgotten, not lines of them
        entitle(self, self.glyphs, title="Chat")
        self.transcript: Transcript | None = None
        self._starts: list[int] = []

    def open(self, transcript: Transcript | None) -> None:
        self.transcript = transcript
        entitle(self, self.glyphs, title=f"Chat · {transcript.bot_id}" if transcript else "Chat")
        self.reset(self._lines_from(0))
        self.post_message(self.Changed())

    def hear(self, recorded: Sequence[Recorded]) -> None:
        if self.transcript is None or (place := self.transcript.hear(recorded)) is None:
            return
        turns = len(self.transcript.turns)
        if self.following and turns > 1 and (turns > 2 * _TURNS_KEPT or len(self.lines) > 2 * _LINES_KEPT):
            self.transcript.forget_to(min(_TURNS_KEPT, turns // 2))
            self.reset(self._lines_from(0))
        else:
            self._draw_from(place)
        self.post_message(self.Changed())

    def tick(self) -> None:
        """A second passed: what waits for an answer waits that much shorter."""
        if self.transcript is not None and self.is_seen and (place := self.transcript.asking()) is not None:
            self._draw_from(place)

    def followed(self) -> None:
        entitle(self, self.glyphs, subtitle="" if self.following else "G follows again")

    def pointed(self) -> None:
        self.post_message(self.Changed())

    def add_older(self, bot_id: str, turns: Sequence[ChatTurn]) -> None:
        if self.transcript is None or self.transcript.bot_id != bot_id or not turns:
            return
        before = len(self.lines)
        self.transcript.prepend(turns)
        lines = self._lines_from(0)
        self.prepend(lines[: len(lines) - before])

    def resized(self) -> None:
        self.lines = self._lines_from(0)
        super().resized()

    # Drawing

    def _draw_from(self, place: int) -> None:
        keep = self._starts[place] if place < len(self._starts) else len(self.lines)
        self.extend(self._lines_from(place), keep=keep)

    def _lines_from(self, place: int) -> list[Spans]:
        if self.transcript is None:
            self._starts = []
            return []
        del self._starts[place:]
        unanswered = set(self.transcript.unanswered())
        at = 0 if place == 0 else self._starts[-1] + len(self._drawn_turn(place - 1, unanswered))
        lines: list[Spans] = []
        for index in range(place, len(self.transcript.turns)):
            self._starts.append(at + len(lines))
            lines += self._drawn_turn(index, unanswered)
        return lines

    def _drawn_turn(self, index: int, unanswered: Collection[int]) -> list[Spans]:
        assert self.transcript is not None
        offer = _OFFER if index in unanswered else ""
        turn = self.transcript.turns[index]
        return turn.lines(self.transcript.bot_id, max(8, self.text_width), offer, self.glyphs)

    # What stands at the cursor

    def usable_keys(self) -> frozenset[str]:
        """Of the keys that are of use at times, those that are now."""
        usable = {
            RESEND: self.to_send_again() is not None,
            FOLD: self.foldable() is not None,
            **dict.fromkeys(ANSWERS, self.request() is not None),
        }
        return frozenset(key for key, of_use in usable.items() if of_use)

    def selected_text(self) -> str:
        """The answer of the turn at the cursor."""
        if self.transcript is None or not self._starts:
            return ""
        return self.transcript.turns[self._turn_at(self.cursor)].answer

    def to_send_again(self) -> str | None:
        """The last message without an answer at the cursor or above it, or else the last one at all."""
        places = self.transcript.unanswered() if self.transcript is not None else []
        if self.transcript is None or not places:
            return None
        seen = [place for place in places if place <= self._turn_at(self.cursor)]
        return self.transcript.turns[max(seen or places)].original

    def foldable(self) -> tuple[int, Foldable] | None:
        """The turn and its part that opens or folds at the cursor."""
        return self._foldable_at(self.cursor)

    def request(self) -> PermissionRequest | None:
        """What waits for leave at the cursor, or else the only thing that does, if all of it can be seen."""
        if self.transcript is None or not self._starts:
            return None
        here = self.foldable()
        waiting = [(place, *one) for place, turn in enumerate(self.transcript.turns) for one in turn.waiting]
        for place, at, part in waiting:
            if here == (place, at) or (len(waiting) == 1 and self._is_in_view(place, at)):
                return part.request
        return None

    def toggle(self) -> bool:
        """Open or fold what is at the cursor; False when there is nothing to open."""
        here = self.foldable()
        if here is None or self.transcript is None:
            return False
        place, at = here
        self.transcript.turns[place].opened ^= {at}
        top, self.following = self.top, False
        self._draw_from(place)
        self.top = top
        found = self._extent(place, at)
        self.point_at(found.start if found else self.cursor)
        return True

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        index = self.top + offset.y if offset is not None else len(self.lines)
        here = self._foldable_at(index) if index < len(self.lines) else None
        found = self._extent(*here) if here else None
        if found is not None and index == found.start and not self.screen.get_selected_text():
            self.point_at(index)
            self.toggle()

    def _turn_at(self, index: int) -> int:
        """The place of the turn that a line belongs to."""
        return max((place for place, start in enumerate(self._starts) if start <= index), default=0)

    def _foldable_at(self, index: int) -> tuple[int, Foldable] | None:
        if self.transcript is None or not self._starts:
            return None
        place = self._turn_at(index)
        within = index - self._starts[place]
        return next(((place, at) for lines, at in self.transcript.turns[place].places if within in lines), None)

    def _extent(self, place: int, at: Foldable) -> range | None:
        """The lines of a part."""
        assert self.transcript is not None
        start = self._starts[place]
        found = next((lines for lines, which in self.transcript.turns[place].places if which == at), None)
        return None if found is None else range(start + found.start, start + found.stop)

    def _is_in_view(self, place: int, at: Foldable) -> bool:
        found = self._extent(place, at)
        return found is not None and self.top <= found.start and found.stop <= self.top + self.body_height

    def empty(self) -> str:
        return "Nothing said yet – press enter and write" if self.transcript else ""
