"""Log lines that a supervisor owes when it is killed between a commit and its journals: which of the newest lines are
missing. A file gets its lines in the order of events, so these are the ones that follow its last line."""

import json
import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from deia_tui.core.journal import Line

_TAIL = 64 * 1024


def owed(folder: Path, lines: Iterable[Line]) -> list[Line]:
    """Those of `lines`, in the order of events, that are not in their files in `folder` yet."""
    by_file = groupby(sorted(lines, key=lambda line: line[0]), key=lambda line: line[0])
    return [line for file, of_file in by_file for line in _after_last(folder / file, list(of_file))]


def _after_last(path: Path, lines: list[Line]) -> list[Line]:
    last = _last_row(path)
    if last is None:
        return [] if any(path.parent.glob(f"{path.name}.*")) else lines  # it was set aside: nobody knows
    for number in reversed(range(len(lines))):
        if json.loads(json.dumps(lines[number][1])) == last:
            return lines[number + 1 :]
    return [line for line in lines if line[1]["timestamp"] > str(last.get("timestamp", ""))]


def _last_row(path: Path) -> dict[str, object] | None:
    """The last whole line of a journal; None when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            rows = file.read().split(b"\n")[-2:-1]
    except FileNotFoundError:
        return None
    try:
        row = json.loads(rows[0]) if rows else None
    except ValueError:
        return {}
    return row if isinstance(row, dict) else None
