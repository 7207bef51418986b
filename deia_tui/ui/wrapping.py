"""Breaks or cuts text to a given number of cells, wide characters and indentation respected. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from rich.cells import cell_len, get_character_cell_size, set_cell_size

from deia_tui.ui.theme import Spans

_AT_ONCE = 4096
"""A longer line is broken in steps of so many characters: measuring all of it for every break costs its square."""


def cut(text: str, width: int) -> str:
    """`text` in exactly `width` cells, with an ellipsis where something was cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """`text` (line feeds allowed) in lines of at most `width` cells."""
    return [line for logical in text.split("\n") for part in _steps(logical) for line in wrap_line(part, max(2, width))]


def wrap_line(text: str, width: int) -> list[str]:
    """One logical line; what continues is indented like its beginning, where that leaves room."""
    if cell_len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))]
    if len(indent) > width // 2:
        indent = ""
    lines: list[str] = []
    rest = text
    while cell_len(rest) > width:
        end = _break(rest, width, at_least=len(indent))
        lines.append(rest[:end].rstrip(" "))
        rest = indent + rest[end:].lstrip(" ")
    return [*lines, rest]


def wrap_spans(spans: Spans, width: int) -> list[Spans]:
    """Text in several inks (line feeds allowed) in lines of at most `width` cells."""
    text = "".join(part for part, _ in spans)
    starts = list(accumulate((len(part) for part, _ in spans), initial=0))
    return [_slice(spans, starts, begin, end) for begin, end in _extents(text, max(2, width))]


def _extents(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    start = 0
    for logical in text.split("\n"):
        at, end = start, start + len(logical)
        start = end + 1
        while end - at > _AT_ONCE or cell_len(text[at:end]) > width:
            length = _break(text[at : min(end, at + _AT_ONCE)], width, at_least=0)
            yield at, at + len(text[at : at + length].rstrip(" "))
            at += length
            while at < end and text[at] == " ":
                at += 1
        yield at, end


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


def _steps(line: str) -> Iterator[str]:
    if len(line) <= _AT_ONCE:
        yield line
        return
    for start in range(0, len(line), _AT_ONCE):
        yield line[start : start + _AT_ONCE]


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
