import asyncio
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.folder import Folder
from deia_tui.store.backup import backups, restore, restore_files, rotate, take
from deia_tui.store.integrity import Verdict, inspect, within
from deia_tui.store.mending import set_aside
from deia_tui.store.store import Store

from . import scenes
from .limits import no_file_beyond

BIG = "x" * 100_000


def put(folder: Folder, source: Path) -> dict[str, bytes]:
    return restore(source, folder, lambda: set_aside(folder.state_db, "replaced"))


async def test_a_backup_holds_the_whole_state_in_one_private_file(folder: Folder, store: Store) -> None:
    folder.hive_toml.write_text("[hive]\nname = 'one'\n")
    (folder.templates / "shell.toml").write_text("agent = 'shell'\n")
    await store.commit(scenes.started("A"))
    backup = await store.back_up()
    assert [path.name for path in folder.backups.iterdir()] == [backup.path.name]
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    assert (backup.size, abs(time.time() - backup.at) < 60) == (backup.path.stat().st_size, True)
    await store.commit(scenes.started("B"))
    await store.close()
    files = put(folder, backup.path)
    assert files == {"hive.toml": b"[hive]\nname = 'one'\n", "templates/shell.toml": b"agent = 'shell'\n"}
    store = await Store.open(folder)
    assert sorted((await store.load()).bots) == ["A"]
    assert store.examined.mended is None
    await store.close()


async def test_a_backup_is_one_moment_of_a_store_that_goes_on(folder: Folder, store: Store) -> None:
    """Units of two events are committed all the while: none is in the copy by half, and none waits for it."""
    await store.commit(scenes.started("A"))
    await store.commit([scenes.output("A", "m", BIG, frame) for frame in range(1, 60)])
    done = asyncio.Event()

    async def go_on() -> int:
        units = 0
        while not done.is_set():
            await store.commit([scenes.launched(f"B{units}"), scenes.starting(f"B{units}")])
            units += 1
        return units

    going = asyncio.create_task(go_on())
    backup = await store.back_up()
    done.set()
    assert await going > 0
    with closing(sqlite3.connect(backup.path)) as copy:
        kinds = dict(copy.execute("SELECT type, count(*) FROM events GROUP BY type").fetchall())
    assert kinds["bot_launched"] == kinds["bot_starting"]


async def test_nobody_but_the_writer_checkpoints(folder: Folder, store: Store) -> None:
    """Two connections that checkpoint at once can lose rows in SQLite 3.7.0 to 3.51.2."""
    await store.commit(scenes.started("A"))
    before = folder.state_db.read_bytes()
    await store.back_up()
    await store.inspect()
    take(folder, folder.root / "copy.db")
    await store.events()
    assert folder.state_db.read_bytes() == before
    assert store.log_bytes > 0


async def test_a_backup_that_is_given_up_leaves_nothing(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    await store.commit([scenes.output("A", "m", BIG, frame) for frame in range(1, 60)])
    work = asyncio.create_task(store.back_up())
    await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    deadline = time.monotonic() + 20
    while folder.backups.exists() and list(folder.backups.iterdir()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_disk_that_is_full_fails_the_backup_and_nothing_else(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    await store.commit([scenes.output("A", "m", BIG, frame) for frame in range(1, 60)])
    with no_file_beyond(2_000_000), pytest.raises(StoreError):
        await store.back_up()
    assert list(folder.backups.iterdir()) == []
    assert (await store.back_up()).size > 5_000_000


async def test_the_newest_are_kept(folder: Folder) -> None:
    await (await Store.open(folder)).close()
    for day in range(1, 6):
        take(folder, folder.backups / f"state-2026010{day}-120000.db")
    (folder.backups / "state-by-hand.db").write_bytes(b"mine")
    rotate(folder, 2)
    assert [backup.path.name for backup in backups(folder)] == ["state-20260105-120000.db", "state-20260104-120000.db"]
    assert (folder.backups / "state-by-hand.db").exists()


def test_without_a_store_there_is_nothing_to_back_up(folder: Folder) -> None:
    with pytest.raises(StoreError, match="nothing to back up"):
        take(folder)


async def test_a_bad_file_is_not_restored_and_changes_nothing(folder: Folder) -> None:
    await (await Store.open(folder)).close()
    before = folder.state_db.read_bytes()
    for content, reason in ((b"no database at all" * 50, "damaged"), (b"", "empty")):
        bad = folder.root / "bad.db"
        bad.write_bytes(content)
        with pytest.raises(StoreError, match=reason):
            put(folder, bad)
    newer = take(folder, folder.root / "newer.db").path
    with closing(sqlite3.connect(newer)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer deia-tui"):
        put(folder, newer)
    assert folder.state_db.read_bytes() == before
    assert not [path for path in folder.deia.iterdir() if "replaced" in path.name or "tmp" in path.name]


def test_settings_that_differ_are_kept_beside_the_restored_ones(folder: Folder) -> None:
    folder.hive_toml.write_text("new")
    (folder.templates / "same.toml").write_text("same")
    files = {"hive.toml": b"old", "templates/same.toml": b"same", "templates/gone.toml": b"back"}
    replaced = restore_files(files, folder, 0.0)
    assert replaced == [folder.hive_toml, folder.templates / "gone.toml"]
    assert (folder.hive_toml.read_text(), (folder.templates / "gone.toml").read_text()) == ("old", "back")
    assert (folder.deia / "hive.toml.replaced-19700101-000000").read_text() == "new"


def test_a_backup_writes_nowhere_but_into_its_hive(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="outside"):
        restore_files({"../evil": b"x"}, folder, 0.0)


async def test_an_inspection_ends_when_its_time_is_over(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    await store.commit([scenes.output("A", "m", str(frame), frame) for frame in range(1, 20_000)])
    assert inspect(folder.state_db, give_up=within(0.0)) == Verdict(complete=False)
    assert inspect(folder.state_db) == Verdict() == await store.inspect()
