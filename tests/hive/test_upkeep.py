"""What the hive does for its store while it runs, and what it tells of it."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots, SendMessage
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.state import Alert, Snapshot
from deia_tui.folder import Folder
from deia_tui.hive.hive import Hive
from deia_tui.hive.record import Record
from deia_tui.hive.upkeep import Upkeep
from deia_tui.settings import Settings
from deia_tui.store.backup import backups, take
from deia_tui.store.store import Store
from tests.hive.conftest import HiveInTest
from tests.store.limits import no_file_beyond

SOON = "[backup]\nevery_h = 0.0003\nkeep = 2\n"


def alert(lab: HiveInTest, kind: str, *, is_open: bool = True) -> Alert | None:
    return next((a for a in lab.state.alerts if a.kind == kind and (a.cleared_at is None) == is_open), None)


def spoil(path: Path) -> None:
    path.write_bytes(b"this is not a database, and long enough to be sure of it" * 100)


async def test_backups_are_made_by_the_clock_and_the_newest_kept(lab: HiveInTest) -> None:
    lab.configure(SOON)
    async with lab.supervised():
        await lab.until(lambda: len(backups(lab.folder)) == 2)
        first = backups(lab.folder)[-1]
        await lab.until(lambda: first not in backups(lab.folder))
        assert alert(lab, "backup") is None


async def test_a_backup_that_fails_is_told_until_one_works(lab: HiveInTest) -> None:
    lab.configure(SOON)
    async with lab.supervised():
        with no_file_beyond(65_536):
            await lab.until(lambda: alert(lab, "backup"))
        await lab.until(lambda: alert(lab, "backup", is_open=False))
        assert backups(lab.folder)


async def test_a_damaged_store_is_restored_and_told_and_bots_of_later_live_on(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", bot_id="KNOWN"))
        take(lab.folder)
        known = lab.bot("KNOWN").pid
        await hive.submit(LaunchBots(what="shell", bot_id="LATER"))
        os.kill(known or 0, signal.SIGKILL)
        await lab.until(lambda: lab.bot("KNOWN").run == 2 and lab.bot("KNOWN").state is BotState.RUNNING)
        before = {bot_id: (bot.run, bot.pid) for bot_id, bot in lab.state.bots.items()}
    spoil(lab.folder.state_db)
    async with lab.supervised() as hive:
        await lab.until(lambda: alert(lab, "store-mended"))
        told = alert(lab, "store-mended")
        assert told is not None
        assert "restored the backup state-" in told.text
        assert "state.db.damaged-" in told.text
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        assert {bot_id: (bot.run, bot.pid) for bot_id, bot in lab.state.bots.items()} == before
        assert (await lab.ask("LATER", "echo still here"))[0] == "still here\n"
        assert (await lab.ask("KNOWN", "echo me too"))[0] == "me too\n"


async def test_a_message_that_may_have_been_answered_since_the_backup_is_not_handed_over_again(lab: HiveInTest) -> None:
    done = lab.folder.root / "done"
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell"))
        [first] = await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 1"))
        [second] = await hive.submit(SendMessage(bot_id="BOT-001", text=f"mkdir {done}"))
        take(lab.folder)
        await lab.until(done.exists)
        await lab.answer("BOT-001", second)
    spoil(lab.folder.state_db)
    async with lab.supervised() as hive:
        await lab.until(lambda: lab.bot().state is BotState.RUNNING)
        turns = {turn.message_id: turn.status for turn in await hive.chat("BOT-001")}
        assert turns == {first: "interrupted", second: "interrupted"}
        assert (lab.bot().queued, lab.bot().message_id) == ((), None)
        assert (await lab.ask("BOT-001", "echo goes on"))[0] == "goes on\n"


async def test_without_a_backup_the_hive_begins_anew_and_adopts_who_lives(lab: HiveInTest) -> None:
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        before = {bot_id: (bot.run, bot.pid) for bot_id, bot in lab.state.bots.items()}
    spoil(lab.folder.state_db)
    async with lab.supervised():
        await lab.until(lambda: alert(lab, "store-mended"))
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        assert {bot_id: (bot.run, bot.pid) for bot_id, bot in lab.state.bots.items()} == before


async def test_a_database_deleted_while_it_is_open_is_put_back(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        lab.folder.state_db.unlink()
        await lab.until(lambda: alert(lab, "store-file"), timeout_s=60)
        assert (await lab.ask("BOT-001", "echo on"))[0] == "on\n"
    with closing(sqlite3.connect(lab.folder.state_db)) as database:
        assert database.execute("SELECT bot_id FROM bots").fetchall() == [("BOT-001",)]
        assert database.execute("SELECT count(*) FROM events WHERE type = 'turn_ended'").fetchone() == (1,)


async def test_a_store_that_takes_nothing_is_shown_at_once_and_written_down_later(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        with no_file_beyond(100):
            os.kill(lab.bot().pid or 0, signal.SIGKILL)
            await lab.until(lambda: alert(lab, "store"))
        await lab.until(lambda: alert(lab, "store", is_open=False))
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING)
        raised = [entry.event for entry in await hive.events(limit=1000) if getattr(entry.event, "kind", "") == "store"]
        assert len(raised) == 1


async def test_a_log_that_a_pinned_reader_lets_grow_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    store = await Store.open(folder)
    record = Record(store, Snapshot(), next_alert_id=1, publish=lambda snapshot: None)
    keeping = asyncio.create_task(Upkeep(folder, store, record, Settings(), max_log_bytes=1_000_000).tend())
    with closing(sqlite3.connect(folder.state_db, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM events").fetchone()
        big = ev.HiveClosed(at=0.0, reason="x" * 2_000_000)
        await record.add(big)
        deadline = time.monotonic() + 30
        while not record.state.alerts:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    assert "keeps a transaction" in record.state.alerts[0].text
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, for those who may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_a_full_disk_is_loud_and_heals(small_disk: Path) -> None:
    lab = HiveInTest(small_disk)
    ballast = small_disk / "ballast"
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        first = lab.bot().pid
        sender = asyncio.create_task(send_until_refused(hive))
        await lab.until(lambda: alert(lab, "store"), timeout_s=60)
        acknowledged = await sender
        os.kill(first or 0, signal.SIGKILL)
        ballast.unlink()
        await lab.until(lambda: lab.bot().run == 2 and lab.bot().state is BotState.RUNNING, timeout_s=60)
        await lab.until(lambda: alert(lab, "store", is_open=False), timeout_s=60)
        stored = {turn.message_id for turn in await hive.chat("BOT-001", limit=10_000)}
        assert stored >= acknowledged
    for log in lab.folder.logs.glob("*.jsonl"):
        for line in log.read_text().splitlines():
            json.loads(line)


async def send_until_refused(hive: Hive) -> set[str]:
    """The ids of messages that were acknowledged before the store refused one."""
    acknowledged = set()
    while True:
        try:
            acknowledged.update(await hive.submit(SendMessage(bot_id="BOT-001", text="echo " + "x" * 20_000)))
        except StoreError:
            return acknowledged
        except CommandRejected:  # its queue is full
            await asyncio.sleep(0.01)
