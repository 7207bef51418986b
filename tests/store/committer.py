"""A process that commits for ever, from an event loop in a thread, and tells which units were acknowledged."""

import asyncio
import os
import sys
import threading
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.folder import Folder
from deia_tui.store.store import Store

AT = 1_760_000_000.0


async def commit_for_ever(folder: Folder) -> None:
    store = await Store.open(folder)
    async with asyncio.TaskGroup() as group:
        for caller in range(8):
            group.create_task(commit_units(store, caller))


async def commit_units(store: Store, caller: int) -> None:
    unit = 0
    while True:
        pid = caller * 1_000_000 + unit
        recorded = await store.commit([ev.HostStarted(at=AT, pid=pid), ev.HostLost(at=AT, pid=pid, reason="x" * 200)])
        os.write(1, f"{recorded[-1].seq} {pid}\n".encode())
        unit += 1


async def open_and_close(folder: Folder) -> None:
    await (await Store.open(folder)).close()


if __name__ == "__main__":
    act = {"commit": commit_for_ever, "close": open_and_close}[sys.argv[1]]
    threading.Thread(target=lambda: asyncio.run(act(Folder(Path(sys.argv[2]))))).start()
