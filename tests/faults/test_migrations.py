"""The program is killed while it brings the store to a newer schema: there is the old one or the new one."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from random import Random, SystemRandom

import pytest

from deia_tui.store.database import migrations
from tests.faults.closing import close_soundly
from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive
from tests.hives import PROGRAM, until

KILLS = 20
AT_ONCE = 5
SCRIPTS = migrations()


def make(path: Path, version: int) -> None:
    """An empty store of that schema."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for script in SCRIPTS[:version]:
            database.executescript(script)
        database.execute(f"PRAGMA user_version = {version}")


def schema(path: Path) -> tuple[int, frozenset[str]]:
    """The version, and everything that was created."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (version,) = database.execute("PRAGMA user_version").fetchone()
        return version, frozenset(sql for (sql,) in database.execute("SELECT sql FROM sqlite_master") if sql)


@pytest.fixture
def hives(tmp_path: Path) -> Iterator[list[FaultyHive]]:
    made = [FaultyHive(tmp_path / str(number)) for number in range(KILLS)]
    try:
        yield made
    finally:
        for hive in made:
            hive.end()


@pytest.mark.fault(27)
def test_killed_while_it_migrates_the_store_is_old_or_new(
    hives: list[FaultyHive], tmp_path: Path, measured: Measured
) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or SystemRandom().randrange(1 << 32))
    random = Random(seed)
    known = set[tuple[int, frozenset[str]]]()
    for version in range(len(SCRIPTS) + 1):
        make(reference := tmp_path / f"schema-{version}.db", version)
        known.add(schema(reference))
    instants = [random.uniform(0, 0.03) for _ in hives]
    for hive in hives:
        make(hive.folder.state_db, random.randrange(len(SCRIPTS)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(_kill_while_it_opens_its_store, hives, instants))
    assert set(found) <= known, f"between schemas, FAULTS_SEED={seed}"
    for hive in hives[:2]:
        hive.serve()
        hive.launch("shell", 1)
        close_soundly(hive)
        assert schema(hive.folder.state_db)[0] == len(SCRIPTS)
    left = Counter(version for version, _ in found)
    measured(f"left at schema {', '.join(f'{version}: {count}×' for version, count in sorted(left.items()))}")
    measured(f"FAULTS_SEED={seed}")


def _kill_while_it_opens_its_store(hive: FaultyHive, after_s: float) -> tuple[int, frozenset[str]]:
    """The schema that is left."""
    supervisor = hive.start([*PROGRAM, "--hive", str(hive.root), "serve"])
    until(lambda: _has_open(supervisor.pid, hive.folder.state_db), "the store to be opened", pause=0.001)
    time.sleep(after_s)  # the instant of the kill is the fault
    hive.kill_nine(supervisor)
    return schema(hive.folder.state_db)


def _has_open(pid: int, path: Path) -> bool:
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if os.readlink(fd) == str(path):
                    return True
    return False
