import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.text import clean, clean_lines, shorten

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
FORBIDDEN = re.compile(rf"[\x00-\x09\x0b-\x1f\x7f-\x9f{BIDI}\ud800-\udfff\u2028\u2029]")
"""Everything a terminal acts upon; a line feed is allowed where there may be several lines."""

hostile = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b[", "\x1b]", "\x1bP", "\x1b", "\x9b", "\x9d", "\x07", "\x9c", "\x1b\\", "31m", "\r", "\n"]
        ),
        st.sampled_from([*BIDI, "\ud800", "\x00", "\t", "\u2028", "0;title", "A"]),
        st.text(st.characters(), max_size=5),
    )
).map("".join)


@given(hostile)
def test_nothing_a_terminal_acts_upon_survives(text: str) -> None:
    assert not FORBIDDEN.search(clean_lines(text))
    assert not FORBIDDEN.search(clean(text))
    assert "\n" not in clean(text)


@given(hostile)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_lines(clean_lines(text)) == clean_lines(text)


@given(st.text().filter(str.isprintable))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == clean_lines(text) == text


@pytest.mark.parametrize(
    ("dirty", "lines"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;1mred", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;c2VjcmV0\x9ctext", "text"),
        ("\x1bPq#0;2\x1b\\text", "text"),
        ("a\x1b]0;never ended", "a"),
        ("\x1bctext", "text"),
        ("a\x1b", "a·"),
        ("a\x1b[\x1b[0m0mb", "a0mb"),
        ("50 %\rdone", "50 %\ndone"),
        ("a\r\nb", "a\nb"),
        ("a\tb", "a    b"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("abc\u202edcba", "abc·dcba"),
        ("a\x00b\x7fc\x85d", "a·b·c·d"),
        ("zwj 👩\u200d💻 stays", "zwj 👩\u200d💻 stays"),
    ],
)
def test_what_is_left(dirty: str, lines: str) -> None:
    assert clean_lines(dirty) == lines
    assert clean(dirty) == lines.replace("\n", " ")


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x9b", "\x1b[0", "\x1b ", "\x1b[ ", "\x1bP;", "\r", "\u202e"])
def test_a_hostile_megabyte_takes_no_longer_than_its_length(piece: str) -> None:
    """Quadratic work would take minutes of processor time here; linear work takes milliseconds."""
    begun = time.process_time()
    clean(piece * (1_000_000 // len(piece)) + "x")
    clean("\x1b[" + piece[-1] * 1_000_000)
    assert time.process_time() - begun < 10


@given(st.text(), st.integers(-2, 50))
def test_shortened_text_fits_and_says_so(text: str, width: int) -> None:
    short = shorten(text, width)
    assert short == text or (len(short) == max(1, width) and short.endswith("…"))
    assert short == text if len(text) <= width else short != text
