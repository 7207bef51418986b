import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from deia_tui.core.errors import ConfigError
from deia_tui.store.database import migrate, migrations, open_writer

FIRST = "CREATE TABLE a (x TEXT DEFAULT 'a;b'); -- a comment\n\nCREATE INDEX i ON a (x);\n"
SECOND = "ALTER TABLE a ADD COLUMN y;\nCREATE TABLE b (x);\n"


def schema(path: Path) -> tuple[int, set[str]]:
    database = sqlite3.connect(path)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    database.close()
    return version, names


async def upgrade(path: Path, scripts: list[str]) -> None:
    connection = await open_writer(path, synchronous="FULL", busy_timeout_s=1.0)
    try:
        await migrate(connection, path, scripts)
    finally:
        await connection.close()


async def test_each_step_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await upgrade(path, [FIRST])
    assert schema(path) == (1, {"a", "i"})
    await upgrade(path, [FIRST, SECOND])
    await upgrade(path, [FIRST, SECOND])
    assert schema(path) == (2, {"a", "i", "b"})


async def test_a_step_that_fails_leaves_the_schema_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with pytest.raises(sqlite3.OperationalError):
        await upgrade(path, [FIRST, "CREATE TABLE b (x);\nCREATE TABLE a (x);\n"])
    assert schema(path) == (1, {"a", "i"})


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await upgrade(path, [FIRST, SECOND])
    with pytest.raises(ConfigError, match=r"schema 2, this one knows 1"):
        await upgrade(path, [FIRST])


def test_the_shipped_scripts_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (Path(__file__).parents[2] / "deia_tui/store/schema").glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert len(migrations()) == len(names)


ROWS = 20_000
WIDE = "CREATE TABLE a (x);\n"
SLOW = "CREATE TABLE b (x);\nINSERT INTO b SELECT x FROM a;\nCREATE INDEX i ON b (x);\nDROP TABLE a;\n"

MIGRATE = """
import asyncio, sys
from pathlib import Path
from deia_tui.store.database import migrate, open_writer

async def main(path, scripts):
    connection = await open_writer(path, synchronous="FULL", busy_timeout_s=1.0)
    print("begins", flush=True)
    await migrate(connection, path, scripts)
    await connection.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
"""


async def test_a_kill_in_the_middle_of_a_migration_leaves_the_old_schema_or_the_new(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    await upgrade(old, [WIDE])
    with closing(sqlite3.connect(old)) as database:
        database.executemany("INSERT INTO a VALUES (?)", ((f"{number:0100}",) for number in range(ROWS)))
        database.commit()
    for kill in range(20):
        path = tmp_path / f"{kill}.db"
        shutil.copyfile(old, path)
        await asyncio.to_thread(migrate_and_kill, path, after_s=kill * 0.003)
        version, names = schema(path)
        assert (version, names) in [(1, {"a"}), (2, {"b", "i"})]
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute(f"SELECT count(*) FROM {min(names)}").fetchone() == (ROWS,)
        await upgrade(path, [WIDE, SLOW])
        assert schema(path) == (2, {"b", "i"})


def migrate_and_kill(path: Path, *, after_s: float) -> None:
    """Kill it so long after it said that it begins."""
    with subprocess.Popen([sys.executable, "-c", MIGRATE, str(path), WIDE, SLOW], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        time.sleep(after_s)
        program.kill()
