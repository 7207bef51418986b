"""The truth of a hive: events and everything derived from them, in state.db; telemetry in samples.db."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.costs import Cost
from deia_tui.core.events import Event
from deia_tui.core.journal import Sample
from deia_tui.core.letters.delivery import Carried
from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.core.metrics import Window
from deia_tui.core.work.tasks import Attempt, Task, TaskState
from deia_tui.folder import Folder
from deia_tui.store import chats, letterqueries, queries, workqueries
from deia_tui.store.backup import Backup, restore, rotate, save, take, unfinished
from deia_tui.store.database import migrate, migrations, open_reader, open_writer, transaction, translated
from deia_tui.store.integrity import Verdict, inspect, means_damage
from deia_tui.store.mending import Examined, examine, mend, set_aside
from deia_tui.store.queries import Loaded
from deia_tui.store.retention import Pruner, Retention, change
from deia_tui.store.samples import Samples
from deia_tui.store.threads import in_thread
from deia_tui.store.workqueries import OpenWork
from deia_tui.store.writer import Writer


class Store:
    """Belongs to the event loop that opened it. Every method raises StoreError when the database refuses.

    It must be closed: an open connection keeps the interpreter from ending.
    """

    def __init__(
        self,
        folder: Folder,
        examined: Examined,
        writer: Writer,
        reader: aiosqlite.Connection,
        samples: Samples,
        *,
        busy_timeout_s: float,
    ) -> None:
        self._folder = folder
        self._busy_timeout_s = busy_timeout_s
        self._path = folder.state_db
        self.examined = examined
        self._inode = self._path.stat().st_ino
        self._writer = writer
        self._reader = reader
        self._samples = samples

    @classmethod
    async def open(
        cls, folder: Folder, *, still_ours: Callable[[], bool] = lambda: True, busy_timeout_s: float = 15.0
    ) -> "Store":
        """Open, or make, the databases in `folder`, which exists; a damaged one is mended first: see `examined`.

        Nothing is committed once `still_ours` is false: StoreError.
        `busy_timeout_s`: how long to wait for another program that has locked a database. Raises ConfigError for those
        of a newer version.
        """
        with translated(folder.state_db):
            examined = await in_thread(lambda _: examine(folder))
            try:
                return await cls._open(folder, examined, still_ours, busy_timeout_s)
            except sqlite3.DatabaseError as error:
                if not means_damage(error):
                    raise
                damage = str(error)
            examined = Examined(mended=await in_thread(lambda _: mend(folder, damage)))
            return await cls._open(folder, examined, still_ours, busy_timeout_s)

    @classmethod
    async def _open(
        cls, folder: Folder, examined: Examined, still_ours: Callable[[], bool], busy_timeout_s: float
    ) -> "Store":
        path = folder.state_db
        if not path.exists():
            await _make(path, busy_timeout_s)
        async with AsyncExitStack() as stack:
            connection = await open_writer(path, synchronous="FULL", busy_timeout_s=busy_timeout_s)
            stack.push_async_callback(connection.close)
            await migrate(connection, path, migrations())
            async with transaction(connection):  # after the last commit of a supervisor that just lost the hive
                tables = await queries.read_tables(connection)
            reader = await open_reader(path, busy_timeout_s=busy_timeout_s)
            stack.push_async_callback(reader.close)
            samples = await Samples.open(folder.samples_db, busy_timeout_s=busy_timeout_s)
            stack.pop_all()
        writer = Writer(connection, path, tables, still_ours)
        return cls(folder, examined, writer, reader, samples, busy_timeout_s=busy_timeout_s)

    async def close(self) -> None:
        """Commit what waits, then end every connection and its thread."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._writer.close)
            stack.push_async_callback(self._reader.close)
            stack.push_async_callback(self._samples.close)

    async def commit(self, events: Sequence[Event]) -> list[Recorded]:
        """Store all of `events` or none, with what they change; returns once that is durable.

        Left out, and missing in what is returned: frames of a bot up to the last one stored of that run, and a
        message whose id is there already. Cancelling the caller does not take the events back.
        """
        return await self._writer.commit(tuple(events)) if events else []

    async def load(self) -> Loaded:
        """What was, when the last supervisor ended."""
        with translated(self._path):
            return await queries.load(self._reader)

    async def addressee(self, message_id: str) -> str | None:
        """The bot a message was sent to; None for an id nobody used."""
        with translated(self._path):
            return await queries.addressee(self._reader, message_id)

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> list[ChatTurn]:
        """As HiveClient.chat. An answer beyond 1 MiB is cut, and says so in its last line."""
        with translated(self._path):
            return await chats.chat(self._reader, bot_id, before=before, limit=limit)

    async def turn(self, message_id: str) -> ChatTurn | None:
        """A message and its answer, as in `chat`; None once it is forgotten."""
        with translated(self._path):
            return await chats.turn(self._reader, message_id)

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> list[Recorded]:
        """As HiveClient.events."""
        with translated(self._path):
            return await queries.events(self._reader, bot_id=bot_id, after=after, limit=limit, newest=newest)

    async def costs(self, *, since_day: str, bot_id: str | None = None) -> list[Cost]:
        """What was used since a day (2026-01-31, UTC), that day included."""
        with translated(self._path):
            return await queries.costs(self._reader, since_day=since_day, bot_id=bot_id)

    # Work

    async def open_work(self) -> OpenWork:
        """Every task and letter that has not ended, and how well bots do their work."""
        with translated(self._path):
            return await workqueries.open_work(self._reader)

    async def tasks(
        self,
        *,
        states: Collection[TaskState] = (),
        bot_id: str | None = None,
        offset: int = 0,
        limit: int = 200,
        ageing_s: float = 600.0,
    ) -> list[Task]:
        """As HiveClient.tasks; `ageing_s` is the time in which a task that waits rises by one priority."""
        with translated(self._path):
            return await workqueries.tasks(
                self._reader, states=states, bot_id=bot_id, offset=offset, limit=limit, ageing_s=ageing_s
            )

    async def task(self, task_id: str) -> Task | None:
        """With all of its text."""
        with translated(self._path):
            return await workqueries.task(self._reader, task_id)

    async def tasks_of(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Those of these tasks that exist, with all of their text."""
        with translated(self._path):
            return await workqueries.tasks_of(self._reader, task_ids)

    async def texts(self, task_ids: Collection[str]) -> dict[str, str]:
        with translated(self._path):
            return await workqueries.texts(self._reader, task_ids)

    async def task_of_file(self, source: str) -> Task | None:
        """The task that came from a file, by its path relative to hive/tasks."""
        with translated(self._path):
            return await workqueries.task_of_file(self._reader, source)

    async def states_of_files(self, sources: Collection[str]) -> dict[str, TaskState]:
        """How the tasks from these files stand, by paths relative to hive/tasks; without those nobody knows."""
        with translated(self._path):
            return await workqueries.states_of_files(self._reader, sources)

    async def numbered_files(self, sources: Collection[str]) -> frozenset[str]:
        """Those of these files that tasks came from, and with them those of their name with a number behind it."""
        with translated(self._path):
            return await workqueries.numbered_files(self._reader, sources)

    async def attempts(self, task_id: str) -> list[Attempt]:
        """Oldest first."""
        with translated(self._path):
            return await workqueries.attempts(self._reader, task_id)

    async def states_of(self, task_ids: Collection[str]) -> dict[str, TaskState]:
        """How these tasks stand; one that nobody knows is left out."""
        with translated(self._path):
            return await workqueries.states_of(self._reader, task_ids)

    async def unanswered(self, *, limit: int = 100) -> list[Task]:
        """Tasks that ended, and whose answer is in no file yet; oldest first."""
        with translated(self._path):
            return await workqueries.unanswered(self._reader, limit=limit)

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> list[Letter]:
        """As HiveClient.letters."""
        with translated(self._path):
            return await letterqueries.letters(self._reader, bot_id=bot_id, partner=partner, offset=offset, limit=limit)

    async def letter(self, letter_id: str) -> Letter | None:
        with translated(self._path):
            return await letterqueries.letter(self._reader, letter_id)

    async def unread_letters(self, bot_id: str, *, limit: int = 200, ageing_s: float = 600.0) -> list[Letter]:
        """What a bot has not read yet, in the order in which it gets them: see core/letters/post.py."""
        with translated(self._path):
            return await letterqueries.unread(self._reader, bot_id, limit=limit, ageing_s=ageing_s)

    async def letter_counts(self) -> dict[LetterState, int]:
        """How many letters are in each state."""
        with translated(self._path):
            return await letterqueries.counts(self._reader)

    async def carried(self, message_ids: Collection[str]) -> dict[str, Carried]:
        """What became of the messages that carried letters; one that is gone is left out."""
        with translated(self._path):
            return await letterqueries.carried(self._reader, message_ids)

    async def drop_expired_letters(self, before: float) -> int:
        """Those that expired before a time (unix seconds); how many."""
        step = partial(letterqueries.drop_expired, before=before)
        dropped = 0
        while gone := await self._writer.between(step):
            dropped += gone
        return dropped

    async def add_samples(self, at: float, rows: Mapping[str, Sample]) -> None:
        """Telemetry of one second, of every bot that lives."""
        await self._samples.add(at, rows)

    async def add_windows(self, windows: Sequence[Window]) -> None:
        """Metrics of some minutes, of every bot that did anything."""
        await self._samples.add_windows(windows)

    async def windows(self, *, since: float) -> list[Window]:
        """Metrics that ended after `since`, oldest first."""
        return await self._samples.windows(since)

    async def accept_set_back(self) -> None:
        """What a backup could not know has been seen to."""
        await self._writer.between(lambda connection: change(connection, "DELETE FROM marks WHERE name = 'set_back'"))

    # Upkeep

    @property
    def trouble(self) -> str:
        """Why nothing can be stored now, in a sentence, or ""."""
        return self._writer.trouble

    @property
    def in_place(self) -> bool:
        """Is the open database still the file at its path?"""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    @property
    def log_bytes(self) -> int:
        """How long the write-ahead log is."""
        try:
            return self._path.with_name(self._path.name + "-wal").stat().st_size
        except OSError:
            return 0

    async def prune(self, retention: Retention, now: float) -> None:
        """Drop what is too old or too much."""
        await Pruner(self._writer, retention).prune(now)

    async def inspect(self) -> Verdict:
        """Look at all of state.db, while work goes on."""
        with translated(self._path):
            return await in_thread(lambda give_up: inspect(self._path, give_up=give_up))

    async def back_up(self, *, keep: int = 8) -> Backup:
        """A verified copy of the hive's state, while work goes on; of the backups the newest `keep` stay."""

        def work(give_up: Callable[[], bool]) -> Backup:
            backup = take(self._folder, give_up=give_up)
            rotate(self._folder, keep)
            return backup

        with translated(self._folder.backups):
            return await in_thread(work)

    async def put_back(self) -> Path | None:
        """Another file, or none, lies where state.db was: write it anew from the open connection, which still has all
        of it, and go on with that. Nothing is lost; commits wait. Returns where the other file is now."""
        return await self._writer.between(self._put_back)

    async def _put_back(self, former: aiosqlite.Connection) -> Path | None:
        loop = asyncio.get_running_loop()

        def copy(target: sqlite3.Connection, **how: Any) -> None:
            asyncio.run_coroutine_threadsafe(former.backup(target, **how), loop).result()

        asides: list[Path | None] = []

        def write_anew(give_up: Callable[[], bool]) -> None:
            backup = save(copy, self._folder, give_up=give_up)
            restore(backup.path, self._folder, lambda: asides.append(_make_room(self._path)), set_back=False)

        await in_thread(write_anew)
        # The former ones are closed last: what they hold is all there is until the new ones are open.
        async with AsyncExitStack() as stack:
            stack.push_async_callback(former.close)
            stack.push_async_callback(self._reader.close)
            connection = await open_writer(self._path, synchronous="FULL", busy_timeout_s=self._busy_timeout_s)
            self._reader = await open_reader(self._path, busy_timeout_s=self._busy_timeout_s)
            self._writer.move_to(connection)
            self._inode = self._path.stat().st_ino
        return asides[0]


def _make_room(path: Path) -> Path | None:
    """Where the file at `path` is now; a log without its database is that of the connection that is still open."""
    if path.exists():
        return set_aside(path, "replaced")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return None


async def _make(path: Path, busy_timeout_s: float) -> None:
    """A new database, which has its name once it is whole: an empty file is never ours."""
    with unfinished(path) as draft:
        connection = await open_writer(draft, synchronous="FULL", busy_timeout_s=busy_timeout_s)
        try:
            await migrate(connection, draft, migrations())
        finally:
            await connection.close()
