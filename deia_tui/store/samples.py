"""Telemetry in samples.db: a row per bot and second for 24 hours, per minute for 30 days, per hour for 400 days.

Nothing depends on it: the file may be deleted. 100 bots: 8.6 million seconds, 4.3 million minutes and 1 million hours.
Metrics are rows of five minutes for 8 days, then of an hour, for 400 days in all: of 100 bots 0.2 and 1 million rows.
"""

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiosqlite

from deia_tui.core import metricsreport
from deia_tui.core.journal import Sample
from deia_tui.core.metrics import Window
from deia_tui.store.database import open_writer, transaction, translated

DAY_S = 24 * 3600
ROLL_EVERY_S = 60
AT_ONCE_S = 600
"""At most the seconds of so much time are rolled up in one go: samples wait for it."""


@dataclass(frozen=True, slots=True)
class _Roll:
    """Rows of `source` older than `keep_s` become one row per `width_s` in `target`."""

    source: str
    target: str
    width_s: int
    keep_s: int
    columns: str

    def sql(self) -> str:
        return (
            f"INSERT OR IGNORE INTO {self.target} SELECT at / {self.width_s} * {self.width_s} AS start, bot_id, "
            f"{self.columns} FROM {self.source} WHERE at < ? GROUP BY start, bot_id"
        )


_ROLLS = (
    _Roll("samples", "minutes", 60, DAY_S, "round(avg(cpu), 1), max(cpu), round(avg(memory_mb), 1), max(memory_mb)"),
    _Roll(
        *("minutes", "hours", 3600, 30 * DAY_S),
        "round(avg(cpu), 1), max(cpu_peak), round(avg(memory_mb), 1), max(memory_peak_mb)",
    ),
)
_HOURS_KEPT_S = 400 * DAY_S
_WINDOWS_KEPT_S = 8 * DAY_S
_HOUR_S = 3600

# Times first: a second is written, and a day later dropped, in one place of the file.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    at INTEGER, bot_id TEXT, cpu REAL, memory_mb REAL, processes INTEGER, threads INTEGER, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minutes (
    at INTEGER, bot_id TEXT, cpu REAL, cpu_peak REAL, memory_mb REAL, memory_peak_mb REAL, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hours (
    at INTEGER, bot_id TEXT, cpu REAL, cpu_peak REAL, memory_mb REAL, memory_peak_mb REAL, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    at INTEGER, bot_id TEXT, data TEXT, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS window_hours (
    at INTEGER, bot_id TEXT, data TEXT, PRIMARY KEY (at, bot_id)
) WITHOUT ROWID;
"""

_ADD = f"""
INSERT OR REPLACE INTO samples
SELECT ?1, {", ".join(f"json_extract(value, '$[{place}]')" for place in range(5))} FROM json_each(?2)
"""


class Samples:
    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._roll_at = 0.0

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
        """A second sample in the same second replaces the first. Old rows are rolled up now and then."""
        with translated(self._path):
            # One statement, and so one transaction.
            await self._connection.execute(
                _ADD, (int(at), json.dumps([[bot_id, *row] for bot_id, row in rows.items()]))
            )
            if at >= self._roll_at:
                await self.roll_up(at)

    async def add_windows(self, windows: Sequence[Window]) -> None:
        """A second one of the same second replaces the first."""
        if windows:
            with translated(self._path):
                async with transaction(self._connection):
                    await self._keep("windows", windows)

    async def windows(self, since: float) -> list[Window]:
        """Those that ended after `since`, oldest first."""
        with translated(self._path):
            both = " UNION ALL ".join(f"SELECT * FROM {name} WHERE at > :at" for name in ("windows", "window_hours"))
            found = await self._connection.execute_fetchall(f"{both} ORDER BY at, bot_id", {"at": int(since)})
        return await asyncio.to_thread(lambda: [_read(row) for row in found])  # 29,000 of a day of 100 bots

    async def roll_up(self, now: float) -> None:
        """Everything too old for its table, the oldest first; what is left of it waits for the next time."""
        self._roll_at = now + ROLL_EVERY_S
        with translated(self._path):
            for roll in _ROLLS:
                await self._roll(roll, now)
            await self._roll_windows(now)
            for table in ("hours", "window_hours"):
                await self._connection.execute(f"DELETE FROM {table} WHERE at < ?", (int(now - _HOURS_KEPT_S),))

    async def _roll(self, roll: _Roll, now: float) -> None:
        (row,) = await self._connection.execute_fetchall(f"SELECT min(at) FROM {roll.source}")
        if row[0] is None:
            return
        at_once = AT_ONCE_S * roll.width_s // 60
        # Whole minutes, and hours, only: each is rolled up once.
        before = min(int(now - roll.keep_s), row[0] + at_once) // roll.width_s * roll.width_s
        if row[0] < before:
            async with transaction(self._connection):
                await self._connection.execute(roll.sql(), (before,))
                await self._connection.execute(f"DELETE FROM {roll.source} WHERE at < ?", (before,))

    async def _roll_windows(self, now: float) -> None:
        """The oldest whole hour that is too old becomes one row a bot."""
        (row,) = await self._connection.execute_fetchall("SELECT min(at) FROM windows")
        if row[0] is None:
            return
        until = (row[0] - 1) // _HOUR_S * _HOUR_S + _HOUR_S
        if until > now - _WINDOWS_KEPT_S:
            return
        found = await self._connection.execute_fetchall("SELECT * FROM windows WHERE at <= ?", (until,))
        of_bots: dict[str, list[Window]] = {}
        for row in found:
            of_bots.setdefault(row["bot_id"], []).append(_read(row))
        async with transaction(self._connection):
            hours = [replace(metricsreport.add_up(windows), at=until) for windows in of_bots.values()]
            await self._keep("window_hours", hours)
            await self._connection.execute("DELETE FROM windows WHERE at <= ?", (until,))

    async def _keep(self, table: str, windows: Sequence[Window]) -> None:
        rows = [(int(one.at), one.bot_id, json.dumps(metricsreport.to_json(one))) for one in windows]
        await self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)


def _read(row: sqlite3.Row) -> Window:
    return metricsreport.from_json(row["at"], row["bot_id"], json.loads(row["data"]))


async def _open(path: Path, busy_timeout_s: float) -> aiosqlite.Connection:
    connection = await open_writer(path, synchronous="NORMAL", busy_timeout_s=busy_timeout_s)
    try:
        await connection.executescript(_SCHEMA)
    except BaseException:
        await connection.close()
        raise
    return connection
