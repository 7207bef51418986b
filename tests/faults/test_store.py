"""The store is killed, locked, pinned, filled and taken away: what was acknowledged stays, and the trouble is told."""

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import NEVER, FaultyHive, hit, is_live, needs, needs_root
from tests.hives import until

KILLS = 25
SENDERS = 3


@pytest.mark.fault(26)
def test_killed_at_any_instant_what_was_acknowledged_is_there(hive: FaultyHive, measured: Measured) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or SystemRandom().randrange(1 << 32))
    random = Random(seed)
    supervisor = hive.serve()
    bots = hive.launch("shell", SENDERS)
    pids = hive.pids()
    over = threading.Event()
    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(_send_on_and_on, hive, bot_id, over) for bot_id in bots]
        try:
            for _ in range(KILLS):
                time.sleep(random.uniform(0, 0.15))  # the instant of the kill is the fault
                hive.kill_nine(supervisor)
                supervisor = hive.serve()
        finally:
            over.set()
        assert sum(sender.result() for sender in sending) == len(hive.acknowledged)
    assert hive.pids() == pids
    assert len(hive.events("hive_opened")) == KILLS + 1
    assert len(hive.acknowledged) > KILLS
    measured(f"{KILLS} kills, {len(hive.acknowledged)} messages acknowledged, FAULTS_SEED={seed}")


def _send_on_and_on(hive: FaultyHive, bot_id: str, over: threading.Event) -> int:
    """How many messages were acknowledged."""
    number = count = 0
    while not over.is_set():
        number += 1
        text, message_id = f"echo {number} {'x' * (number * 37 % 2000)}", f"{bot_id}-{number}"
        try:
            status, answer = hive.call("POST", f"/api/bot/send/{bot_id}", {"text": text, "message_id": message_id})
        except NEVER:
            over.wait(0.005)
            continue
        if status == 200:
            hive.acknowledged[answer["message_id"], bot_id] = text
            count += 1
        else:
            assert status in (409, 429, 503), answer
            over.wait(0.01)
    return count


@pytest.mark.fault(29)
def test_a_database_that_another_program_locks_keeps_nobody_from_looking(hive: FaultyHive, measured: Measured) -> None:
    console = hive.console()
    hive.launch("shell", 2)
    with ThreadPoolExecutor(1) as pool:
        with _transaction(hive, "EXCLUSIVE"):
            sending = pool.submit(hive.send, "BOT-001", "echo patience")
            hit(hive.pids()["BOT-002"])
            took_s = is_live(console)
            locked_until = time.monotonic() + 1.5
            while time.monotonic() < locked_until:
                assert hive.ask("GET", "/api/status")["supervisor"]["mode"] == "console"
                time.sleep(0.1)
            assert not sending.done(), "acknowledged before it was stored"
        assert hive.turn(sending.result())["status"] == "answered"
    hive.until_running("BOT-002", run=2)
    [exited] = hive.events("bot_exited")
    assert exited["exit"]["signal"] == "SIGKILL"
    measured(f"help shown after {1000 * took_s:.0f} ms while it was locked")


@pytest.mark.fault(30)
def test_a_reader_that_does_not_end_is_told_of_once_the_log_grows(hive: FaultyHive, measured: Measured) -> None:
    writes = "import sys; [print(number, 'x' * 1000) for number in range(6000)]"
    hive.configure(hive.agent("writer", hive.script("writer", writes)))
    hive.serve()
    hive.launch("writer", 1)
    wal = hive.folder.state_db.with_name("state.db-wal")
    with _transaction(hive, "DEFERRED") as reader:
        before = reader.execute("SELECT count(*) FROM events").fetchone()
        assert hive.turn(hive.send("BOT-001", "write"))["status"] == "answered", "readers hold up no writer"
        assert wal.stat().st_size > 4_000_000, "nothing of it could be moved into the database"
        os.truncate(wal, 300_000_000)  # as if it had gone on for days; what is no frame is no matter
        [alert] = until(lambda: hive.alerts("store-log"), "an alert", pause=0.2)
        assert reader.execute("SELECT count(*) FROM events").fetchone() == before
    hive.turn(hive.send("BOT-001", "write"))
    hive.turn(hive.send("BOT-001", "write"))
    hive.until_event("alert_cleared", alert_id=alert["alert_id"])
    assert wal.stat().st_size < 100_000_000
    measured(alert["text"])


@contextmanager
def _transaction(hive: FaultyHive, kind: str) -> Iterator[sqlite3.Connection]:
    """Another program's, open on the store of the hive."""
    with closing(sqlite3.connect(hive.folder.state_db, isolation_level=None, timeout=30)) as database:
        database.execute(f"BEGIN {kind}")
        database.execute("SELECT count(*) FROM events").fetchone()
        yield database
        database.execute("ROLLBACK")


@pytest.mark.fault(31)
def test_who_hangs_up_in_the_middle_leaves_no_lock_and_no_half(hive: FaultyHive) -> None:
    hive.serve()
    hive.launch("shell", 2)
    sent = []
    for number in range(30):
        text = f"echo {number}"
        with hive.line() as line:
            line.request("POST", f"/api/bot/send/BOT-00{number % 2 + 1}", f'{{"text": "{text}"}}', _JSON)
            time.sleep(0.001 * (number % 4))  # gone before, while or after it is stored
        with hive.line() as line:
            line.request("GET", "/api/events?forever=true")
        sent.append(text)
    with closing(sqlite3.connect(hive.folder.state_db, isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    until(lambda: not hive.query("SELECT 1 FROM messages WHERE ended_at IS NULL"), "what was stored to be done")
    stored = hive.query("SELECT text, status FROM messages")
    assert {text for text, _ in stored} <= set(sent)
    assert {status for _, status in stored} <= {"answered"}
    assert hive.turn(hive.send("BOT-001", "echo and on it goes"))["status"] == "answered"


_JSON = {"Content-Type": "application/json"}


@pytest.mark.fault(28)
def test_a_database_that_is_deleted_under_the_hive_is_told_of_and_not_lost(hive: FaultyHive) -> None:
    supervisor = hive.serve()
    hive.launch("shell", 2)
    before = hive.send("BOT-001", "echo before")
    hive.turn(before)
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (hive.folder.deia / name).unlink()
    after = hive.send("BOT-001", "echo after")
    until(hive.folder.state_db.exists, "the database to be put back", timeout=60)
    [alert] = until(lambda: hive.alerts("store-file"), "an alert", pause=0.2)
    assert alert["level"] == "critical"
    assert hive.turn(after)["status"] == "answered"
    pids = hive.pids()
    hive.kill_nine(supervisor)
    hive.serve()
    hive.until_running(*pids, run=1)
    assert hive.pids() == pids
    assert [hive.answer(message) for message in (before, after)] == ["before\n", "after\n"]


@pytest.mark.fault(25)
def test_logs_on_a_full_disk_go_on_with_a_whole_line_once_there_is_room(hive: FaultyHive) -> None:
    with _tmpfs(hive.folder.logs, kilobytes=256) as disk:
        hive.serve()
        hive.launch("shell", 2)
        hive.turn(hive.send("BOT-001", "echo before"))
        (filler := disk / "filler").write_bytes(b"")
        with filler.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * 100)  # to the last byte: a line may still fit in part
                except OSError:
                    break
        for number in range(20):
            hive.turn(hive.send("BOT-001", f"echo {number}"))
        hit(hive.pids()["BOT-002"])
        hive.until_running("BOT-002", run=2)
        [alert] = until(lambda: hive.alerts("disk"), "an alert", pause=0.1)
        filler.unlink()
        last = hive.send("BOT-001", "echo after")
        assert hive.turn(last)["status"] == "answered"
        hive.until_event("alert_cleared", alert_id=alert["alert_id"])
        until(lambda: _was_logged(hive, last), "the journal to go on", pause=0.1)
        for path in sorted(disk.glob("*.jsonl")):
            assert path.read_bytes().endswith(b"\n")
        crashes = [row for row in hive.journal("BOT-002-errors.jsonl") if row["context"].get("signal") == "SIGKILL"]
        assert len(crashes) == 1, "what happened meanwhile is told later"


def _was_logged(hive: FaultyHive, message_id: str) -> bool:
    return any(row["context"].get("message_id") == message_id for row in hive.journal("BOT-001-activity.jsonl"))


@contextmanager
def _tmpfs(path: Path, *, kilobytes: int) -> Iterator[Path]:
    needs("mount", "umount")
    needs_root()
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={kilobytes}k,mode=0700"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=False).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
