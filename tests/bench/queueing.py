"""How many queued tasks a second the store takes from their claim to their end, and that neither the store nor the
queue in memory becomes slower when more wait. Everything is committed as a dispatcher commits it."""

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import TaskState
from deia_tui.folder import Folder
from deia_tui.store.store import Store

from ..store import scenes, tasks
from .figures import Figure

TASKS, BOTS = 10_000, 50
SIZES = (1_000, 10_000, 100_000)
UNIT = 500
ASKED = 40
"""How often an operation is measured; the median counts. It is CPU time: how long a disk takes to make a commit durable
depends on what else was written to it."""
AT = tasks.AT
Operation = Callable[[int], Awaitable[object]]


def queue() -> Iterator[Figure]:
    one_by_one, grown_mb = asyncio.run(_drained(_one_by_one))
    together, _ = asyncio.run(_drained(_together))
    what = f"of {TASKS:,} queued tasks, claimed and completed"
    yield Figure(what=f"{what} by {BOTS} bots at once", measured=one_by_one, unit="/s", at_least=1000, digits=0)
    yield Figure(what=f"{what} in rounds of {BOTS}", measured=together, unit="/s", at_least=1000, digits=0)
    yield Figure(what="memory of the store after it, more than before", measured=grown_mb, unit="MB", at_most=20)
    yield from _compared("store", [asyncio.run(_store_times(size)) for size in SIZES])
    yield from _compared("queue in memory", [_queue_times(size) for size in SIZES])


def _compared(where: str, by_size: list[dict[str, float]]) -> Iterator[Figure]:
    for name in by_size[0]:
        least, middle, most = [1e3 * times[name] for times in by_size]
        yield Figure(what=f"{where}: {name}, 1,000 wait (CPU)", measured=least, unit="ms", digits=3)
        yield Figure(what="… 10,000 wait", measured=middle / least, unit="×")
        yield Figure(what="… 100,000 wait", measured=most / least, unit="×", at_most=3)


# The store


@asynccontextmanager
async def _filled(count: int) -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory(prefix="deia-bench-") as root:
        folder = Folder(Path(root))
        folder.create()
        store = await Store.open(folder)
        try:
            for number in range(BOTS):
                await store.commit(scenes.started(_bot(number)))
            for start in range(0, count, UNIT):
                numbers = range(start, start + UNIT)
                await store.commit([tasks.queued(f"t{n}", at=AT + n / 1000, priority=n % 4) for n in numbers])
            yield store
        finally:
            await store.close()


async def _drained(work: Callable[[Store], Awaitable[None]]) -> tuple[float, float]:
    """Tasks a second, and by how many MB the process has grown."""
    async with _filled(TASKS) as store:
        before_mb = _resident_mb()
        began = time.perf_counter()
        await work(store)
        took_s = time.perf_counter() - began
        grown_mb = _resident_mb() - before_mb
        assert len(await store.tasks(states=(TaskState.DONE,), limit=TASKS + 1)) == TASKS
    return TASKS / took_s, grown_mb


async def _one_by_one(store: Store) -> None:
    """Every bot has one task after the other, and each of its steps is a commit of its own."""
    numbers = iter(range(TASKS))

    async def bot(bot_id: str) -> None:
        for number in numbers:
            for step in _steps(f"t{number}", bot_id):
                await store.commit(step)

    await asyncio.gather(*(bot(_bot(number)) for number in range(BOTS)))


async def _together(store: Store) -> None:
    """As many tasks as there are bots go the same step in one commit."""
    for start in range(0, TASKS, BOTS):
        rounds = zip(*(_steps(f"t{start + bot}", _bot(bot)) for bot in range(BOTS)), strict=True)
        for step in rounds:
            await store.commit([event for events in step for event in events])


def _steps(task_id: str, bot_id: str) -> list[list[ev.Event]]:
    turn = ev.TurnStarted(at=AT, bot_id=bot_id, run=1, message_id=f"{task_id}.1", source_seq=0)
    return [
        tasks.assigned(task_id, bot_id),
        [turn, tasks.started(task_id, bot_id)],
        tasks.answered(task_id, bot_id),
    ]


async def _store_times(count: int) -> dict[str, float]:
    """The median seconds of CPU of each operation while so many wait."""
    async with _filled(count) as store:

        async def claim_and_complete(number: int) -> None:
            for step in _steps(f"t{number}", _bot(0)):
                await store.commit(step)

        operations: dict[str, Operation] = {
            "add": lambda number: store.commit([tasks.queued(f"new-{number}")]),
            "claim and complete": claim_and_complete,
            "cancel": lambda number: store.commit([tasks.cancelled(f"t{ASKED + number}")]),
            "look at one": lambda number: store.task(f"t{number}"),
            "list a page": lambda number: store.tasks(limit=50),
        }
        return {name: await _median(operation) for name, operation in operations.items()}


async def _median(operation: Operation) -> float:
    times = []
    for number in range(ASKED):
        began = time.process_time()
        await operation(number)
        times.append(time.process_time() - began)
    return statistics.median(times)


# The queue in memory


def _queue_times(count: int) -> dict[str, float]:
    waiting = TaskQueue(ageing_s=600.0)
    for number in range(count):
        waiting.note(tasks.queued(f"t{number}", at=AT + number / 1000, priority=number % 4), 0.0)
    bots = [_bot(number) for number in range(BOTS)]
    gc.collect()

    def claim_and_complete(number: int) -> None:
        first = waiting.first(bots, 0.0)
        assert first is not None
        waiting.take(first.task_id)
        waiting.note(tasks.assigned(first.task_id, bots[0])[0], 0.0)  # type: ignore[arg-type]
        waiting.note(tasks.done(first.task_id, bots[0]), 0.0)

    operations: dict[str, Callable[[int], object]] = {
        "add": lambda number: waiting.note(tasks.queued(f"new-{number}", priority=1), 0.0),
        "claim and complete": claim_and_complete,
        "cancel": lambda number: waiting.note(tasks.cancelled(f"t{count - 1 - number}"), 0.0),
    }
    return {name: _median_now(operation) for name, operation in operations.items()}


def _median_now(operation: Callable[[int], object]) -> float:
    times = []
    for number in range(10 * ASKED):
        began = time.process_time()
        operation(number)
        times.append(time.process_time() - began)
    return statistics.median(times)


def _bot(number: int) -> str:
    return f"BOT-{number:03d}"


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
