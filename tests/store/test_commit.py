import asyncio
import sqlite3
import stat
import threading

import pytest

from deia_tui.core import events as ev
from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.folder import Folder
from deia_tui.store.store import Store

from . import scenes
from .limits import no_file_beyond

UNKNOWN_BOT = scenes.starting("NOBODY")
"""No table has a bot of that name, so the database refuses it."""


async def test_numbers_are_consecutive_over_events_and_output(store: Store) -> None:
    first = await store.commit(scenes.started("B"))
    second = await store.commit([scenes.output("B", "m", "x", 1), scenes.alert(1)])
    assert [entry.seq for entry in first + second] == [1, 2, 3, 4, 5, 6]
    assert await store.commit([]) == []


async def test_numbers_go_on_after_a_restart(folder: Folder) -> None:
    for expected in (1, 2, 3):
        store = await Store.open(folder)
        (entry,) = await store.commit([ev.HiveOpened(at=scenes.AT, pid=1, mode="serve", version="1")])
        await store.close()
        assert entry.seq == expected


async def test_a_unit_is_stored_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        await store.commit([scenes.launched("B"), UNKNOWN_BOT])
    assert await store.events() == []
    assert (await store.load()).bots == {}
    (entry,) = await store.commit([scenes.launched("B")])
    assert entry.seq == 1


async def test_a_bad_unit_spoils_no_other(store: Store) -> None:
    good = [store.commit([scenes.launched(f"B{number}"), scenes.starting(f"B{number}")]) for number in range(20)]
    bad = [store.commit([scenes.launched("X"), UNKNOWN_BOT]) for _ in range(3)]
    mixed = [*good[:7], bad[0], *good[7:11], bad[1], bad[2], *good[11:]]
    results = await asyncio.gather(*mixed, return_exceptions=True)
    assert sum(isinstance(result, StoreError) for result in results) == 3
    committed = [entry.seq for result in results if isinstance(result, list) for entry in result]
    assert sorted(committed) == list(range(1, 41))
    assert sorted((await store.load()).bots) == sorted(f"B{number}" for number in range(20))


async def test_a_number_too_big_for_the_database_fails_alone(store: Store) -> None:
    await store.commit([scenes.launched("B")])
    big = ev.BotSpawned(at=scenes.AT, bot_id="B", run=1, pid=2**70, start_ticks=1, port=1)
    refused, stored = await asyncio.gather(
        store.commit([big]), store.commit([scenes.starting("B")]), return_exceptions=True
    )
    assert isinstance(refused, StoreError)
    assert isinstance(stored, list)


async def test_frames_seen_before_are_left_out(store: Store) -> None:
    await store.commit(scenes.started("B"))
    frames = [scenes.output("B", "m", str(number), number) for number in range(1, 6)]
    assert len(await store.commit(frames[:3])) == 3
    replayed = await store.commit(frames)
    assert [entry.event for entry in replayed] == frames[3:]
    assert (await store.load()).runs["B"].last_seq == 5
    assert len(await store.commit([scenes.output("B", "m", "other run", 1, run=2)])) == 1


async def test_frames_of_a_former_run_are_known_after_a_restart(folder: Folder) -> None:
    store = await Store.open(folder)
    await store.commit([*scenes.started("B"), scenes.output("B", "m", "x", 7), scenes.exited("B")])
    await store.commit([scenes.starting("B", 2), scenes.output("B", "m", "y", 1, run=2)])
    await store.close()
    store = await Store.open(folder)
    old, new = scenes.output("B", "m", "x", 7), scenes.output("B", "m", "late", 8)
    assert [entry.event for entry in await store.commit([old, new, new])] == [new]
    await store.close()


async def test_a_message_asked_twice_is_there_once(store: Store) -> None:
    await store.commit([scenes.launched("B")])
    twice = [scenes.asked("B", "m"), scenes.asked("B", "m"), scenes.asked("B", "n")]
    assert [entry.event for entry in await store.commit(twice)] == [twice[0], twice[2]]
    assert await store.commit([scenes.asked("B", "m", "another text")]) == []
    assert [message.text for message in (await store.load()).waiting("B")] == ["hello\nworld"] * 2


async def test_a_cancelled_caller_leaves_whole_units_and_a_free_lock(store: Store) -> None:
    for turn in range(20):
        unit = [scenes.launched(f"B{turn}"), scenes.starting(f"B{turn}"), scenes.spawned(f"B{turn}")]
        caller = asyncio.create_task(store.commit(unit))
        for _ in range(turn % 7):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    (last,) = await asyncio.wait_for(store.commit([scenes.alert(1)]), 10)
    counts = [0] * 20
    for entry in (await store.events())[:-1]:
        counts[int(entry.event.bot_id[1:])] += 1  # type: ignore[union-attr]
    assert set(counts) <= {0, 3}
    assert last.seq == sum(counts) + 1


async def test_waits_for_nobody_who_locked_the_database(folder: Folder, store: Store) -> None:
    await store.commit([scenes.launched("B")])
    other = sqlite3.connect(folder.state_db, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked by another program"):
        await store.commit([scenes.starting("B")])
    assert len(await store.events()) == 1  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    (entry,) = await store.commit([scenes.starting("B")])
    assert entry.seq == 2


async def test_a_commit_waits_for_one_who_locked_the_database_and_loses_nothing(folder: Folder) -> None:
    store = await Store.open(folder)
    await store.commit([scenes.launched("B")])
    other = sqlite3.connect(folder.state_db, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waiting = [asyncio.create_task(store.commit([scenes.alert(number)])) for number in range(1, 9)]
    for _ in range(20):
        assert len(await store.events()) == 1  # the screen goes on
    assert not any(commit.done() for commit in waiting)
    other.execute("ROLLBACK")
    other.close()
    assert len(await asyncio.gather(*waiting)) == 8
    await store.close()


async def test_the_log_is_short_again_when_a_pinned_reader_has_gone(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("B"))
    other = sqlite3.connect(folder.state_db, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM events").fetchone()
    frames = iter(range(1, 10_000))
    for _ in range(90):
        await store.commit([scenes.output("B", "m", "x" * 1_000_000, next(frames))])
    grown = store.log_bytes
    assert grown > 80_000_000
    other.execute("ROLLBACK")
    other.close()
    for _ in range(3):
        await store.commit([scenes.output("B", "m", "x" * 5_000_000, next(frames))])
    assert store.log_bytes < grown


async def test_a_file_that_cannot_grow_costs_only_the_units_that_did_not_fit(folder: Folder, store: Store) -> None:
    await store.commit(scenes.started("B"))
    big = scenes.output("B", "m", "x" * 4_000_000, 1)
    with no_file_beyond(2_000_000), pytest.raises(StoreError):
        await store.commit([scenes.asked("B", "m"), big])
    assert (await store.load()).waiting("B") == []
    assert len(await store.commit([scenes.asked("B", "m"), big])) == 2
    assert len((await store.load()).waiting("B")) == 1


async def test_text_that_is_none_is_stored_all_the_same(store: Store) -> None:
    await store.commit([*scenes.started("B"), scenes.asked("B", "m", "half \ud800"), scenes.turn_started("B", "m", 1)])
    await store.commit([scenes.output("B", "m", "a\x00b \udfff é", 2)])
    (turn,) = await store.chat("B")
    assert (turn.text, turn.answer) == ("half ?", "a\x00b ? é")


async def test_closing_commits_what_waits_and_ends_every_thread(folder: Folder) -> None:
    before = set(threading.enumerate())
    store = await Store.open(folder)
    waiting = [asyncio.create_task(store.commit([scenes.launched(f"B{number}")])) for number in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*waiting)) == 50
    assert_ended(set(threading.enumerate()) - before)
    with pytest.raises(StoreError, match="closed"):
        await store.commit([scenes.alert(1)])
    with pytest.raises(StoreError, match="closed"):
        await store.load()


def assert_ended(threads: set[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


async def test_files_belong_to_their_owner_alone(folder: Folder, store: Store) -> None:
    await store.commit([scenes.launched("B")])
    await store.add_samples(scenes.AT, {"B": (1.0, 2.0, 3, 4)})
    for path in folder.deia.glob("*.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(folder: Folder) -> None:
    await (await Store.open(folder)).close()
    with sqlite3.connect(folder.state_db) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match="newer deia-tui"):
        await Store.open(folder)
    with sqlite3.connect(folder.state_db) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (99,)
    other.close()
    assert_ended(set(threading.enumerate()) - before)


async def test_nothing_is_committed_once_the_hive_is_somebody_elses(folder: Folder) -> None:
    ours = [True]
    store = await Store.open(folder, still_ours=lambda: ours[0])
    try:
        assert await store.commit([scenes.launched("B")])
        ours[0] = False
        with pytest.raises(StoreError, match="lock of this hive is gone"):
            await store.commit([scenes.launched("B")])
        ours[0] = True
        assert await store.commit([scenes.launched("B")]), "the transaction that was refused is over"
    finally:
        await store.close()
