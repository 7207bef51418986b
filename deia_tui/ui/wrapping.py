"""Breaks or cuts text to a given number of cells, wide characters and indentation respected. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from rich.cells import cell_len, get_character_cell_size, set_cell_size

from deia_tui.ui.theme import Spans

_WINDOW = 4
"""So many times the width is looked at for a break: measuring the whole line each time costs its square."""


def cut(text: str, width: int) -> str:
    """`text` in exactly `width` cells, with an ellipsis where something was cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """`text` (line feeds allowed) in lines of at most `width` cells."""
    return [line for logical in text.split("\n") for line in wrap_line(logical, max(2, width))]


def wrap_line(text: str, width: int) -> list[str]:
    """One logical line; what continues is indented like its beginning, where that leaves room."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    if len(indent) > width // 2:
        indent = ""
    lines: list[str] = []
    at, before = 0, ""
    while True:
        window = before + text[at : at + _WINDOW * width]
        end = _line_end(window, width, at_least=len(indent), is_rest=at + _WINDOW * width >= len(text))
        if end is None:
            return [*lines, window]
        lines.append(window[:end].rstrip(" "))
        at = _past_spaces(text, at + end - len(before))
        before = indent


def wrap_spans(spans: Spans, width: int) -> list[Spans]:
    """Text in several inks (line feeds allowed) in lines of at most `width` cells."""
    text = "".join(part for part, _ in spans)
    starts = list(accumulate((len(part) for part, _ in spans), initial=0))
    return [_slice(spans, starts, begin, end) for begin, end in _extents(text, max(2, width))]


def _extents(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    start = 0
    for logical in text.split("\n"):
        at, stop = 0, len(logical)
        while True:
            window = logical[at : at + _WINDOW * width]
            end = _line_end(window, width, is_rest=at + _WINDOW * width >= stop)
            if end is None:
                break
            yield start + at, start + at + len(window[:end].rstrip(" "))
            at = _past_spaces(logical, at + end)
        yield start + at, start + stop
        start += stop + 1


def _slice(spans: Spans, starts: list[int], begin: int, end: int) -> Spans:
    first = max(0, bisect_right(starts, begin) - 1)
    found = []
    for place in range(first, len(spans)):
        if starts[place] >= end:
            break
        part, ink = spans[place]
        if inside := part[max(0, begin - starts[place]) : end - starts[place]]:
            found.append((inside, ink))
    return tuple(found)


def _line_end(window: str, width: int, *, is_rest: bool, at_least: int = 0) -> int | None:
    """Where the line ends that begins with `window`; None when that is the rest and fits."""
    if cell_len(window) > width:
        return _break(window, width, at_least=at_least)
    return None if is_rest else len(window)


def _past_spaces(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at


def _break(text: str, width: int, *, at_least: int) -> int:
    """Where the first `width` cells end: after the last space in them if there is one, else in the word."""
    end = _fitting(text, width)
    if text[end : end + 1] == " ":
        return end
    space = text.rfind(" ", at_least, end)
    return space + 1 if space > at_least else max(end, at_least + 1)


def _fitting(text: str, width: int) -> int:
    """How many characters of `text` fit into `width` cells."""
    if text.isascii():
        return min(width, len(text))
    cells = 0
    for index, character in enumerate(text):
        cells += get_character_cell_size(character)
        if cells > width:
            return index
    return len(text)
