"""Backups of a hive: one verified SQLite file with everything of state.db, hive.toml and the templates.

A copy is made of one snapshot, by a connection that cannot write: commits go on meanwhile, and nobody but the writer
ever checkpoints. A file has its name only once it was verified and is durable.
"""

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.folder import Folder, write_atomic
from deia_tui.store.database import check_version, translated
from deia_tui.store.integrity import inspect, never

PAGES = 256
"""Copied in one step (1 MB); between two steps the disk belongs to the others."""
PAUSE_S = 0.002
RESERVE = 64_000_000
"""Bytes a backup leaves free on its disk: the hive itself must be able to write."""
STALE_S = 3600.0
MARKS_SINCE = 2
"""The schema that has the table `marks`."""

_NAME = re.compile(r"state-(\d{8}-\d{6})\.db")
_FILES = "CREATE TABLE hive_files (path TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class Backup:
    """`at` is unix seconds."""

    path: Path
    at: float
    size: int


def stamp(at: float) -> str:
    """A moment as part of a file's name, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d-%H%M%S")


def backups(folder: Folder) -> list[Backup]:
    """Those on the schedule, newest first."""
    found = []
    for path in folder.backups.glob("state-*.db"):
        if (name := _NAME.fullmatch(path.name)) is not None:
            with suppress(OSError, ValueError):  # just rotated away, or named so by somebody else
                at = datetime.strptime(name[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
                found.append(Backup(path, at, path.stat().st_size))
    return sorted(found, key=lambda backup: backup.at, reverse=True)


def take(folder: Folder, target: Path | None = None, *, give_up: Callable[[], bool] = never) -> Backup:
    """Back the hive up, whether it is supervised or not, to `target` or among the others. Raises StoreError.

    `give_up` ends it early: StoreError, and nothing is left behind.
    """
    if not folder.state_db.exists():
        raise StoreError(f"There is nothing to back up: {folder.state_db} does not exist.")
    with translated(folder.state_db), closing(_read_only(folder.state_db)) as source:
        source.execute("BEGIN")  # what is committed from here on is not in it, and does not start it over
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return save(source.backup, folder, target, give_up=give_up)


def save(
    copy: Callable[..., None], folder: Folder, target: Path | None = None, *, give_up: Callable[[], bool] = never
) -> Backup:
    """As `take`, from a connection whose method `backup` is `copy`."""
    at = float(int(time.time()))
    target = target or folder.backups / f"state-{stamp(at)}.db"

    def pause(status: int, remaining: int, total: int) -> None:
        if give_up():
            raise StoreError("The backup was given up.")
        time.sleep(PAUSE_S)

    with unfinished(target) as draft:
        _check_room(folder.state_db, target)
        with closing(sqlite3.connect(draft, isolation_level=None, check_same_thread=False)) as connection:
            copy(connection, pages=PAGES, progress=pause)
            connection.execute("PRAGMA journal_mode = DELETE")  # one file, with no other beside it
            _add_files(connection, folder)
        _verify(draft, folder.state_db, give_up=give_up)
    return Backup(target, at, target.stat().st_size)


def restore(source: Path, folder: Folder, make_room: Callable[[], None], *, set_back: bool = True) -> dict[str, bytes]:
    """Put a backup where state.db is, once `make_room` has moved away what lies there. Raises StoreError.

    `set_back` marks that more has happened than it knows. Returns the other files of the hive that are in it, by their
    path in `.deia/`.
    """
    with translated(source):
        _verify(source, source)
        with (
            unfinished(folder.state_db, ready=make_room) as draft,
            closing(_read_only(source)) as found,
            closing(sqlite3.connect(draft, isolation_level=None)) as copy,
        ):
            (version,) = found.execute("PRAGMA user_version").fetchone()
            check_version(version, source)
            found.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if set_back and version >= MARKS_SINCE:
                copy.execute("INSERT OR REPLACE INTO marks VALUES ('set_back', 1)")
            return _take_files(copy)


def rotate(folder: Folder, keep: int) -> None:
    """Remove all but the newest `keep`, and what a backup that was killed left."""
    for backup in backups(folder)[keep:]:
        backup.path.unlink(missing_ok=True)
    for draft in folder.backups.glob(".*.tmp*"):
        if time.time() - draft.stat().st_mtime > STALE_S:
            draft.unlink(missing_ok=True)


def restore_files(files: dict[str, bytes], folder: Folder, now: float) -> list[Path]:
    """Write settings and templates of a backup; what differs now is kept beside it. Returns what was replaced."""
    replaced = []
    for name, content in files.items():
        path = folder.deia / name
        if not path.resolve().is_relative_to(folder.deia.resolve()):
            raise ConfigError(f"The backup would write outside of {folder.deia} ({name}): it is not one of ours.")
        if path.exists():
            if path.read_bytes() == content:
                continue
            path.rename(path.with_name(f"{path.name}.replaced-{stamp(now)}"))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, content)
        replaced.append(path)
    return replaced


@contextmanager
def unfinished(target: Path, *, ready: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """A file beside `target` that takes its name at the end, durable and once `ready` was called; else it goes."""
    with translated(target):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            yield draft
            _sync(draft)
            ready()
            draft.rename(target)
            _sync(target.parent)
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def _check_room(source: Path, target: Path) -> None:
    size = source.stat().st_size if source.exists() else 0
    free = shutil.disk_usage(target.parent).free
    if free < size + RESERVE:
        needed = (size + RESERVE) / 1e6
        raise StoreError(f"A backup needs {needed:,.0f} MB free at {target.parent}, there are {free / 1e6:,.0f}.")


def _verify(path: Path, original: Path, *, give_up: Callable[[], bool] = never) -> None:
    verdict = inspect(path, give_up=give_up)
    if verdict.damage:
        raise StoreError(f"{original} is damaged ({verdict.damage}).")
    if not verdict.complete:
        raise StoreError("The backup was given up.")


def _add_files(connection: sqlite3.Connection, folder: Folder) -> None:
    connection.execute("BEGIN")
    connection.execute(_FILES)
    for path in (folder.hive_toml, *sorted(folder.templates.glob("*.toml"))):
        if path.is_file():
            row = (str(path.relative_to(folder.deia)), path.read_bytes())
            connection.execute("INSERT INTO hive_files VALUES (?, ?)", row)
    connection.execute("COMMIT")


def _take_files(connection: sqlite3.Connection) -> dict[str, bytes]:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'hive_files'").fetchone():
        return {}
    files = dict(connection.execute("SELECT path, content FROM hive_files").fetchall())
    connection.execute("DROP TABLE hive_files")
    return files


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
