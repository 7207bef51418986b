"""How a database file is opened: pragmas, the migrations in schema/, and what SQLite's errors mean in a sentence."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

import aiosqlite

from deia_tui.core.errors import ConfigError, StoreError

SCHEMA = Path(__file__).parent / "schema"
_CLOSED = ("no active connection", "Connection closed")
"""How aiosqlite says, as a ValueError, that a connection was closed."""


async def open_writer(
    path: Path, *, synchronous: Literal["FULL", "NORMAL"], busy_timeout_s: float
) -> aiosqlite.Connection:
    """The one connection that writes to `path`; makes the file (0600) when there is none.

    It is the only one that ever checkpoints: SQLite 3.7.0 to 3.51.2 can lose rows when two do so at once.
    """
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # Autocommit: every transaction is begun by name, so that none is ever begun by accident.
    # Few statements are kept prepared: an INSERT of many rows is a large one, and there is one for each count.
    connection = await aiosqlite.connect(path, isolation_level=None, timeout=busy_timeout_s, cached_statements=32)
    try:
        connection.row_factory = sqlite3.Row
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute(f"PRAGMA synchronous = {synchronous}")
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.execute("PRAGMA wal_autocheckpoint = 1000")
        await connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        await connection.close()
        raise
    return connection


async def open_reader(path: Path, *, busy_timeout_s: float) -> aiosqlite.Connection:
    """A connection that can neither write nor checkpoint."""
    connection = await aiosqlite.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=busy_timeout_s
    )
    connection.row_factory = sqlite3.Row
    return connection


def migrations(folder: Path = SCHEMA) -> list[str]:
    """The scripts, in order: the first makes schema 1 of an empty database, the next schema 2 of that, …"""
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))]


async def migrate(connection: aiosqlite.Connection, path: Path, scripts: list[str]) -> None:
    """Bring `path` to the newest schema, each step in one transaction; raise ConfigError when it is newer than that."""
    while (version := await _version(connection)) < len(scripts):
        async with transaction(connection):
            # Somebody else may have taken this step while we waited for the lock.
            if await _version(connection) == version:
                for statement in _statements(scripts[version]):
                    await connection.execute(statement)
                await connection.execute(f"PRAGMA user_version = {version + 1}")
    check_version(version, path, known=len(scripts))


def check_version(version: int, path: Path, *, known: int | None = None) -> None:
    """Raise ConfigError for a schema newer than the `known` ones."""
    known = len(migrations()) if known is None else known
    if version > known:
        raise ConfigError(
            f"{path} was written by a newer deia-tui (schema {version}, this one knows {known}): "
            "install that version, or choose another folder with --hive DIR."
        )


async def _version(connection: aiosqlite.Connection) -> int:
    async with connection.execute("PRAGMA user_version") as cursor:
        (version,) = await cursor.fetchone() or (0,)
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit first, so the script is cut here: at every line that completes a statement."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@asynccontextmanager
async def transaction(connection: aiosqlite.Connection) -> AsyncIterator[None]:
    """All of it or nothing, and no lock is left behind."""
    await connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        await connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What SQLite and the file system say about `path` becomes a StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise explain(error, path) from error


def explain(error: Exception, path: Path) -> StoreError:
    """One sentence that says what to do."""
    reason = str(error)
    match getattr(error, "sqlite_errorname", "").split("_")[1:2]:
        case ["BUSY" | "LOCKED"]:
            return StoreError(f"{path} is locked by another program: end that program, then try again.")
        case ["FULL"]:
            return StoreError(f"{path} cannot grow because the disk is full: free some space, then try again.")
        case ["READONLY" | "CANTOPEN" | "PERM"]:
            return StoreError(f"{path} cannot be opened for writing ({reason}): check its owner and permissions.")
        case ["CORRUPT" | "NOTADB"]:
            return StoreError(f"{path} is damaged ({reason}): put a backup in its place with 'deia-tui restore'.")
        case _ if reason in _CLOSED:
            return StoreError("The store is closed.")
        case _:
            return StoreError(f"{path} cannot be used ({reason}).")
