"""Markdown as lines of the chat: headings, lists, quotes, code, tables and emphasis, everything else as it was written.
Whatever it says is cleaned after it was parsed: an entity can name any character."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

from deia_tui.core.text import clean, clean_lines, shorten
from deia_tui.ui.theme import Ink, Span, Spans
from deia_tui.ui.wrapping import wrap_spans

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST = 16_384
"""Characters; a longer text stays as it was written. Parsing takes up to 0.05 s for this many, if somebody tries."""
_MOST_BRACKETS = 500
"""So many may begin a link; parsing costs the square of their number."""
_DEEPEST = 40
_LONGEST_URL = 120


@lru_cache(maxsize=256)
def render(text: str, width: int) -> tuple[Spans, ...] | None:
    """The lines, none of them wider than `width` cells; None for a text that is better shown as it was written."""
    if len(text) > LONGEST or text.count("[") > _MOST_BRACKETS:
        return None
    tokens = _parser().parse(clean_lines(text))
    if any(token.level >= _DEEPEST for token in tokens):
        return None
    page = _Page(max(8, width))
    page.add(tokens)
    return tuple(page.lines)


@lru_cache(maxsize=1)
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # takes 50 ms: not before the first paint

    return MarkdownIt("commonmark", {"maxNesting": _DEEPEST + 10, "html": False}).enable(["table", "strikethrough"])


class _Page:
    """Takes the parser's tokens in order. `_marks` are what stands before the text at each depth: once, and then."""

    def __init__(self, width: int) -> None:
        self.lines: list[Spans] = []
        self._width = width
        self._marks: list[tuple[str, str]] = []
        self._new_marks = 0
        self._numbers: list[int | None] = []
        self._tight = False

    def add(self, tokens: Sequence["Token"]) -> None:
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if token.type == "table_open":
                end = next(at for at in range(place, len(tokens)) if tokens[at].type == "table_close")
                self._table(tokens[place:end])
                place = end
            else:
                self._block(token, tokens[place - 1] if place else None)
            place += 1

    def _block(self, token: "Token", before: "Token | None") -> None:
        match token.type:
            case "bullet_list_open":
                self._gap()
                self._numbers.append(None)
            case "ordered_list_open":
                self._gap()
                self._numbers.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
            case "list_item_open":
                self._open_item()
            case "blockquote_open":
                self._gap()
                self._open("│ ", "│ ")
            case "list_item_close" | "blockquote_close":
                self._marks.pop()
                self._new_marks = min(self._new_marks, len(self._marks))
            case "paragraph_open":
                self._gap(unless=token.hidden)
            case "heading_open":
                self._gap()
            case "inline" if before is not None and before.type == "heading_open":
                self._text(tuple(_inline(token, Ink.HEADING)))
            case "inline":
                self._text(tuple(_inline(token, Ink.TEXT)))
            case "fence" | "code_block":
                self._code(token)
            case "hr":
                self._gap()
                self._text((("─" * min(20, self._room()), Ink.FAINT),))
            case _:
                pass

    def _open_item(self) -> None:
        number = self._numbers[-1]
        mark = "• " if number is None else f"{number}. "
        if number is not None:
            self._numbers[-1] = number + 1
        self._open(mark, " " * len(mark))

    def _open(self, first: str, then: str) -> None:
        if sum(len(mark) for mark, _ in self._marks) > self._width // 2:
            first = then = ""
        self._marks.append((first, then))
        self._new_marks += 1

    def _gap(self, *, unless: bool = False) -> None:
        """A blank line before what comes, but not at the beginning of anything."""
        if self.lines and self.lines[-1] and not self._new_marks and not (unless or self._numbers):
            self._say(())

    def _text(self, spans: Spans) -> None:
        for line in wrap_spans(spans, self._room()):
            self._say(line)

    def _code(self, token: "Token") -> None:
        self._gap()
        for line in clean_lines(token.content).rstrip("\n").split("\n"):
            for part in wrap_spans(((line, Ink.CODE),), self._room() - 2):
                self._say((("  ", Ink.CODE), *part))

    def _room(self) -> int:
        return self._width - sum(cell_len(mark) for mark, _ in self._marks)

    def _say(self, spans: Spans) -> None:
        known = len(self._marks) - self._new_marks
        marks = "".join(then if place < known else first for place, (first, then) in enumerate(self._marks))
        self._new_marks = 0
        if not spans:
            marks = marks.rstrip()
        self.lines.append(((marks, Ink.DIM), *spans) if marks else spans)

    # Tables

    def _table(self, tokens: Sequence["Token"]) -> None:
        self._gap()
        rows: list[list[Spans]] = []
        for place, token in enumerate(tokens):
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                head = tokens[place - 1].type == "th_open"
                rows[-1].append(tuple(_inline(token, Ink.STRONG if head else Ink.TEXT)))
        widths = _column_widths(rows, self._room())
        for place, row in enumerate(rows):
            if widths is None:
                self._text(_joined(row))
                continue
            for line in _row_lines(row, widths):
                self._say(line)
            if place == 0:
                self._say((("─┼─".join("─" * width for width in widths), Ink.FAINT),))


def _column_widths(rows: Sequence[Sequence[Spans]], room: int) -> list[int] | None:
    """As wide as their cells, the widest ones narrower where that is too much; None when there are too many."""
    count = max((len(row) for row in rows), default=0)
    widths = [
        max((_cells(row[column]) for row in rows if column < len(row)), default=0) or 1 for column in range(count)
    ]
    room -= 3 * (count - 1)
    if room < 4 * count:
        return None
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        others = [width for width in widths if width < widest]
        tops = len(widths) - len(others)
        lower = max(max(others, default=1), widest - -(-excess // tops))
        widths = [min(width, lower) for width in widths]
    return widths


def _row_lines(row: Sequence[Spans], widths: Sequence[int]) -> Iterator[Spans]:
    cells = [wrap_spans(cell, max(2, width)) for cell, width in zip(row, widths, strict=False)]
    for parts in zip_longest(*cells, fillvalue=()):
        line: list[Span] = []
        for place, part in enumerate(parts):
            padding = " " * max(0, widths[place] - _cells(part))
            line += [(" │ ", Ink.FAINT)] * (place > 0) + [*part, (padding, Ink.TEXT)]
        yield tuple(line)


def _joined(row: Sequence[Spans]) -> Spans:
    return tuple(span for place, cell in enumerate(row) for span in ([(" │ ", Ink.FAINT)] * (place > 0) + [*cell]))


def _cells(spans: Spans) -> int:
    return sum(cell_len(text) for text, _ in spans)


# Within a line


def _inline(token: "Token", plain: Ink) -> Iterator[Span]:
    inks = [plain]
    urls: list[str] = []
    for child in token.children or ():
        match child.type:
            case "code_inline":
                yield clean(child.content), Ink.CODE
            case "softbreak" | "hardbreak":
                yield "\n", inks[-1]
            case "strong_open":
                inks.append(Ink.STRONG)
            case "em_open":
                inks.append(Ink.EMPHASIS if inks[-1] is Ink.TEXT else inks[-1])
            case "s_open":
                inks.append(Ink.DIM)
            case "strong_close" | "em_close" | "s_close":
                inks.pop()
            case "link_open":
                urls.append("" if child.markup == "autolink" else str(child.attrGet("href") or ""))
            case "link_close":
                yield from _url(urls.pop())
            case "image":
                yield f"[{clean(child.content)}]", Ink.DIM
                yield from _url(str(child.attrGet("src") or ""))
            case _:
                yield clean(child.content), inks[-1]


def _url(url: str) -> Iterator[Span]:
    """Where a link leads."""
    if url:
        yield f" ({shorten(clean(url), _LONGEST_URL)})", Ink.DIM
