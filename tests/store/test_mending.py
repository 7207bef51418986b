"""A damaged state.db is set aside, never deleted; the newest sound backup takes its place; nothing is lost silently."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.store.backup import backups, take
from deia_tui.store.integrity import Verdict, inspect
from deia_tui.store.mending import Mended, examine
from deia_tui.store.store import Store

from . import scenes

NOISE = b"this is not a database, and long enough to be sure of it" * 200


def write_noise(path: Path) -> None:
    path.write_bytes(NOISE)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_to_nothing_much(path: Path) -> None:
    os.truncate(path, 60)


def spoil_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 3))


def put_another_database_there(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE other (x)")
        other.execute("PRAGMA user_version = 1")


def delete(path: Path) -> None:
    path.unlink()


HARMS = [write_noise, empty, cut_short, cut_to_nothing_much, spoil_the_middle, put_another_database_there]


async def keep(folder: Folder, *events: ev.Event) -> None:
    store = await Store.open(folder)
    await store.commit(events)
    await store.close()


async def opened(folder: Folder) -> tuple[Mended | None, list[str]]:
    """What opening did, and the bots that are there then."""
    store = await Store.open(folder)
    try:
        await store.commit([ev.HostStarted(at=scenes.AT, pid=1)])
        return store.examined.mended, sorted((await store.load()).bots)
    finally:
        await store.close()


def asides(folder: Folder) -> list[str]:
    return sorted(path.name for path in folder.deia.glob("state.db.*"))


@pytest.mark.parametrize("harm", HARMS)
async def test_the_newest_backup_takes_the_place_of_a_damaged_database(
    folder: Folder, harm: Callable[[Path], None]
) -> None:
    await keep(folder, *scenes.started("A"))
    backup = take(folder)
    await keep(folder, *scenes.started("B"))
    harm(folder.state_db)
    harmed = folder.state_db.read_bytes()
    mended, bots = await opened(folder)
    assert mended is not None
    assert mended.backup == backup
    assert mended.aside is not None
    assert mended.aside.read_bytes() == harmed
    assert asides(folder) == [mended.aside.name]
    assert bots == ["A"]
    assert await opened(folder) == (None, ["A"])


@pytest.mark.parametrize("harm", HARMS)
async def test_without_a_backup_the_hive_begins_anew_and_keeps_the_damaged_file(
    folder: Folder, harm: Callable[[Path], None]
) -> None:
    await keep(folder, *scenes.started("A"))
    harm(folder.state_db)
    mended, bots = await opened(folder)
    assert mended is not None
    assert (mended.backup, bots) == (None, [])
    assert asides(folder) == [mended.aside.name if mended.aside else ""]


async def test_a_damaged_backup_is_passed_over(folder: Folder) -> None:
    await keep(folder, *scenes.started("A"))
    older = take(folder, folder.backups / "state-20200101-000000.db")
    newer = take(folder)
    spoil_the_middle(newer.path)
    write_noise(folder.state_db)
    mended, bots = await opened(folder)
    assert mended is not None
    assert mended.backup is not None
    assert mended.backup.path == older.path
    assert bots == ["A"]


async def test_a_database_that_is_gone_is_restored(folder: Folder) -> None:
    await keep(folder, *scenes.started("A"))
    take(folder)
    folder.state_db.unlink()
    mended, bots = await opened(folder)
    assert mended is not None
    assert (mended.damage, mended.aside, bots) == ("it was missing", None, ["A"])


async def test_a_new_hive_has_nothing_to_mend(folder: Folder) -> None:
    assert await opened(folder) == (None, [])
    assert sorted(path.name for path in folder.deia.glob("*.db*")) == ["samples.db", "state.db"]


async def test_damage_found_only_while_opening_is_mended_as_well(folder: Folder) -> None:
    await keep(folder, *scenes.started("A"))
    take(folder)
    with closing(sqlite3.connect(folder.state_db)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'bots'").fetchone()
    with folder.state_db.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(os.urandom(4096))
    examined = examine(folder, look_s=0.0)
    if examined.mended is None:  # the look was over before it came to that page
        assert not examined.complete
    mended, bots = await opened(folder)
    assert (examined.mended or mended) is not None
    assert bots == ["A"]


async def test_a_log_nobody_can_read_is_set_aside_and_told_of(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    copy = Folder(folder.root / "copy")
    copy.create()
    copy.state_db.write_bytes(folder.state_db.read_bytes())
    wal = copy.deia / "state.db-wal"
    wal.write_bytes(NOISE)
    mended, bots = await opened(copy)
    assert mended is not None
    assert mended.kept
    assert bots == []
    assert mended.aside is not None
    assert mended.aside.read_bytes() == NOISE


@pytest.mark.parametrize("harm", [write_noise, empty, delete])
async def test_a_damaged_index_of_the_log_costs_nothing(
    folder: Folder, store: Store, harm: Callable[[Path], None]
) -> None:
    await store.commit(scenes.started("A"))
    copy = Folder(folder.root / "copy")
    copy.create()
    for suffix in ("", "-wal", "-shm"):
        (copy.deia / f"state.db{suffix}").write_bytes((folder.deia / f"state.db{suffix}").read_bytes())
    harm(copy.deia / "state.db-shm")
    assert await opened(copy) == (None, ["A"])


async def test_a_newer_version_is_no_damage(folder: Folder) -> None:
    await keep(folder, *scenes.started("A"))
    take(folder)
    with closing(sqlite3.connect(folder.state_db)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer deia-tui"):
        await Store.open(folder)
    assert asides(folder) == []


async def test_a_database_that_is_deleted_while_open_is_written_anew(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    assert store.in_place
    folder.state_db.unlink()
    assert not store.in_place
    before = await store.commit(scenes.started("B"))
    writing = [asyncio.create_task(store.commit([scenes.alert(number)])) for number in range(1, 21)]
    assert await store.put_back() is None
    await asyncio.gather(*writing)
    assert store.in_place
    (after,) = await store.commit([scenes.asked("B", "m")])
    assert after.seq == before[-1].seq + 21
    await store.close()
    assert sorted(path.name for path in folder.deia.glob("state.db*")) == ["state.db"]
    assert inspect(folder.state_db) == Verdict()
    assert await opened(folder) == (None, ["A", "B"])


async def test_another_file_in_its_place_is_set_aside(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    stranger = folder.deia / "stranger"
    write_noise(stranger)
    stranger.rename(folder.state_db)
    assert not store.in_place
    aside = await store.put_back()
    assert aside is not None
    assert aside.read_bytes() == NOISE
    assert store.in_place
    assert len(await store.events()) == 4
    assert len(backups(folder)) == 1
