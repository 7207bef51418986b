"""What goes from state.db, and when, so that it stays below a size for ever; nothing goes that a start needs.

A year of 100 bots, each with 20 messages a day (200 B asked, 1.5 KB answered in 20 pieces) and 5 restarts, as measured
by `python -m tests.bench year`:

    messages    730,000 × 0.6 KB                   0.4 GB   kept while they fit, the oldest go first
    answers     730,000 × 2.3 KB, compact          1.7 GB   go with their messages
    events      10,000 a day × 0.27 KB × 30 days   0.1 GB   the last `events_days` days; a year would be 1.0 GB
    runs        500 a day × 0.12 KB × 30 days      2 MB     as events, but the last run of a bot stays
    tasks       100,000 × 1.5 KB                   0.2 GB   as messages; a task that has not ended stays
    letters     200,000 × 0.6 KB                   0.1 GB   as messages; one on its way stays
    usage       730,000 turns × 0.1 KB             0.1 GB   of turns with their messages; of days it stays (5 MB a year)
    samples.db  see samples.py                     0.7 GB

So the default `state_mb` of 1000 holds the conversations of five such months, and state.db and samples.db together stay
below 2 GB whatever the bots do. Agents that think and use tools add to the events: 10 calls (3 KB each once they ended)
and 10 KB of thoughts a turn are 80 MB a day, 0.6 GB for the `DETAILS_DAYS` that they stay. Freed pages are used again:
the file grows no further, and never shrinks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import aiosqlite

from deia_tui.store.database import transaction
from deia_tui.store.queries import REGISTRY_CHANGES
from deia_tui.store.writer import Writer

DAY_S = 86_400.0
ROWS = 500
"""At most so many rows go in one step: commits wait for it some milliseconds."""
MESSAGES = 25
TASKS = 50
LETTERS = 200
PIECE = 16_384
"""Characters of old output that are joined into one row."""
DETAILS_DAYS = 7.0
DETAILS = "type IN ('thought_added', 'tool_call_changed', 'plan_changed')"
PAUSE_S = 0.01

Step = Callable[[aiosqlite.Connection], Awaitable[int]]
"""Does some of its work in a transaction; 0 when there is nothing left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """`kept_events` and `kept_messages`: the newest of each stay, however tight it gets, and as many tasks and letters
    as messages."""

    events_days: float
    state_mb: float
    kept_events: int = 100_000
    kept_messages: int = 1_000


class Pruner:
    def __init__(self, writer: Writer, retention: Retention) -> None:
        self._writer = writer
        self._retention = retention

    async def prune(self, now: float) -> None:
        """Until nothing is left to do: many small steps between the commits of others. Raises StoreError."""
        before = now - self._retention.events_days * DAY_S
        steps: tuple[Step, ...] = (
            partial(_compact, before=now - DAY_S),
            partial(_drop_passing_states, before=now - DAY_S),
            partial(_drop_old_details, before=now - DETAILS_DAYS * DAY_S),
            partial(_drop_old_events, before=before, after=now + DAY_S),
            partial(_drop_old_runs, before=before),
            partial(_drop_old_alerts, before=before),
            partial(_fit, retention=self._retention),
        )
        for step in steps:
            while await self._writer.between(step):
                await asyncio.sleep(PAUSE_S)


async def used_bytes(connection: aiosqlite.Connection) -> int:
    """What the database holds, without the pages that are free to be used again."""
    pages, free, size = [
        await _number(connection, f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
    ]
    return (pages - free) * size


async def _compact(connection: aiosqlite.Connection, *, before: float) -> int:
    """Join the next pieces of output into rows of about PIECE characters; the last piece's number is theirs."""
    since = await _number(connection, "SELECT value FROM marks WHERE name = 'compacted_to'")
    # What happened between two pieces of an answer must stay between them: only neighbours are joined.
    between = "(SELECT max(seq) FROM events WHERE bot_id = output.bot_id AND seq < output.seq)"
    following = (
        f"SELECT seq, at, message_id, text, {between} AS since FROM output WHERE seq > ? ORDER BY seq LIMIT {ROWS}"
    )
    pieces = list(await connection.execute_fetchall(f"SELECT * FROM ({following}) WHERE at < ?", (since, before)))
    if not pieces:
        return 0
    async with transaction(connection):
        by_message = sorted(pieces, key=lambda piece: (piece["message_id"], piece["seq"]))
        for _, answer in groupby(by_message, key=lambda piece: (str(piece["message_id"]), piece["since"])):
            for joined in _joined((int(piece["seq"]), str(piece["text"])) for piece in answer):
                *others, last = (seq for seq, _ in joined)
                if others:
                    text = "".join(text for _, text in joined)
                    await connection.executemany("DELETE FROM output WHERE seq = ?", [(seq,) for seq in others])
                    await connection.execute("UPDATE output SET text = ? WHERE seq = ?", (text, last))
        await _set_mark(connection, "compacted_to", pieces[-1]["seq"])
    return len(pieces)


def _joined(pieces: Iterable[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The pieces of an answer in groups of about PIECE characters."""
    groups: list[list[tuple[int, str]]] = []
    length = PIECE
    for seq, text in pieces:
        if length + len(text) > PIECE:
            groups.append([])
            length = 0
        groups[-1].append((seq, text))
        length += len(text)
    return groups


async def _drop_passing_states(connection: aiosqlite.Connection, *, before: float) -> int:
    """Of a tool call, where it began and how it ended say it all."""
    since = await _number(connection, "SELECT value FROM marks WHERE name = 'details_to'")
    following = f"SELECT seq, at, type, data FROM events WHERE seq > ? AND {DETAILS} ORDER BY seq LIMIT {ROWS}"
    call = "json_extract(data, '$.message_id') || ' ' || json_extract(data, '$.call.call_id')"
    found = list(
        await connection.execute_fetchall(
            f"SELECT seq, CASE type WHEN 'tool_call_changed' THEN {call} END AS call, "
            f"json_extract(data, '$.call.status') AS status FROM ({following}) WHERE at < ?",
            (since, before),
        )
    )
    if not found:
        return 0
    known = set[str]()
    passing: list[tuple[int]] = []
    for row in found:
        if row["call"] in known and row["status"] in ("pending", "in_progress"):
            passing.append((row["seq"],))
        known.add(row["call"])
    async with transaction(connection):
        await connection.executemany("DELETE FROM events WHERE seq = ?", passing)
        await _set_mark(connection, "details_to", found[-1]["seq"])
    return len(found)


async def _drop_old_details(connection: aiosqlite.Connection, *, before: float) -> int:
    """What agents thought, did and planned; what they said stays."""
    oldest = f"SELECT seq, at FROM events WHERE {DETAILS} ORDER BY seq LIMIT {ROWS}"
    return await _drop_events(connection, f"seq IN (SELECT seq FROM ({oldest}) WHERE at < {before!r})")


async def _drop_old_events(connection: aiosqlite.Connection, *, before: float, after: float) -> int:
    """The oldest, if they are of another time: a clock that was once wrong keeps nothing for ever."""
    oldest = f"SELECT seq, at FROM events ORDER BY seq LIMIT {ROWS}"
    return await _drop_events(
        connection, f"seq IN (SELECT seq FROM ({oldest}) WHERE at NOT BETWEEN {before!r} AND {after!r})"
    )


async def _drop_events(connection: aiosqlite.Connection, which: str) -> int:
    """Changes of the registry stay counted."""
    async with transaction(connection):
        counted = await _number(connection, f"SELECT count(*) FROM events WHERE {which} AND {REGISTRY_CHANGES}")
        dropped = await change(connection, f"DELETE FROM events WHERE {which}")
        if counted:
            await connection.execute("UPDATE marks SET value = value + ? WHERE name = 'registry_changes'", (counted,))
    return dropped


async def _drop_old_runs(connection: aiosqlite.Connection, *, before: float) -> int:
    """The last run of a bot stays: its number must not be given out again."""
    old = "ended_at < ? AND run < (SELECT max(run) FROM runs AS later WHERE later.bot_id = runs.bot_id)"
    async with transaction(connection):
        return await change(
            connection,
            f"DELETE FROM runs WHERE (bot_id, run) IN (SELECT bot_id, run FROM runs WHERE {old} LIMIT {ROWS})",
            before,
        )


async def _drop_old_alerts(connection: aiosqlite.Connection, *, before: float) -> int:
    """The last 50 stay for the screen, and so does the last number."""
    last = "SELECT alert_id FROM alerts WHERE cleared_at IS NOT NULL ORDER BY alert_id DESC LIMIT 50"
    old = f"SELECT alert_id FROM alerts WHERE cleared_at < ? AND alert_id NOT IN ({last}) LIMIT {ROWS}"
    async with transaction(connection):
        return await change(connection, f"DELETE FROM alerts WHERE alert_id IN ({old})", before)


async def _fit(connection: aiosqlite.Connection, *, retention: Retention) -> int:
    """While it is too large: the oldest events, and when few are left the oldest messages with their answers, tasks
    with their attempts, and letters."""
    if await used_bytes(connection) <= retention.state_mb * 1e6:
        return 0
    newest = f"SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET {retention.kept_events}"
    oldest = f"SELECT seq FROM events WHERE seq <= ({newest}) ORDER BY seq LIMIT {ROWS}"
    if dropped := await _drop_events(connection, f"seq IN ({oldest})"):
        return dropped
    kept = retention.kept_messages
    return sum([await drop(connection, kept=kept) for drop in (_drop_messages, _drop_tasks, _drop_letters)])


async def _drop_messages(connection: aiosqlite.Connection, *, kept: int) -> int:
    newest = f"SELECT number FROM messages ORDER BY number DESC LIMIT 1 OFFSET {kept}"
    ended = f"number <= ({newest}) AND ended_at IS NOT NULL"
    oldest = await connection.execute_fetchall(
        f"SELECT number, message_id, bot_id, until_seq FROM messages WHERE {ended} ORDER BY number LIMIT {MESSAGES}"
    )
    messages, pieces = 0, 0
    async with transaction(connection):
        for number, message_id, bot_id, until_seq in oldest:
            await connection.execute("DELETE FROM messages WHERE number = ?", (number,))
            await connection.execute("DELETE FROM usage_of_turn WHERE message_id = ?", (message_id,))
            # Whatever is older goes with it, but not what belongs to a message that is still there.
            pieces += await change(
                connection,
                "DELETE FROM output WHERE bot_id = ? AND seq <= ? AND message_id NOT IN "
                "(SELECT message_id FROM messages WHERE messages.message_id = output.message_id)",
                *(bot_id, until_seq),
            )
            messages += 1
            if pieces >= ROWS:
                break
    return messages


async def _drop_tasks(connection: aiosqlite.Connection, *, kept: int) -> int:
    """One whose answer is owed stays, and one that another waits for."""
    newest = f"SELECT ended_at FROM tasks WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 1 OFFSET {kept}"
    ended = f"ended_at <= ({newest}) AND response <> ''"
    needing = "tasks AS waiting, json_each(waiting.after) WHERE waiting.ended_at IS NULL AND waiting.after <> '[]'"
    ended += f" AND task_id NOT IN (SELECT value FROM {needing})"
    oldest = f"SELECT task_id FROM tasks WHERE {ended} ORDER BY ended_at LIMIT {TASKS}"
    async with transaction(connection):
        found = [str(row["task_id"]) for row in await connection.execute_fetchall(oldest)]
        for table in ("attempts", "task_texts", "tasks"):
            await connection.executemany(f"DELETE FROM {table} WHERE task_id = ?", [(task_id,) for task_id in found])
    return len(found)


async def _drop_letters(connection: aiosqlite.Connection, *, kept: int) -> int:
    newest = f"SELECT sent_at FROM letters ORDER BY sent_at DESC LIMIT 1 OFFSET {kept}"
    over = f"sent_at <= ({newest}) AND state NOT IN ('pending', 'delivered')"
    oldest = f"SELECT letter_id FROM letters WHERE {over} ORDER BY sent_at LIMIT {LETTERS}"
    async with transaction(connection):
        return await change(connection, f"DELETE FROM letters WHERE letter_id IN ({oldest})")


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    (row,) = await connection.execute_fetchall(sql)
    return int(row[0])


async def change(connection: aiosqlite.Connection, sql: str, *values: float | str) -> int:
    """How many rows it changed."""
    async with connection.execute(sql, values) as cursor:
        return cursor.rowcount


async def _set_mark(connection: aiosqlite.Connection, name: str, value: int) -> None:
    await connection.execute("UPDATE marks SET value = ? WHERE name = ?", (value, name))
