import sqlite3
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
