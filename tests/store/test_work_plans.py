"""However much work there is, a question about some of it costs the same: SQLite's own steps are counted."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from deia_tui.core.work.tasks import ENDED, TaskState
from deia_tui.folder import Folder
from deia_tui.store import letterqueries as lq
from deia_tui.store import workqueries as wq
from deia_tui.store.database import open_reader
from deia_tui.store.store import Store

from . import scenes, tasks

AT = tasks.AT
FEW, MANY = 1500, 6000
Ask = Callable[[aiosqlite.Connection], Awaitable[Any]]


def listed(**which: Any) -> Ask:
    usual = {"states": (), "bot_id": None, "offset": 0, "limit": 20, "ageing_s": 600.0}
    return lambda connection: wq.tasks(connection, **{**usual, **which})


def letters(**which: Any) -> Ask:
    usual = {"bot_id": None, "partner": None, "offset": 0, "limit": 20}
    return lambda connection: lq.letters(connection, **{**usual, **which})


QUESTIONS: Mapping[str, Ask] = {
    "all tasks": listed(),
    "tasks of a bot": listed(bot_id="A"),
    "what waits": listed(states=(TaskState.QUEUED, TaskState.RETRYABLE)),
    "the dead of a bot": listed(states=(TaskState.DEAD,), bot_id="A"),
    "the second page of what ended": listed(states=ENDED, offset=20),
    "a task": lambda connection: wq.task(connection, "t0"),
    "its attempts": lambda connection: wq.attempts(connection, "t0"),
    "states": lambda connection: wq.states_of(connection, ["t0", "t1"]),
    "what is owed": lambda connection: wq.unanswered(connection, limit=20),
    "a file's task": lambda connection: wq.task_of_file(connection, "t4.md"),
    "tasks to change": lambda connection: wq.tasks_of(connection, ["t0", "t1"]),
    "their texts": lambda connection: wq.texts(connection, ["t0", "t1"]),
    "all letters": letters(),
    "letters of a bot": letters(bot_id="A"),
    "letters of two": letters(bot_id="A", partner="B"),
    "a letter": lambda connection: lq.letter(connection, "l0"),
    "letters to change": lambda connection: wq.letters_of(connection, ["l0", "l1"]),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two stores, one with four times the work of the other."""
    return {count: asyncio.run(_filled(tmp_path_factory.mktemp(f"{count}"), count)) for count in (FEW, MANY)}


async def _filled(root: Path, count: int) -> Path:
    folder = Folder(root)
    folder.create()
    store = await Store.open(folder)
    unit = [*scenes.started("A"), *scenes.started("B")]
    for number in range(count):
        task_id, at = f"t{number}", AT + number
        fields = {"source": f"{task_id}.md"} if number % 2 == 0 else {}
        unit.append(tasks.queued(task_id, at=at, priority=number % 4, to="A" if number % 3 == 0 else "", **fields))
        if number % 5 < 3:
            unit += tasks.assigned(task_id, at=at)
        if number % 5 == 0:
            unit.append(tasks.done(task_id, at=at))
        if number % 5 == 1:
            unit.append(tasks.died(task_id, at=at))
        unit.append(tasks.sent(f"l{number}", "A", "BC"[number % 2], at=at))
    await store.commit(unit)
    await store.close()
    return folder.state_db


async def steps(path: Path, ask: Ask) -> int:
    """Tens of SQLite's instructions."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    async with AsyncExitStack() as stack:
        connection = await open_reader(path, busy_timeout_s=1.0)
        stack.push_async_callback(connection.close)
        await connection.set_progress_handler(count, 10)
        await ask(connection)
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
    return taken


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_costs_no_more_when_there_is_more(work: dict[int, Path], name: str) -> None:
    few, many = [await steps(work[count], QUESTIONS[name]) for count in (FEW, MANY)]
    assert many <= 1.3 * few + 10, (few, many)


@pytest.mark.parametrize("name", QUESTIONS)
async def test_every_table_is_entered_by_an_index(work: dict[int, Path], name: str) -> None:
    async with AsyncExitStack() as stack:
        connection = await open_reader(work[FEW], busy_timeout_s=1.0)
        stack.push_async_callback(connection.close)
        asked: list[str] = []
        await connection.set_trace_callback(asked.append)
        await QUESTIONS[name](connection)
        await connection.set_trace_callback(None)  # type: ignore[arg-type]
        assert asked
        for sql in asked:
            plan = [str(row["detail"]) for row in await connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")]
            scans = [line for line in plan if re.match(r"SCAN (tasks|task_texts|attempts|letters)\b", line)]
            assert all("INDEX letters_by_time" in line for line in scans), plan  # newest first, as many as are shown


async def test_a_start_reads_no_task_that_ended(work: dict[int, Path]) -> None:
    connection = await open_reader(work[FEW], busy_timeout_s=1.0)
    asked: list[str] = []
    await connection.set_trace_callback(asked.append)
    found = await wq.open_work(connection)
    await connection.set_trace_callback(None)  # type: ignore[arg-type]
    plans = [
        str(row["detail"])
        for sql in asked
        for row in await connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")
        if "performance" not in str(row["detail"])
    ]
    await connection.close()
    assert len(found.tasks) == FEW * 3 // 5 and found.dead == FEW // 5
    assert not [line for line in plans if line.startswith("SCAN") and "INDEX" not in line], plans
