"""Commit, then tell: whoever waited for it."""

import asyncio
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.state import Snapshot
from deia_tui.folder import Folder
from deia_tui.hive.record import Record
from deia_tui.store.store import Store


async def test_what_is_committed_is_told_though_whoever_wanted_it_was_cancelled(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    store = await Store.open(folder)
    try:
        record = Record(store, Snapshot(), next_alert_id=1, publish=lambda snapshot: None)
        told: list[Recorded] = []
        record.listen(told.extend)
        lost = ev.HostLost(at=1.0, pid=4242, reason="it ended")
        adding = asyncio.create_task(record.add(lost))
        await asyncio.sleep(0)  # it waits for the commit now
        adding.cancel()
        await asyncio.wait([adding])
        assert adding.cancelled()
        await record.add(ev.HostStarted(at=2.0, pid=4343))
        assert [entry.event for entry in told if isinstance(entry.event, ev.HostLost)] == [lost]
        assert record.state.host_pid == 4343
    finally:
        await store.close()
