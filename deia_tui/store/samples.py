"""Telemetry: one row per bot and second in samples.db, for 24 hours. Nothing depends on it: the file may be deleted."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import aiosqlite

from deia_tui.core.journal import Sample
from deia_tui.store.database import open_writer, translated

KEEP_S = 24 * 3600
PRUNE_EVERY_S = 3600

# Times first: a second is written, and a day later dropped, in one place of the file.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    at INTEGER, bot_id TEXT, cpu REAL, memory_mb REAL, processes INTEGER, threads INTEGER, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID
"""

_ADD = f"""
INSERT OR REPLACE INTO samples
SELECT ?1, {", ".join(f"json_extract(value, '$[{place}]')" for place in range(5))} FROM json_each(?2)
"""


class Samples:
    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._prune_at = 0.0

    @classmethod
    async def open(cls, path: Path, *, busy_timeout_s: float) -> "Samples":
        """A file that is no database any more is replaced by an empty one."""
        with translated(path):
            try:
                return cls(await _open(path, busy_timeout_s), path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                return cls(await _open(path, busy_timeout_s), path)

    async def close(self) -> None:
        await self._connection.close()

    async def add(self, at: float, rows: Mapping[str, Sample]) -> None:
        """A second sample in the same second replaces the first. Rows older than KEEP_S go now and then."""
        with translated(self._path):
            # One statement, and so one transaction.
            await self._connection.execute(
                _ADD, (int(at), json.dumps([[bot_id, *row] for bot_id, row in rows.items()]))
            )
            if at >= self._prune_at:
                await self.prune(at)

    async def prune(self, now: float) -> None:
        self._prune_at = now + PRUNE_EVERY_S
        with translated(self._path):
            await self._connection.execute("DELETE FROM samples WHERE at < ?", (int(now - KEEP_S),))


async def _open(path: Path, busy_timeout_s: float) -> aiosqlite.Connection:
    connection = await open_writer(path, synchronous="NORMAL", busy_timeout_s=busy_timeout_s)
    try:
        await connection.execute(_SCHEMA)
    except BaseException:
        await connection.close()
        raise
    return connection
