"""The only writer of state.db: everything that waits goes into one transaction, and each caller's unit all or none.

A unit is never taken back: a caller that is cancelled while it waits only misses the answer.
"""

import asyncio
import errno
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.events import Event
from deia_tui.store import rows, workqueries
from deia_tui.store.database import explain, translated
from deia_tui.store.draft import Draft, Tables

_BAD_UNIT = (
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(ValueError, TypeError, OverflowError),
)
"""What a unit's own contents can cause; anything else concerns the database, and every unit of the batch."""


STUCK_S = 5.0
"""A commit that takes longer is held up by somebody else."""

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Unit:
    """What one caller wants committed, and how it learns that it was."""

    events: Sequence[Event]
    answer: asyncio.Future[list[Recorded]]
    recorded: list[Recorded] = field(default_factory=list)

    def succeed(self) -> None:
        if not self.answer.done():
            self.answer.set_result(self.recorded)

    def fail(self, error: StoreError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Writer:
    """Owns `connection` from here on. It refuses to write once `still_ours` is false: somebody else may then."""

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, tables: Tables, still_ours: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._still_ours = still_ours
        self._path = path
        self._tables = tables
        self._waiting: list[_Unit] = []
        self._turn = asyncio.Lock()
        self._doing: set[asyncio.Task[Any]] = set()
        self._refusal = ""
        self._began: float | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._run(), name="store writer")

    async def commit(self, events: Sequence[Event]) -> list[Recorded]:
        if self._closed:
            raise StoreError("The store is closed.")
        unit = _Unit(events, asyncio.get_running_loop().create_future())
        self._waiting.append(unit)
        self._wake.set()
        return await unit.answer

    @property
    def trouble(self) -> str:
        """Why nothing can be committed now, in a sentence, or "". The last attempt decides."""
        if self._began is not None and time.monotonic() - self._began > STUCK_S:
            return f"{self._path} is locked by another program, or its disk does not answer: commits wait."
        return self._refusal

    async def between(self, work: Callable[[aiosqlite.Connection], Awaitable[Result]]) -> Result:
        """The outcome of `work`, done alone between two batches of commits: those wait for it, so it must be short.

        Cancelling the caller does not end it halfway.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        doing = asyncio.create_task(self._alone(work))
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        return await asyncio.shield(doing)

    def move_to(self, connection: aiosqlite.Connection) -> None:
        """Write to another connection from now on; only from within `between`. The former is the caller's."""
        self._connection = connection

    async def close(self) -> None:
        """Commit what waits, then close the connection."""
        self._closed = True
        self._wake.set()
        try:
            await asyncio.wait([self._task, *self._doing])
        finally:
            await self._connection.close()

    async def _run(self) -> None:
        try:
            while self._waiting or not self._closed:
                await self._wake.wait()
                self._wake.clear()
                async with self._turn:
                    await self._commit_waiting()
        finally:
            self._closed = True
            for unit in self._waiting:
                unit.fail(StoreError("The store is closed."))

    async def _alone(self, work: Callable[[aiosqlite.Connection], Awaitable[Result]]) -> Result:
        async with self._turn:
            with translated(self._path):
                return await work(self._connection)

    async def _commit_waiting(self) -> None:
        units, self._waiting = self._waiting, []
        if not units:
            return
        self._began = time.monotonic()
        try:
            await self._connection.executescript("BEGIN IMMEDIATE; SAVEPOINT units")
            if not self._still_ours():  # only now: whoever has the hive next reads nothing before our transaction ends
                raise PermissionError(errno.EPERM, "the lock of this hive is gone, try again in a moment")
            tables = await self._apply(units, self._tables)
            await self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            await self._roll_back()
            self._refusal = str(refusal := explain(error, self._path))
            for unit in units:
                unit.fail(refusal)
        else:
            self._refusal = ""
            self._tables = tables
            self._tables.forget()
            for unit in units:
                unit.succeed()
        finally:
            self._began = None
            # Cancelled, or a bug: nobody waits for ever.
            for unit in units:
                unit.fail(StoreError("The store is closed."))

    async def _apply(self, units: Sequence[_Unit], tables: Tables) -> Tables:
        """Write the units in one go; if that fails, each half on its own, until a bad unit fails alone."""
        try:
            return await self._write(units, tables)
        except _BAD_UNIT as error:
            # The youngest savepoint: no other is younger than the one set for these units.
            await self._connection.execute("ROLLBACK TO units")
            if len(units) == 1:
                units[0].fail(StoreError(f"This cannot be stored: {error}."))
                return tables
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            await self._connection.execute("SAVEPOINT units")
            tables = await self._apply(half, tables)
        return tables

    async def _write(self, units: Sequence[_Unit], tables: Tables) -> Tables:
        draft = Draft(tables)
        await self._look_up(draft.tables, [event for unit in units for event in unit.events])
        for unit in units:
            unit.recorded = [recorded for event in unit.events if (recorded := draft.add(event))]
        for sql, values in draft.statements():
            await self._connection.executemany(sql, values)
        return draft.tables

    async def _look_up(self, tables: Tables, events: Sequence[Event]) -> None:
        """Read what is not remembered: message ids, runs before the last, tasks, letters."""
        unknown = tables.unknown(events)
        for key in unknown.runs:
            for row in await self._fetch("SELECT * FROM runs WHERE (bot_id, run) = (?, ?)", *key):
                tables.runs[key] = rows.read_run(row)
        if unknown.asked:
            known = "SELECT message_id FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
            tables.asked.update(row["message_id"] for row in await self._fetch(known, json.dumps(list(unknown.asked))))
        tables.tasks.update(await workqueries.tasks_of(self._connection, unknown.tasks, with_text=False))
        tables.letters.update(await workqueries.letters_of(self._connection, unknown.letters))

    async def _fetch(self, sql: str, *values: object) -> Iterable[sqlite3.Row]:
        return await self._connection.execute_fetchall(sql, values)

    async def _roll_back(self) -> None:
        # A full disk or a lost lock may have ended the transaction already.
        if self._connection.in_transaction:
            await self._connection.execute("ROLLBACK")
