"""What a bot accepted before its supervisor could write that down is not taken from it by the next one."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from deia_tui.core.commands import AddTask, ChangeTask, LaunchBots, SendLetter
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters.letter import LetterState
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest
from tests.hive.letters.test_letters import reached
from tests.hive.test_refusing_store import refusing

READ = "import sys; text = sys.stdin.read(); open('read.txt', 'a').write(text + chr(0)); print(text)"
AGENTS = f"""
[agents.reader]
kind = "command"
argv = [{sys.executable!r}, "-c", "{READ}"]
"""


def texts(lab: HiveInTest, bot_id: str) -> list[str]:
    """What its agent was given, in order."""
    path = lab.folder.workspace(bot_id) / "read.txt"
    return path.read_text().split("\0")[:-1] if path.exists() else []


@asynccontextmanager
async def adopted(
    lab: HiveInTest, give: Callable[[Hive], Awaitable[object]]
) -> AsyncIterator[tuple[Hive, Callable[[], None]]]:
    """BOT-002 was given something by a supervisor that could not write it down. The next one cannot hear of it: the bot
    stands still until it is woken."""
    lab.configure(AGENTS)
    async with AsyncExitStack() as after, lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        pid = lab.bot("BOT-002").pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await give(hive)
        said = "('message_accepted', 'turn_started', 'turn_ended')"
        await after.enter_async_context(refusing(lab.folder, f"WHEN new.type IN {said}"))
        os.kill(pid, signal.SIGCONT)
        await lab.until(lambda: texts(lab, "BOT-002"))
        os.kill(pid, signal.SIGSTOP)
    async with lab.supervised() as hive:
        try:
            yield hive, lambda: os.kill(pid, signal.SIGCONT)
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_letter_is_read_once(lab: HiveInTest) -> None:
    async def send(hive: Hive, letter_id: str = "first", priority: int = 2) -> None:
        text = f"this is the {letter_id}"
        letter = SendLetter(from_bot="BOT-001", to_bot="BOT-002", text=text, letter_id=letter_id, priority=priority)
        await hive.submit(letter)

    async def send_and_queue(hive: Hive) -> None:
        await send(hive)
        await lab.until(lambda: lab.bot("BOT-002").queued)

    async with adopted(lab, send_and_queue) as (hive, wake):
        await send(hive, "urgent", priority=0)  # it would go first, if it could
        await lab.until(lambda: hive.snapshot().work.letters_pending == 2)
        await hive.submit(LaunchBots(what="shell"))  # time for whoever would take the first one back
        wake()
        for letter_id in ("first", "urgent"):
            assert (await reached(hive, letter_id, LetterState.READ)).attempt == 1
        await lab.until(lambda: len(texts(lab, "BOT-002")) == 2)
        assert sum("this is the first" in text for text in texts(lab, "BOT-002")) == 1


async def test_a_task_is_done_once(lab: HiveInTest) -> None:
    async def add(hive: Hive) -> None:
        await hive.submit(AddTask(text="this is the task", task_id="task", to="BOT-002"))
        await lab.until(lambda: hive.snapshot().work.scheduled)

    async with adopted(lab, add) as (hive, wake):
        with pytest.raises(CommandRejected, match="is working on task"):
            await hive.submit(ChangeTask(task_id="task", to="BOT-001"))
        wake()
        await lab.until(lambda: not hive.snapshot().work.scheduled + hive.snapshot().work.running)
        task = (await hive.task("task")).task
        assert (task.state, task.attempt, task.bot_id) == (TaskState.DONE, 1, "BOT-002")
        assert texts(lab, "BOT-001") == []
