"""What lies under hive/tasks and hive/controls at one moment."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from deia_tui.core.ids import is_bot_id
from deia_tui.folder import Folder
from deia_tui.hive.files.pauses import paused_in
from deia_tui.hive.files.taskfolder import TaskFolder

Entries = Sequence[tuple[str, int]]
"""(name, inode)"""


@dataclass(slots=True)
class Survey:
    """`folders` with what may be tasks in them; `watched` are paths with their inodes, `paused` names of bots, `odd`
    sentences about what nobody takes care of."""

    folders: list[tuple[TaskFolder, Entries]] = field(default_factory=list)
    watched: dict[str, int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    odd: list[str] = field(default_factory=list)


def survey(folder: Folder, known: Collection[str], opened: Callable[[str], TaskFolder]) -> Survey:
    """The folders of known bots are made: a file moved to where none is would take its place. Raises OSError."""
    seen = Survey(paused=paused_in(folder.controls))
    tasks = folder.tasks
    for path in (tasks, *(tasks / bot_id for bot_id in known)):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
    with os.scandir(tasks) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for path in (tasks, folder.controls):
        seen.watched[str(path)] = path.stat().st_ino
    seen.folders.append((opened(""), opened("").names()))
    for name, is_folder in found:
        if not is_bot_id(name):
            continue
        if not is_folder:
            seen.odd.append(f"hive/tasks/{name} is no folder")
        elif name in known:
            seen.watched[str(tasks / name)] = (tasks / name).stat().st_ino
            seen.folders.append((opened(name), opened(name).names()))
        elif waiting := len(opened(name).names()):
            seen.odd.append(
                f"hive/tasks/{name} has {waiting} task file{'s'[: waiting > 1]} for a bot that does not exist"
            )
    return seen
