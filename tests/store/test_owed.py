"""Log lines between the last commit and a kill: written at the next start, none twice."""

from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.state import HiveState
from deia_tui.folder import Folder
from deia_tui.store.journal import Journal

from . import scenes

LIFE: list[ev.Event] = [
    *scenes.started("A"),
    scenes.asked("A", "m1"),
    *scenes.started("B"),
    scenes.exited("A"),
    scenes.asked("A", "m2"),
    scenes.exited("B"),
]
COMMITTED = [Recorded(seq, event) for seq, event in enumerate(LIFE, start=1)]


def journal_of(folder: Folder, version: int) -> Journal:
    return Journal(folder, state=HiveState(), registry_version=version, on_problem=pytest.fail)


def written(folder: Folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.logs.glob("*.jsonl"))}


def write(folder: Folder, recorded: list[Recorded]) -> dict[str, bytes]:
    journal = journal_of(folder, 0)
    journal.add(recorded)
    journal.close()
    return written(folder)


def caught_up(folder: Folder) -> dict[str, bytes]:
    journal = journal_of(folder, 4)
    journal.catch_up(COMMITTED)
    journal.close()
    return written(folder)


@pytest.mark.parametrize("told", range(len(COMMITTED) + 1))
def test_wherever_the_kill_came_every_line_is_there_once(folder: Folder, tmp_path: Path, told: int) -> None:
    other = Folder(tmp_path / "other")
    other.create()
    whole = write(other, COMMITTED)
    write(folder, COMMITTED[:told])
    assert caught_up(folder) == whole
    assert caught_up(folder) == whole


def test_each_file_may_be_behind_by_another_number_of_lines(folder: Folder) -> None:
    whole = write(folder, COMMITTED)
    for number, name in enumerate(whole):
        lines = whole[name].splitlines(keepends=True)
        (folder.logs / name).write_bytes(b"".join(lines[: max(0, len(lines) - number)]))
    assert caught_up(folder) == whole


def test_a_journal_that_was_just_set_aside_is_not_written_again(folder: Folder) -> None:
    write(folder, COMMITTED)
    journal = folder.logs / "A-activity.jsonl"
    journal.rename(journal.with_name("A-activity.jsonl.000001"))
    assert "A-activity.jsonl" not in caught_up(folder)


def test_a_last_line_from_before_is_followed_by_everything(folder: Folder) -> None:
    journal = folder.logs / "A-activity.jsonl"
    journal.write_bytes(b'{"timestamp":"1999-01-01T00:00:00.000+00:00"}\n')
    assert caught_up(folder)["A-activity.jsonl"].count(b"\n") > 3
