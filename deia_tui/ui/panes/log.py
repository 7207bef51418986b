"""The log of the selected bot: what happened to it and what it wrote, in one order of time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.text import clean_lines
from deia_tui.core.wording import ROUTINE, Level, describe
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.lines import Pointed
from deia_tui.ui.widgets.titles import entitle

LIMIT = 2000
WIDEST = 4000
_INKS: dict[Level, Ink] = {"info": Ink.DIM, "warning": Ink.WARN, "error": Ink.BAD}


@dataclass(frozen=True, slots=True)
class _OpenLine:
    """The last line, as long as the output in it has not come to a line feed."""

    message_id: str
    lead: Spans
    text: str


class LogPane(Pointed):
    """A cursor stands on the line that `y` copies; at the last line the pane follows."""

    DEFAULT_CLASSES = "pane"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=LIMIT, id="log")
        entitle(self, self.glyphs, title="Log", subtitle="following")
        self._unfinished: _OpenLine | None = None

    def open(self, bot_id: str | None, recorded: Sequence[Recorded]) -> None:
        """Another bot's log."""
        entitle(self, self.glyphs, title=f"Log · {bot_id}" if bot_id else "Log")
        self._unfinished = None
        self.reset(self._rows(recorded)[0])

    def add(self, recorded: Sequence[Recorded]) -> None:
        new, goes_on = self._rows(recorded)
        self.extend(new, keep=len(self.lines) - goes_on)

    def _rows(self, recorded: Sequence[Recorded]) -> tuple[list[Spans], bool]:
        """The lines of these events; with True when the first of them replaces the last one shown: it goes on."""
        rows: list[Spans] = []
        goes_on = False
        for event in (row.event for row in recorded if not _is_left_out(row.event)):
            if isinstance(event, ev.OutputAdded):
                open_line = self._unfinished
                if open_line is not None and open_line.message_id == event.message_id:
                    goes_on = goes_on or not rows
                    del rows[-1:]
                    rows += self._output(event, open_line.lead, open_line.text)
                else:
                    rows += self._output(event, ((f"{_clock(event)} ", Ink.FAINT), ("output  ", Ink.DIM)), "")
            else:
                rows += _happened(event)
                self._unfinished = None
        return rows, goes_on

    def _output(self, event: ev.OutputAdded, lead: Spans, begun: str) -> Iterator[Spans]:
        """The lines of a piece of output, the first after what was `begun`; the last may go on with the next piece."""
        *ended, rest = (begun + clean_lines(event.text)).split("\n")
        for line in ended:
            yield (*lead, (line[:WIDEST], Ink.TEXT))
            lead = ((" " * 11, Ink.TEXT),)
        self._unfinished = None
        if rest or not ended:
            self._unfinished = _OpenLine(event.message_id, lead, rest[:WIDEST])
            yield (*lead, (rest[:WIDEST], Ink.TEXT))

    def followed(self) -> None:
        entitle(self, self.glyphs, subtitle="following" if self.following else "G follows again")

    def empty(self) -> str:
        return "Nothing has happened yet"


def _is_left_out(event: ev.Event) -> bool:
    """Thoughts come in pieces and stand in the chat; so does what a tool has written by now."""
    going_on = isinstance(event, ev.ToolCallChanged) and event.call.status == "in_progress"
    return going_on or isinstance(event, (*ROUTINE, ev.ThoughtAdded))


def _happened(event: ev.Event) -> Iterator[Spans]:
    level, what, details = describe(event)
    first, *more = clean_lines(details).split("\n")
    yield ((f"{_clock(event)} ", Ink.FAINT), (f"{what.replace('_', ' ')}  ", _INKS[level]), (first, Ink.TEXT))
    for line in more:
        yield ((f"{' ' * 11}{line}", Ink.TEXT),)


def _clock(event: ev.Event) -> str:
    return time.strftime("%H:%M:%S", time.localtime(event.at))
