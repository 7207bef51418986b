"""A hive in a thread of its own, as the console has it."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deia_tui.core.commands import LaunchBots, StopAll
from deia_tui.core.errors import CommandRejected
from deia_tui.folder import Folder
from deia_tui.hive.hive import Hive
from deia_tui.hive.thread import HiveThread
from deia_tui.settings import load


class Console:
    """A HiveThread that makes its hive only when `may_begin` is set."""

    def __init__(self, root: Path) -> None:
        folder = Folder(root)
        folder.create()
        self.may_begin = threading.Event()
        self.presented, self.may_open = threading.Event(), threading.Event()
        self.may_open.set()
        self.opened = threading.Event()

        async def supervise(present: Callable[[Hive], None]) -> None:
            self.may_begin.wait()
            hive = Hive(folder, lambda: load(folder), mode="console", version="test")
            present(hive)
            self.presented.set()
            self.may_open.wait()
            async with hive.open():
                self.opened.set()
                await hive.closed()

        self.thread = HiveThread(supervise)


async def test_commands_cross_the_threads_and_refusals_come_back(tmp_path: Path) -> None:
    console = Console(tmp_path)
    with pytest.raises(CommandRejected, match="still starting"):
        await console.thread.submit(StopAll())
    woken = threading.Event()
    console.thread.subscribe(woken.set)
    console.may_begin.set()
    console.thread.start()
    assert console.opened.wait(30)
    assert await console.thread.submit(LaunchBots(what="shell")) == ["BOT-001"]
    assert woken.wait(30)
    assert "BOT-001" in console.thread.snapshot().state.bots
    with pytest.raises(CommandRejected, match="no template or agent"):
        await console.thread.submit(LaunchBots(what="nothing"))
    console.thread.close(leave_bots=False)
    assert console.thread.error is None
    with pytest.raises(CommandRejected, match="has ended"):
        await console.thread.submit(StopAll())


async def test_what_is_asked_of_a_hive_that_is_not_open_yet_is_refused_for_now(tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.may_open.clear()
    console.may_begin.set()
    console.thread.start()
    assert console.presented.wait(30)
    asked = asyncio.gather(console.thread.launchables(), console.thread.submit(StopAll()), return_exceptions=True)
    console.may_open.set()
    assert {type(answer) for answer in await asked} == {CommandRejected}
    assert console.opened.wait(30)
    assert await console.thread.launchables()
    console.thread.close(leave_bots=False)


def test_leaving_before_there_is_a_hive_ends_it_as_soon_as_there_is_one(tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.thread.start()
    closing = threading.Thread(target=console.thread.close, kwargs={"leave_bots": False})
    closing.start()
    console.may_begin.set()
    closing.join(30)
    assert not closing.is_alive()
    assert console.thread.error is None


def test_what_ends_the_supervisor_is_kept_and_told(tmp_path: Path) -> None:
    async def supervise(present: Callable[[Hive], None]) -> None:
        raise CommandRejected("no")

    thread = HiveThread(supervise)
    told = threading.Event()
    thread.ended = told.set
    thread.start()
    assert told.wait(30)
    thread.close(leave_bots=None)
    assert isinstance(thread.error, CommandRejected)


FAILING = """
import sys
from pathlib import Path
from tests.hive.test_thread import Console

console = Console(Path(sys.argv[1]))
console.may_begin.set()
console.thread.start()
assert console.opened.wait(60)
raise SystemExit("the screen fell over")
"""


def test_a_supervisor_ends_with_a_program_whose_main_thread_failed(tmp_path: Path) -> None:
    program = subprocess.run(
        [sys.executable, "-c", FAILING, str(tmp_path)], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert (program.returncode, program.stderr) == (1, "the screen fell over\n")
    with closing(sqlite3.connect(Folder(tmp_path).state_db)) as store:
        [(last,)] = store.execute("SELECT type FROM events ORDER BY seq DESC LIMIT 1")
    assert last == "hive_closed"
