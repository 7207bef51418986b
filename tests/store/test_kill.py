import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.folder import Folder
from deia_tui.store.store import Store


def start(act: str, folder: Folder) -> subprocess.Popen[bytes]:
    script = Path(__file__).parent / "committer.py"
    return subprocess.Popen([sys.executable, str(script), act, str(folder.root)], stdout=subprocess.PIPE)


@pytest.mark.parametrize("lines", [1, 7, 40, 111, 333])
async def test_what_was_acknowledged_survives_a_kill(folder: Folder, lines: int) -> None:
    acknowledged: dict[int, int] = {}
    for _ in range(5):
        with start("commit", folder) as process:
            assert process.stdout
            told = [process.stdout.readline() for _ in range(lines)]
            process.kill()
            told += process.stdout.readlines()
        acknowledged.update((int(seq), int(pid)) for seq, pid in (line.split() for line in told))
    store = await Store.open(folder)
    recorded = await store.events(limit=1_000_000)
    await store.close()
    by_seq = {entry.seq: entry.event for entry in recorded}
    for seq, pid in acknowledged.items():
        event = by_seq[seq]
        assert isinstance(event, ev.HostLost)
        assert event.pid == pid
    kinds = Counter(type(entry.event) for entry in recorded)
    assert kinds[ev.HostStarted] == kinds[ev.HostLost]
    assert [entry.seq for entry in recorded] == list(range(1, len(recorded) + 1))
    with sqlite3.connect(folder.state_db) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_closed_store_lets_the_interpreter_end(folder: Folder) -> None:
    with start("close", folder) as process:
        assert process.wait(30) == 0
