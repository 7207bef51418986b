"""What is read of the work of a hive: tasks in the order of the queue, their attempts, letters, performance."""

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aiosqlite

from deia_tui.core.letters import Letter
from deia_tui.core.performance import Performance
from deia_tui.core.tasks import WAITING, WITH_BOT, Attempt, Task, TaskState, TaskType
from deia_tui.store import workrows
from deia_tui.store.queries import fetch

BRIEF = 400
"""Characters of its text that a task has in a list."""
_BRIEF_COLUMNS = ", ".join(
    f"substr(text, 1, {BRIEF}) AS text" if name == "text" else name for name in workrows.TASK_COLUMNS
)
_ORDER = f"""
    CASE WHEN state IN {tuple(str(state) for state in WITH_BOT)!r} THEN 0
         WHEN state IN {tuple(str(state) for state in WAITING)!r} THEN 1 ELSE 2 END,
    CASE WHEN ended_at IS NULL THEN created_at + :ageing_s * priority ELSE -ended_at END, task_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """What a dispatcher and a messenger start from. `dead` counts the tasks nobody tries any more."""

    tasks: tuple[Task, ...]
    letters: tuple[Letter, ...]
    performance: Mapping[tuple[str, TaskType], Performance]
    dead: int


async def open_work(connection: aiosqlite.Connection) -> OpenWork:
    """Everything that has not ended; of tasks without their text, which the store keeps."""
    columns = _BRIEF_COLUMNS.replace(f"substr(text, 1, {BRIEF})", "''")
    tasks = await fetch(connection, f"SELECT {columns} FROM tasks WHERE ended_at IS NULL ORDER BY created_at, task_id")
    letters = await fetch(
        connection, "SELECT * FROM letters WHERE state IN ('pending', 'delivered') ORDER BY sent_at, letter_id"
    )
    known = await fetch(connection, "SELECT * FROM performance")
    (dead,) = (await fetch(connection, "SELECT count(*) FROM tasks WHERE ended_at IS NOT NULL AND state = 'dead'"))[0]
    return OpenWork(
        tasks=tuple(workrows.read_task(row) for row in tasks),
        letters=tuple(workrows.read_letter(row) for row in letters),
        performance=dict(workrows.read_performance(row) for row in known),
        dead=dead,
    )


async def tasks(
    connection: aiosqlite.Connection,
    *,
    states: Collection[TaskState],
    bot_id: str | None,
    offset: int,
    limit: int,
    ageing_s: float,
) -> list[Task]:
    """As HiveClient.tasks."""
    of_state = "state IN (SELECT value FROM json_each(:states))" if states else "true"
    of_bot = "true" if bot_id is None else ":bot_id IN (addressee, bot_id)"
    found = await connection.execute_fetchall(
        f"SELECT {_BRIEF_COLUMNS} FROM tasks WHERE {of_state} AND {of_bot} ORDER BY {_ORDER} "
        "LIMIT :limit OFFSET :offset",
        {
            "states": json.dumps([str(state) for state in states]),
            "bot_id": bot_id,
            "limit": limit,
            "offset": offset,
            "ageing_s": ageing_s,
        },
    )
    return [workrows.read_task(row) for row in found]


async def task(connection: aiosqlite.Connection, task_id: str) -> Task | None:
    found = await fetch(connection, "SELECT * FROM tasks WHERE task_id = ?", task_id)
    return workrows.read_task(found[0]) if found else None


async def tasks_of(connection: aiosqlite.Connection, task_ids: Collection[str]) -> dict[str, Task]:
    """Those of these tasks that exist."""
    found = await rows_of(connection, "tasks", "task_id", task_ids)
    return {row["task_id"]: workrows.read_task(row) for row in found}


async def texts(connection: aiosqlite.Connection, task_ids: Collection[str]) -> dict[str, str]:
    sql = "SELECT task_id, text FROM tasks WHERE task_id IN (SELECT value FROM json_each(?))"
    return {row["task_id"]: row["text"] for row in await fetch(connection, sql, json.dumps(list(task_ids)))}


async def attempts(connection: aiosqlite.Connection, task_id: str) -> list[Attempt]:
    """Oldest first."""
    found = await fetch(connection, "SELECT * FROM attempts WHERE task_id = ? ORDER BY attempt", task_id)
    return [workrows.read_attempt(row) for row in found]


async def tokens_of(connection: aiosqlite.Connection, message_id: str) -> int:
    """Tokens a turn used; what was read from a cache does not count, since nobody worked it out."""
    sql = "SELECT coalesce(sum(input_tokens + output_tokens + cache_write_tokens), 0) FROM usage_of_turn"
    ((tokens,),) = await fetch(connection, f"{sql} WHERE message_id = ?", message_id)
    return int(tokens)


async def states_of(connection: aiosqlite.Connection, task_ids: Collection[str]) -> dict[str, TaskState]:
    """How these tasks stand; one that nobody knows is left out."""
    sql = "SELECT task_id, state FROM tasks WHERE task_id IN (SELECT value FROM json_each(?))"
    found = await fetch(connection, sql, json.dumps(list(task_ids)))
    return {row["task_id"]: TaskState(row["state"]) for row in found}


async def unanswered(connection: aiosqlite.Connection, *, limit: int) -> list[Task]:
    """Tasks that ended, and whose answer is in no file yet; oldest first."""
    sql = "SELECT * FROM tasks WHERE ended_at IS NOT NULL AND response = '' ORDER BY ended_at LIMIT ?"
    return [workrows.read_task(row) for row in await fetch(connection, sql, limit)]


async def task_of_file(connection: aiosqlite.Connection, source: str) -> Task | None:
    found = await fetch(connection, "SELECT * FROM tasks WHERE source = ? AND source <> ''", source)
    return workrows.read_task(found[0]) if found else None


async def letters(
    connection: aiosqlite.Connection, *, bot_id: str | None, partner: str | None, offset: int, limit: int
) -> list[Letter]:
    """As HiveClient.letters."""
    which = "true"
    if bot_id is not None:
        which = ":bot_id IN (from_bot, to_bot)" + ("" if partner is None else " AND :partner IN (from_bot, to_bot)")
    found = await connection.execute_fetchall(
        f"SELECT * FROM letters WHERE {which} ORDER BY sent_at DESC, letter_id DESC LIMIT :limit OFFSET :offset",
        {"bot_id": bot_id, "partner": partner, "limit": limit, "offset": offset},
    )
    return [workrows.read_letter(row) for row in found]


async def letter(connection: aiosqlite.Connection, letter_id: str) -> Letter | None:
    found = await fetch(connection, "SELECT * FROM letters WHERE letter_id = ?", letter_id)
    return workrows.read_letter(found[0]) if found else None


async def rows_of(connection: aiosqlite.Connection, table: str, key: str, ids: Collection[str]) -> list[sqlite3.Row]:
    """The rows with these ids; for the writer, which knows the table."""
    if not ids:
        return []
    sql = f"SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"
    return await fetch(connection, sql, json.dumps(list(ids)))
