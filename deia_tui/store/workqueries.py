"""What is read of the work of a hive: tasks in the order of the queue, their attempts, letters, performance. However
much there is, each reads no more than it answers with (tests/store/test_work_plans.py)."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aiosqlite

from deia_tui.core.letters.letter import Letter
from deia_tui.core.scheduling.performance import Performance
from deia_tui.core.work.tasks import ENDED, PRIORITIES, WITH_BOT, Attempt, Task, TaskState, TaskType
from deia_tui.store import workrows
from deia_tui.store.queries import fetch

_WITHOUT_TEXT = "SELECT tasks.*, '' AS text FROM tasks"
_WITH_BRIEF = "SELECT tasks.*, brief AS text FROM tasks JOIN task_texts USING (task_id)"
_WITH_TEXT = "SELECT tasks.*, text FROM tasks JOIN task_texts USING (task_id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """What a dispatcher and a messenger start from. `dead` counts the tasks nobody tries any more."""

    tasks: tuple[Task, ...]
    letters: tuple[Letter, ...]
    performance: Mapping[tuple[str, TaskType], Performance]
    dead: int


async def open_work(connection: aiosqlite.Connection) -> OpenWork:
    """Everything that has not ended; of tasks without their text, which the store keeps."""
    tasks = await fetch(connection, f"{_WITHOUT_TEXT} WHERE ended_at IS NULL ORDER BY created_at, number")
    letters = await fetch(
        connection, "SELECT * FROM letters WHERE state IN ('pending', 'delivered') ORDER BY sent_at, letter_id"
    )
    known = await fetch(connection, "SELECT * FROM performance")
    (dead,) = (await fetch(connection, "SELECT count(*) FROM tasks WHERE state = 'dead'"))[0]
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
    sql = _page(states or tuple(TaskState), of_bot=bot_id is not None)
    place = {"bot_id": bot_id, "limit": limit, "offset": offset, "reach": offset + limit, "ageing_s": ageing_s}
    return [workrows.read_task(row) for row in await connection.execute_fetchall(sql, place)]


def _page(states: Collection[TaskState], *, of_bot: bool) -> str:
    """The tasks of one state and priority lie in an index in their order; a page is the first of them all."""
    parts = [
        _part(state, priority, whose)
        for whose in (
            ("addressee = :bot_id AND addressee <> ''", "bot_id = :bot_id AND bot_id <> ''") if of_bot else ("true",)
        )
        for state in sorted(states)
        for priority in PRIORITIES
    ]
    # One that is for a bot and with it stands in two parts.
    chosen = f"SELECT DISTINCT number, section, line FROM ({' UNION ALL '.join(parts)}) "
    chosen += "ORDER BY section, line, number LIMIT :limit OFFSET :offset"
    return (
        f"SELECT tasks.*, brief AS text FROM ({chosen}) AS chosen CROSS JOIN tasks USING (number) "
        "CROSS JOIN task_texts USING (task_id) ORDER BY section, line, number"
    )


def _part(state: TaskState, priority: int, whose: str) -> str:
    section = 0 if state in WITH_BOT else 2 if state in ENDED else 1
    line = "place" if state in ENDED else f"place + :ageing_s * {priority}"
    return (
        f"SELECT * FROM (SELECT number, {section} AS section, {line} AS line FROM tasks "
        f"WHERE {whose} AND state = '{state}' AND priority = {priority} ORDER BY place, number LIMIT :reach)"
    )


async def task(connection: aiosqlite.Connection, task_id: str) -> Task | None:
    """With all of its text."""
    found = await fetch(connection, f"{_WITH_TEXT} WHERE tasks.task_id = ?", task_id)
    return workrows.read_task(found[0]) if found else None


async def tasks_of(
    connection: aiosqlite.Connection, task_ids: Collection[str], *, with_text: bool = True
) -> dict[str, Task]:
    """Those of these tasks that exist."""
    if not task_ids:
        return {}
    sql = f"{_WITH_TEXT if with_text else _WITHOUT_TEXT} WHERE tasks.task_id IN (SELECT value FROM json_each(?))"
    found = await fetch(connection, sql, json.dumps(list(task_ids)))
    return {row["task_id"]: workrows.read_task(row) for row in found}


async def texts(connection: aiosqlite.Connection, task_ids: Collection[str]) -> dict[str, str]:
    sql = "SELECT task_id, text FROM task_texts WHERE task_id IN (SELECT value FROM json_each(?))"
    return {row["task_id"]: row["text"] for row in await fetch(connection, sql, json.dumps(list(task_ids)))}


async def attempts(connection: aiosqlite.Connection, task_id: str) -> list[Attempt]:
    """Oldest first, with what each has used by now."""
    used = "(SELECT sum({}) FROM usage_of_turn WHERE usage_of_turn.message_id = attempts.message_id) AS {}"
    sums = [
        used.format("input_tokens + cache_read_tokens + cache_write_tokens", "tokens_in"),
        used.format("output_tokens", "tokens_out"),
        used.format("cost_usd", "cost_usd"),
    ]
    sql = f"SELECT *, {', '.join(sums)} FROM attempts WHERE task_id = ? ORDER BY attempt"
    return [workrows.read_attempt(row) for row in await fetch(connection, sql, task_id)]


async def states_of(connection: aiosqlite.Connection, task_ids: Collection[str]) -> dict[str, TaskState]:
    """How these tasks stand; one that nobody knows is left out."""
    sql = "SELECT task_id, state FROM tasks WHERE task_id IN (SELECT value FROM json_each(?))"
    found = await fetch(connection, sql, json.dumps(list(task_ids)))
    return {row["task_id"]: TaskState(row["state"]) for row in found}


async def unanswered(connection: aiosqlite.Connection, *, limit: int) -> list[Task]:
    """Tasks that ended, and whose answer is in no file yet; oldest first, with the beginning of their text."""
    sql = f"{_WITH_BRIEF} WHERE ended_at IS NOT NULL AND response = '' ORDER BY ended_at LIMIT ?"
    return [workrows.read_task(row) for row in await fetch(connection, sql, limit)]


async def states_of_files(connection: aiosqlite.Connection, sources: Collection[str]) -> dict[str, TaskState]:
    """As Store.states_of_files."""
    sql = "SELECT source, state FROM tasks WHERE source IN (SELECT value FROM json_each(?)) AND source <> ''"
    found = await fetch(connection, sql, json.dumps(list(sources)))
    return {row["source"]: TaskState(row["state"]) for row in found}


async def numbered_files(connection: aiosqlite.Connection, sources: Collection[str]) -> frozenset[str]:
    """As Store.numbered_files."""
    known = set(await states_of_files(connection, sources))
    for source in tuple(known):
        stem = source.rpartition(".")[0]
        sql = "SELECT source FROM tasks WHERE source > ? AND source < ? AND source <> ''"
        known.update(row["source"] for row in await fetch(connection, sql, f"{stem}-", f"{stem}."))
    return frozenset(known)


async def task_of_file(connection: aiosqlite.Connection, source: str) -> Task | None:
    """With all of its text."""
    found = await fetch(connection, f"{_WITH_TEXT} WHERE source = ? AND source <> ''", source)
    return workrows.read_task(found[0]) if found else None


async def letters_of(connection: aiosqlite.Connection, letter_ids: Collection[str]) -> dict[str, Letter]:
    """Those of these letters that exist."""
    if not letter_ids:
        return {}
    sql = "SELECT * FROM letters WHERE letter_id IN (SELECT value FROM json_each(?))"
    found = await fetch(connection, sql, json.dumps(list(letter_ids)))
    return {row["letter_id"]: workrows.read_letter(row) for row in found}
