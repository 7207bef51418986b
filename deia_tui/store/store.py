"""The truth of a hive: events and everything derived from them, in state.db; telemetry in samples.db."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiosqlite

from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.events import Event
from deia_tui.core.journal import Sample
from deia_tui.folder import Folder
from deia_tui.store import queries
from deia_tui.store.database import migrate, migrations, open_reader, open_writer, translated
from deia_tui.store.queries import Loaded, MessageRow
from deia_tui.store.samples import Samples
from deia_tui.store.writer import Writer


class Store:
    """Belongs to the event loop that opened it. Every method raises StoreError when the database refuses.

    It must be closed: an open connection keeps the interpreter from ending.
    """

    def __init__(self, path: Path, writer: Writer, reader: aiosqlite.Connection, samples: Samples) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._samples = samples

    @classmethod
    async def open(cls, folder: Folder, *, busy_timeout_s: float = 15.0) -> "Store":
        """Open, or make, the databases in `folder`, which exists. Raises ConfigError for those of a newer version.

        `busy_timeout_s`: how long to wait for another program that has locked a database.
        """
        path = folder.state_db
        with translated(path):
            async with AsyncExitStack() as stack:
                connection = await open_writer(path, synchronous="FULL", busy_timeout_s=busy_timeout_s)
                stack.push_async_callback(connection.close)
                await migrate(connection, path, migrations())
                tables = await queries.read_tables(connection)
                reader = await open_reader(path, busy_timeout_s=busy_timeout_s)
                stack.push_async_callback(reader.close)
                samples = await Samples.open(folder.samples_db, busy_timeout_s=busy_timeout_s)
                stack.pop_all()
        return cls(path, Writer(connection, path, tables), reader, samples)

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

    async def last_seq(self, bot_id: str, run: int) -> int:
        """The number of the last frame stored of a run, or 0."""
        with translated(self._path):
            return await queries.last_frame(self._reader, bot_id, run)

    async def pending(self, bot_id: str) -> list[MessageRow]:
        """Messages the bot has not accepted yet, oldest first."""
        with translated(self._path):
            return await queries.pending(self._reader, bot_id)

    async def addressee(self, message_id: str) -> str | None:
        """The bot a message was sent to; None for an id nobody used."""
        with translated(self._path):
            return await queries.addressee(self._reader, message_id)

    async def recent_outcomes(self, bot_id: str) -> list[Event]:
        """How the bot's last calls and runs ended, and when its breaker last was made anew; oldest first."""
        with translated(self._path):
            return await queries.recent_outcomes(self._reader, bot_id)

    async def open_messages(self, bot_id: str, run: int) -> list[MessageRow]:
        """Messages this run accepted and did not finish, oldest first."""
        with translated(self._path):
            return await queries.open_messages(self._reader, bot_id, run)

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> list[ChatTurn]:
        """As HiveClient.chat. An answer beyond 1 MiB is cut, and says so in its last line."""
        with translated(self._path):
            return await queries.chat(self._reader, bot_id, before=before, limit=limit)

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> list[Recorded]:
        """As HiveClient.events."""
        with translated(self._path):
            return await queries.events(self._reader, bot_id=bot_id, after=after, limit=limit, newest=newest)

    async def add_samples(self, at: float, rows: Mapping[str, Sample]) -> None:
        """Telemetry of one second, of every bot that lives."""
        await self._samples.add(at, rows)
