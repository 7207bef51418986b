"""A change of a file as coloured lines: what went and what came, with a little around it, bounded."""

from collections.abc import Iterator
from functools import lru_cache

from deia_tui.core.text import clean_lines
from deia_tui.core.turns import Diff
from deia_tui.ui.theme import Ink

_AROUND = 2
_COMPARED = 2000
"""Lines; of longer files only what is new is shown: comparing costs the square of their length."""

Change = tuple[str, Ink]


@lru_cache(maxsize=128)
def changes(diff: Diff) -> tuple[Change, ...]:
    """Every line of the diff, without the names of the files."""
    return tuple(_changes(clean_lines(diff.old).splitlines(), clean_lines(diff.new).splitlines()))


def counts(diff: Diff) -> tuple[int, int]:
    """How many lines came and went."""
    inks = [ink for _, ink in changes(diff)]
    return inks.count(Ink.GOOD), inks.count(Ink.BAD)


def _changes(old: list[str], new: list[str]) -> Iterator[Change]:
    if not old or len(old) + len(new) > _COMPARED:
        yield from ((f"+ {line}", Ink.GOOD) for line in new)
        return
    import difflib

    for number, line in enumerate(difflib.unified_diff(old, new, lineterm="", n=_AROUND)):
        if number < 2:  # the names of the files
            continue
        match line[:1]:
            case "+":
                yield f"+ {line[1:]}", Ink.GOOD
            case "-":
                yield f"- {line[1:]}", Ink.BAD
            case "@":
                yield line, Ink.FAINT
            case _:
                yield f"  {line[1:]}", Ink.DIM
