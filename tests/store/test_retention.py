import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.folder import Folder
from deia_tui.store.retention import Retention
from deia_tui.store.store import Store

from . import scenes, tasks

AT = scenes.AT
DAY_S = 86_400.0
LATER = AT + 3 * DAY_S
WIDE = Retention(events_days=30, state_mb=1000)


def conversation(bot_id: str, number: int, pieces: int = 40, text: str = "word " * 20) -> list[ev.Event]:
    """A message and its answer, from 100 frames of its own."""
    message_id, frame = f"{bot_id}-{number}", number * 100 + 1
    answer = [scenes.output(bot_id, message_id, f"{piece} {text}", frame + 1 + piece) for piece in range(pieces)]
    return [
        scenes.asked(bot_id, message_id),
        scenes.turn_started(bot_id, message_id, frame),
        *answer,
        scenes.turn_ended(bot_id, message_id, frame + 1 + pieces),
    ]


def rows(folder: Folder, table: str) -> int:
    with closing(sqlite3.connect(folder.state_db)) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


async def test_old_answers_become_few_rows_and_read_the_same(folder: Folder, store: Store) -> None:
    await store.commit([*scenes.started("A"), *scenes.started("B")])
    for number in range(8):  # of two bots at once: their pieces lie among each other
        a, b = conversation("A", number), conversation("B", number, text="other " * 60)
        await store.commit([event for pair in zip(a, b, strict=True) for event in pair])
    before = {bot_id: await store.chat(bot_id) for bot_id in "AB"}
    await store.prune(WIDE, LATER)
    assert {bot_id: await store.chat(bot_id) for bot_id in "AB"} == before
    assert rows(folder, "output") < 40
    await store.prune(WIDE, LATER)
    assert {bot_id: await store.chat(bot_id) for bot_id in "AB"} == before


async def test_what_is_younger_than_a_day_stays_in_pieces(folder: Folder, store: Store) -> None:
    await store.commit([*scenes.started("A"), *conversation("A", 0)])
    await store.prune(WIDE, AT + 3600)
    assert rows(folder, "output") == 40


async def test_old_events_go_and_nothing_a_start_needs(folder: Folder) -> None:
    store = await Store.open(folder)
    for run in range(1, 700):
        at = AT + run
        spawned, exited = scenes.spawned("A", run), scenes.exited("A", run, at=at)
        before = [scenes.launched("A", at=at)] if run == 1 else []
        await store.commit([*before, replace(scenes.starting("A", run), at=at), replace(spawned, at=at), exited])
    for number in range(1, 61):
        cleared = ev.AlertCleared(at=AT + number, alert_id=number, bot_id=None, reason="seen")
        await store.commit([scenes.alert(number), cleared])
    await store.commit([*conversation("A", 0), scenes.asked("A", "waits")])
    loaded, chat = await store.load(), await store.chat("A")
    await store.prune(WIDE, AT + 60 * DAY_S)
    assert await store.load() == replace(loaded, exits={"A": loaded.exits["A"][-1:]}, recent={})
    await store.close()
    store = await Store.open(folder)
    assert await store.load() == replace(loaded, exits={"A": loaded.exits["A"][-1:]}, recent={})
    assert await store.chat("A") == chat
    assert (rows(folder, "events"), rows(folder, "runs"), rows(folder, "alerts")) == (0, 1, 50)
    (recorded,) = await store.commit([scenes.alert(61)])
    assert recorded.seq == loaded.seq + 1
    await store.close()


async def test_a_reader_that_was_away_goes_on_behind_the_gap(store: Store) -> None:
    recorded = await store.commit([*scenes.started("A"), *conversation("A", 0)])
    await store.prune(WIDE, AT + 60 * DAY_S)
    (new,) = await store.commit([scenes.alert(1)])
    followed = await store.events(after=recorded[0].seq)
    assert [entry.seq for entry in followed] == [recorded[-2].seq, new.seq]  # the answer in one piece
    assert followed == await store.events(newest=True, limit=2)


async def test_a_clock_that_was_wrong_keeps_nothing_for_ever(folder: Folder, store: Store) -> None:
    await store.commit([ev.HiveOpened(at=AT + 900 * DAY_S, pid=1, mode="serve", version="1") for _ in range(1200)])
    await store.prune(WIDE, AT + 60 * DAY_S)
    assert rows(folder, "events") == 0


async def test_a_store_that_is_too_large_loses_its_oldest_events_then_messages(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    for number in range(WIDE.kept_messages + 300):
        await store.commit(conversation("A", number, pieces=2, text="x" * 2000))
    await store.commit([scenes.asked("A", "open"), scenes.turn_started("A", "open", 10**6)])
    await store.commit([scenes.output("A", "open", "y", 10**6 + 1)])
    size = folder.state_db.stat().st_size / 1e6
    await store.prune(Retention(events_days=30, state_mb=size * 0.9), AT)
    numbers = [turn.number for turn in await store.chat("A", limit=10_000)]
    assert WIDE.kept_messages <= len(numbers) < WIDE.kept_messages + 250
    assert numbers == list(range(numbers[0], WIDE.kept_messages + 302)), "the oldest went"
    assert all(len(turn.answer) > 4000 for turn in await store.chat("A", limit=len(numbers)) if turn.ended_at)
    await store.prune(Retention(events_days=30, state_mb=0.1), AT)
    turns = await store.chat("A", limit=10_000)
    assert len(turns) == WIDE.kept_messages
    assert turns[-1].answer == "y"
    assert rows(folder, "output") == 2 * (WIDE.kept_messages - 1) + 1


async def test_freed_pages_are_used_again(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    tight, sizes = Retention(events_days=30, state_mb=8), []
    for part in range(6):
        for number in range(part * 500, part * 500 + 500, 50):
            unit = [event for n in range(50) for event in conversation("A", number + n, 1, "x" * 3000)]
            await store.commit(unit)
        await store.prune(tight, AT)
        sizes.append(folder.state_db.stat().st_size / 1e6)
    assert max(sizes) < 10.5, sizes


async def test_commits_go_on_while_it_is_pruned(store: Store) -> None:
    await store.commit(scenes.started("A"))
    for number in range(200):
        await store.commit(conversation("A", number))
    pruning = asyncio.create_task(store.prune(Retention(events_days=30, state_mb=0.1), AT + 60 * DAY_S))
    commits = 0
    while not pruning.done():
        await store.commit([ev.HostStarted(at=AT + 60 * DAY_S, pid=commits)])
        commits += 1
    await pruning
    assert commits > 10


async def test_a_pruner_that_is_cancelled_leaves_the_lock_free(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("A"))
    for number in range(20):
        await store.commit(conversation("A", number))
    for turn in range(1, 15):
        pruning = asyncio.create_task(store.prune(WIDE, AT + 60 * DAY_S))
        for _ in range(turn):
            await asyncio.sleep(0)
        pruning.cancel()
        await asyncio.gather(pruning, return_exceptions=True)
        await asyncio.wait_for(store.commit([scenes.alert(turn)]), 10)
    with closing(sqlite3.connect(folder.state_db)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_store_that_is_too_large_loses_its_oldest_tasks_and_letters(folder: Folder, store: Store) -> None:
    tight = Retention(events_days=30, state_mb=0.1, kept_events=10, kept_messages=20)
    await store.commit([*scenes.started("A"), tasks.sent("on its way", at=AT - 9)])
    await store.commit([tasks.queued("needed", at=AT - 9), tasks.cancelled("needed", at=AT - 9)])
    await store.commit([tasks.filed("needed"), tasks.queued("waits", at=AT - 9, after=("needed",))])
    await store.commit([tasks.queued("owed", at=AT - 9), tasks.cancelled("owed", at=AT - 8)])
    for number in range(300):
        task_id, at = f"t{number:03d}", AT + number
        one = [tasks.queued(task_id, at=at, text="x" * 1000), *tasks.assigned(task_id, at=at)]
        one += [*tasks.answered(task_id, at=at), tasks.filed(task_id, at=at)]
        letter_id = f"l{number:03d}"
        await store.commit([*one, tasks.sent(letter_id, at=at), tasks.read(letter_id, at=at)])
    await store.prune(tight, AT)
    kept = [task.task_id for task in await store.tasks()]
    assert kept == ["waits", *(f"t{number:03d}" for number in range(299, 279, -1)), "owed", "needed"]
    assert (rows(folder, "task_texts"), rows(folder, "attempts"), rows(folder, "messages")) == (23, 20, 20)
    letters = [letter.letter_id for letter in await store.letters()]
    assert letters == [*(f"l{number:03d}" for number in range(299, 279, -1)), "on its way"]
    loaded = await store.open_work()
    assert [task.task_id for task in loaded.tasks] == ["waits"]
    assert await store.commit([tasks.queued("t000", at=AT + 999)]), "its id is free again"
