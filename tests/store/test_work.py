"""What the store answers about work: lists in their order, attempts with what they cost, letters of two bots."""

import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import spec_to_json
from deia_tui.core.errors import StoreError
from deia_tui.core.turns import Usage
from deia_tui.core.work.tasks import ENDED, WITH_BOT, Attempt, Task, TaskState
from deia_tui.folder import Folder
from deia_tui.store.backup import restore
from deia_tui.store.database import migrations
from deia_tui.store.mending import set_aside
from deia_tui.store.store import Store
from deia_tui.store.workrows import BRIEF

from . import scenes, tasks

AT = tasks.AT


async def test_a_task_keeps_its_text_and_lists_show_the_beginning_of_it(store: Store) -> None:
    text = "ä" * (BRIEF + 1) + "\ud800"
    await store.commit([*scenes.started("A"), tasks.queued("t", text=text, after=("a", "b"), source="A/t.md")])
    task = await store.task("t")
    assert task is not None and task.text == text.replace("\ud800", "?") and task.after == ("a", "b")
    assert await store.task_of_file("A/t.md") == task
    assert await store.tasks() == [replace(task, text="ä" * BRIEF)]
    assert (await store.open_work()).tasks == (replace(task, text=""),)
    await store.commit([*tasks.assigned("t"), tasks.started("t"), *tasks.answered("t")])
    done = await store.task("t")
    assert done is not None and (done.text, done.state) == (task.text, TaskState.DONE)
    assert await store.unanswered() == [replace(done, text="ä" * BRIEF)]
    await store.commit([tasks.filed("t")])
    assert await store.unanswered() == []


async def test_the_same_task_again_changes_nothing(store: Store) -> None:
    await store.commit([tasks.queued("t")])
    assert await store.commit([tasks.queued("t", text="other")]) == []
    task = await store.task("t")
    assert task is not None and task.text == "text of t"


async def test_a_priority_there_is_not_is_refused_alone(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        await store.commit([tasks.queued("t", priority=7)])
    assert await store.commit([tasks.queued("u", priority=3)])


async def test_attempts_tell_what_they_used(store: Store) -> None:
    await store.commit([*scenes.started("A"), tasks.queued("t"), *tasks.assigned("t"), tasks.started("t")])
    for cost_usd in (0.25, 0.5):
        usage = Usage(model="m", input_tokens=10, output_tokens=2, cache_read_tokens=30)
        used = ev.UsageReported(
            at=AT, bot_id="A", run=1, message_id="t.1", usage=usage, source_seq=0, cost_usd=cost_usd
        )
        await store.commit([used])
    await store.commit([tasks.put_back("t"), *tasks.assigned("t", attempt=2)])
    first, second = await store.attempts("t")
    assert first == Attempt(
        attempt=1,
        bot_id="A",
        message_id="t.1",
        assigned_at=AT + 1,
        started_at=AT + 2,
        ended_at=AT + 4,
        outcome="failed",
        error="exit 1",
        reasons=("it is free",),
        confidence=0.5,
        tokens_in=80,
        tokens_out=4,
        cost_usd=0.75,
    )
    assert (second.outcome, second.tokens_in, second.tokens_out, second.cost_usd) == ("", None, None, None)


async def many(store: Store) -> list[Task]:
    """Tasks of every state, priority and bot, as they stand."""
    chance = random.Random(4)
    await store.commit([*scenes.started("A"), *scenes.started("B")])
    for number in range(150):
        task_id, at, bot_id = f"t{number:03d}", AT + chance.randrange(3000), chance.choice("AB")
        to = chance.choice(["", bot_id, "C"])
        steps: list[list[ev.Event]] = [
            [tasks.queued(task_id, at=at, priority=chance.randrange(4), to=to)],
            tasks.assigned(task_id, bot_id, at=at + 1),
            [tasks.started(task_id, bot_id, at=at + 2)],
            chance.choice(
                [
                    tasks.answered(task_id, bot_id, at=at + 5),
                    [tasks.put_back(task_id, at=at + 5, not_before=at + 9)],
                    [tasks.died(task_id, at=at + 5)],
                    [tasks.cancelled(task_id, at=at + 5)],
                ]
            ),
        ]
        await store.commit([event for step in steps[: chance.randrange(1, 5)] for event in step])
    known = [await store.task(f"t{number:03d}") for number in range(150)]
    return [task for task in known if task is not None]


def in_order(known: Sequence[Task], ageing_s: float) -> list[str]:
    def place(task: Task) -> tuple[int, float, str]:
        if task.ended_at is not None:
            return (2, -task.ended_at, task.task_id)
        return (0 if task.state in WITH_BOT else 1, task.created_at + ageing_s * task.priority, task.task_id)

    return [task.task_id for task in sorted(known, key=place)]


async def test_tasks_stand_in_the_order_of_the_queue_whatever_is_asked(store: Store) -> None:
    known = await many(store)
    assert {task.state for task in known} == set(TaskState)
    for states in ((), ENDED, WITH_BOT, (TaskState.QUEUED,), (TaskState.RETRYABLE, TaskState.DONE)):
        for bot_id in (None, "A", "C", "nobody"):
            meant = [task for task in known if not states or task.state in states]
            meant = [task for task in meant if bot_id in (None, task.to, task.bot_id)]
            wanted = in_order(meant, 600.0)
            found = [task.task_id for task in await store.tasks(states=states, bot_id=bot_id)]
            assert found == wanted
            pages = [await store.tasks(states=states, bot_id=bot_id, offset=at, limit=7) for at in range(0, 150, 7)]
            assert [task.task_id for page in pages for task in page] == wanted
    assert [task.task_id for task in await store.tasks(ageing_s=0.0)] == in_order(known, 0.0)
    assert {task.task_id for task in (await store.open_work()).tasks} == {
        task.task_id for task in known if task.state not in ENDED
    }


async def test_letters_of_all_of_one_and_of_two(store: Store) -> None:
    pairs = [("A", "B"), ("B", "A"), ("A", "C"), ("human", "B"), ("A", "A")]
    for number in range(50):
        from_bot, to_bot = pairs[number % 5]
        await store.commit([tasks.sent(f"l{number:02d}", from_bot, to_bot, at=AT + number % 7)])
    every = await store.letters()
    newest = sorted(every, key=lambda letter: (letter.sent_at, letter.letter_id), reverse=True)
    assert len(every) == 50 and every == newest
    for bot_id, partner in (("A", None), ("B", None), ("A", "B"), ("B", "A"), ("A", "A"), ("B", "C")):
        wanted = [letter for letter in newest if bot_id in (letter.from_bot, letter.to_bot)]
        if partner is not None:
            wanted = [letter for letter in wanted if {bot_id, partner} == {letter.from_bot, letter.to_bot}]
        assert await store.letters(bot_id=bot_id, partner=partner) == wanted
        pages = [await store.letters(bot_id=bot_id, partner=partner, offset=at, limit=4) for at in range(0, 50, 4)]
        assert [letter for page in pages for letter in page] == wanted


async def test_a_store_of_the_schema_before_gets_work_and_keeps_what_it_had(folder: Folder) -> None:
    with closing(sqlite3.connect(folder.state_db)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for script in migrations()[:3]:
            database.executescript(script)
        database.execute(
            "INSERT INTO bots (bot_id, spec, created_at, first_run, wanted, state, activity, since, reason, run, "
            "restarts, health, task) VALUES ('A', ?, 1, 1, 1, 'stopped', 'idle', 1, '', 1, 0, 'unknown', '')",
            (json.dumps(spec_to_json(scenes.spec("A"))),),
        )
        database.execute(
            "INSERT INTO messages (message_id, bot_id, sender, text, subject, status, asked_at, since_seq) "
            "VALUES ('m', 'A', 'human', 'hello', 'hello', 'queued', 1, 1)"
        )
        database.execute("PRAGMA user_version = 3")
        database.commit()
    store = await Store.open(folder)
    loaded = await store.load()
    (message,) = loaded.waiting("A")
    assert (message.text, message.priority, message.task_id, message.letter_id) == ("hello", 0, "", "")
    assert not loaded.bots["A"].scaled
    await store.commit([tasks.queued("t"), *tasks.assigned("t"), tasks.sent("l")])
    assert [task.state for task in await store.tasks()] == [TaskState.SCHEDULED]
    assert len(await store.letters()) == 1
    await store.close()


async def test_a_backup_has_the_work_in_it(folder: Folder, store: Store) -> None:
    await store.commit([*scenes.started("A"), tasks.queued("t"), *tasks.assigned("t"), tasks.sent("l")])
    backup = await store.back_up()
    wanted = await store.task("t"), await store.attempts("t"), await store.letters()
    await store.commit([tasks.started("t"), *tasks.answered("t"), tasks.queued("u")])
    await store.close()
    restore(backup.path, folder, lambda: set_aside(folder.state_db, "replaced"))
    store = await Store.open(folder)
    assert (await store.task("t"), await store.attempts("t"), await store.letters()) == wanted
    assert await store.task("u") is None
    await store.close()
