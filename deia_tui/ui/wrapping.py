"""Breaks or cuts text to a given number of cells, wide characters and indentation respected. Pure."""

from rich.cells import cell_len, get_character_cell_size, set_cell_size


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
