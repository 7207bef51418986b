"""What becomes of a damaged state.db: it is set aside, never deleted, and the newest backup that is sound takes its
place; only without any the hive begins anew. What was done is told, for an alert."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deia_tui.core.errors import StoreError
from deia_tui.folder import Folder
from deia_tui.store.backup import Backup, backups, restore, stamp
from deia_tui.store.integrity import inspect, within

LOOK_S = 0.25
"""How long a start may look at the database before the bots are taken over."""

_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_WAL_HEADER = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """`aside` is where the damaged file is now (None: it was missing), `backup` what is in its place.

    `kept`: only the write-ahead log was damaged, and the database is there without it.
    """

    damage: str
    aside: Path | None
    backup: Backup | None
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """`complete`: the database was looked at from end to end."""

    mended: Mended | None = None
    complete: bool = True


def examine(folder: Folder, *, look_s: float = LOOK_S) -> Examined:
    """Look at state.db before anybody opens it, and mend what is broken. Raises StoreError when that is impossible."""
    path = folder.state_db
    if not path.exists():
        if _size(_beside(path, "-wal")) or backups(folder):
            return Examined(mended=mend(folder, "it was missing"))
        return Examined()
    mended = _drop_bad_wal(path)
    verdict = inspect(path, give_up=within(look_s))
    if verdict.damage:
        return Examined(mended=mend(folder, verdict.damage))
    return Examined(mended=mended, complete=verdict.complete)


def mend(folder: Folder, damage: str) -> Mended:
    """Put the newest sound backup in the place of state.db, or nothing where there is none."""
    aside: Path | None = None

    def make_room() -> None:
        nonlocal aside
        aside = set_aside(folder.state_db, "damaged")

    backup = _restore_newest(folder, make_room)
    if backup is None:
        make_room()
    return Mended(damage=damage, aside=aside, backup=backup)


def set_aside(path: Path, why: str) -> Path | None:
    """Rename a database with its log; the new name, None where there was no file."""
    name = f"{path.name}.{why}-{stamp(time.time())}"
    others = sum(1 for _ in path.parent.glob(f"{name}*"))
    aside = path.with_name(f"{name}-{others}" if others else name)
    _beside(path, "-shm").unlink(missing_ok=True)  # an index of the log, made anew whenever it is needed
    wal = _beside(path, "-wal")
    if _size(wal):
        wal = wal.rename(_beside(aside, "-wal"))
    else:
        wal.unlink(missing_ok=True)
    if path.exists():
        return path.rename(aside)
    return wal if wal.exists() else None


def _restore_newest(folder: Folder, make_room: Callable[[], None]) -> Backup | None:
    """The backup that was restored. A full disk is no reason to take an older one, or to begin anew."""
    for backup in backups(folder):
        if not inspect(backup.path).damage:
            try:
                restore(backup.path, folder, make_room)
            except StoreError as error:
                raise StoreError(
                    f"{folder.state_db} is damaged, and {backup.path} cannot be restored: {error}"
                ) from error
            return backup
    return None


def _drop_bad_wal(path: Path) -> Mended | None:
    """SQLite takes a log it cannot read for an empty one, and says nothing of the commits that were in it."""
    wal = _beside(path, "-wal")
    if _size(wal) <= _WAL_HEADER:
        return None
    with wal.open("rb") as log:
        if log.read(4) in _WAL_MAGIC:
            return None
    aside = wal.rename(_beside(path, f".damaged-{stamp(time.time())}-wal"))
    _beside(path, "-shm").unlink(missing_ok=True)
    return Mended(damage="its write-ahead log cannot be read", aside=aside, backup=None, kept=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
