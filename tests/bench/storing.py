"""How many rows of output a second the store takes, counting only those that are durable."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deia_tui.folder import Folder
from deia_tui.store.store import Store

from ..store import scenes
from .figures import Figure

BOTS = 20
BATCH = 64
WINDOW_S = 3.0


def store() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="deia-bench-") as root:
        folder = Folder(Path(root))
        folder.create()
        rate = asyncio.run(_rows_per_second(folder))
    yield Figure(what="output rows stored, acknowledged", measured=rate, unit="/s", digits=0)


async def _rows_per_second(folder: Folder) -> float:
    opened = await Store.open(folder)
    try:
        bots = [f"BOT-{number:03d}" for number in range(1, BOTS + 1)]
        for bot_id in bots:
            await opened.commit([*scenes.started(bot_id), scenes.asked(bot_id, f"message-{bot_id}")])
        began = time.perf_counter()
        stored = await asyncio.gather(*(_write(opened, bot_id, began + WINDOW_S) for bot_id in bots))
        return sum(stored) / (time.perf_counter() - began)
    finally:
        await opened.close()


async def _write(opened: Store, bot_id: str, until: float) -> int:
    """One bot's frames, a batch after the other as its link would; how many were stored."""
    stored = 0
    while time.perf_counter() < until:
        frames = range(stored + 1, stored + 1 + BATCH)
        pieces = [
            scenes.output(bot_id, f"message-{bot_id}", f"line {frame} of some output\n", frame) for frame in frames
        ]
        stored += len(await opened.commit(pieces))
    return stored
