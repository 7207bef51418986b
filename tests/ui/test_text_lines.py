"""What becomes of text on its way to the screen: wrapping, rows, transcripts. Pure."""

import pytest
from rich.cells import cell_len

from deia_tui.core import events as ev
from deia_tui.core.bots import BotSpec, BotState
from deia_tui.core.client import Recorded
from deia_tui.core.state import BotView, HiveState, Series
from deia_tui.ui import rows
from deia_tui.ui.streamed import MAX_LINES
from deia_tui.ui.theme import UNICODE, Ink
from deia_tui.ui.transcript import Transcript
from deia_tui.ui.wrapping import wrap
from tests.ui.scripted import SHELL


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 10, ["short"]),
        ("", 10, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("one two", 3, ["one", "two"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
        ("a\nb", 10, ["a", "b"]),
        ("  indented words go on", 12, ["  indented", "  words go", "  on"]),
        ("🐝🐝🐝", 2, ["🐝", "🐝", "🐝"]),
    ],
)
def test_wrapping(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width) == lines


@pytest.mark.parametrize("width", range(1, 40))
def test_no_wrapped_line_is_wider_than_asked(width: int) -> None:
    text = "  the 漢字 quick-brown🐝fox " + "x" * 50 + "\n" + " " * 30 + "deep 漢字漢字漢字"
    assert all(cell_len(line) <= max(2, width) for line in wrap(text, width))


def bot(state: BotState = BotState.RUNNING) -> BotView:
    return BotView(bot_id="BOT-001", spec=BotSpec(bot_id="BOT-001", agent=SHELL), state=state)


@pytest.mark.parametrize("width", [*range(0, 130, 3), 200])
def test_a_row_is_never_wider_than_its_pane_and_its_columns_stand_under_their_headings(width: int) -> None:
    columns = rows.fit(width, roomy=width > 100, longest_id=7, longest_agent=5)
    series = Series(cpu=(1.0, 99.0), memory_mb=(200.0,) * 20)
    live = rows.live_columns(bot(), series, columns, UNICODE, marked=False)
    other = rows.other_columns(bot(), HiveState(), columns, UNICODE, 0.0)
    text = "".join(part for part, _ in (*live, *other))
    headings = "".join(part for part, _ in rows.headings(columns))
    assert cell_len(text) <= max(width, cell_len(headings))
    assert text.index("BOT-001") == headings.index("ID")
    assert text.index("○ idle") == headings.index("STATE")
    assert text[columns.live - 4 : columns.live] == " 200"


def test_columns_are_dropped_in_order() -> None:
    wide, middle, narrow = (rows.fit(w, roomy=False, longest_id=7, longest_agent=6) for w in (100, 88, 79))
    assert (wide.memory, wide.agent) == (8, 6)
    assert (middle.memory, middle.agent) == (0, 6)
    assert (narrow.memory, narrow.agent) == (0, 0)


@pytest.mark.parametrize(
    ("percent", "ink"), [(0, Ink.DIM), (59, Ink.GOOD), (60, Ink.WARN), (84, Ink.WARN), (85, Ink.BAD)]
)
def test_cpu_has_one_colour_for_line_and_number(percent: float, ink: Ink) -> None:
    columns = rows.fit(100, roomy=False, longest_id=7, longest_agent=5)
    live = rows.live_columns(bot(), Series(cpu=(percent,), memory_mb=(1,)), columns, UNICODE, marked=False)
    assert live[0][1] is ink


def test_a_dead_bot_is_dotted_and_a_running_zero_is_a_low_line() -> None:
    columns = rows.fit(100, roomy=False, longest_id=7, longest_agent=5)
    series = Series(cpu=(0.0,) * 20, memory_mb=(0.0,) * 60)
    assert rows.live_columns(bot(BotState.FATAL), series, columns, UNICODE, marked=False)[0][0].startswith(" ········")
    assert rows.live_columns(bot(), series, columns, UNICODE, marked=False)[0][0].startswith(" ▁▁▁▁▁▁▁▁")


def queued(message_id: str) -> ev.Event:
    return ev.MessageQueued(at=0.0, bot_id="BOT-001", message_id=message_id, sender="human", text="q")


def piece(text: str) -> ev.Event:
    return ev.OutputAdded(at=0.0, bot_id="BOT-001", run=1, message_id="m", text=text, source_seq=1)


def test_a_piece_that_comes_twice_counts_once() -> None:
    transcript = Transcript("BOT-001", [])
    transcript.hear([Recorded(1, queued("m")), Recorded(2, piece("one ")), Recorded(3, piece("two"))])
    transcript.hear([Recorded(1, queued("m")), Recorded(2, piece("one ")), Recorded(3, piece("two"))])
    assert [turn.answer for turn in transcript.turns] == ["one two"]


def test_a_long_answer_keeps_its_end() -> None:
    transcript = Transcript("BOT-001", [])
    text = "".join(f"line {number}\n" for number in range(MAX_LINES + 10))
    transcript.hear([Recorded(1, queued("m")), Recorded(2, piece(text))])
    lines = ["".join(part for part, _ in line) for line in transcript.turns[0].lines("BOT-001", 80)]
    assert "… 10 earlier lines are in the bot's log" in lines
    assert lines[-2] == f"line {MAX_LINES + 9}"


def test_a_status_is_said_once() -> None:
    transcript = Transcript("BOT-001", [])
    ended = ev.TurnEnded(
        at=0.0, bot_id="BOT-001", run=1, message_id="m", status="interrupted", error="interrupted", duration_s=1.0
    )
    transcript.hear([Recorded(1, queued("m")), Recorded(2, ended)])
    text = "\n".join("".join(part for part, _ in line) for line in transcript.turns[0].lines("BOT-001", 80))
    assert text.count("interrupted") == 1


def test_nothing_measured_yet_is_no_zero() -> None:
    columns = rows.fit(100, roomy=False, longest_id=7, longest_agent=5)
    assert "0" not in "".join(part for part, _ in rows.live_columns(bot(), None, columns, UNICODE, marked=False))


def test_a_line_that_never_ends_is_bounded_too() -> None:
    transcript = Transcript("BOT-001", [])
    transcript.hear([Recorded(1, queued("m")), *(Recorded(n, piece("x" * 5000)) for n in range(2, 40))])
    assert sum(len("".join(p for p, _ in line)) for line in transcript.turns[0].lines("BOT-001", 80)) > 38 * 5000
