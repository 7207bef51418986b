"""The demo's agent, spoken to as a bot does; and what there is to see in its hive."""

import asyncio
import json
import subprocess
import sys
from typing import Any

from deia_tui.core.letters.letter import LetterState
from deia_tui.core.work.tasks import TaskState
from deia_tui.demo.hive import converse, temporary_hive
from deia_tui.hive.hive import Hive
from deia_tui.hive.lock import HiveLock
from deia_tui.settings import load


def test_it_asks_for_leave_and_can_be_interrupted() -> None:
    argv = [sys.executable, "-m", "deia_tui.demo.coder"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin and program.stdout

        def send(**message: Any) -> None:
            assert program.stdin
            print(json.dumps({"jsonrpc": "2.0", **message}), file=program.stdin, flush=True)

        def prompt(text: str) -> None:
            send(
                id=text, method="session/prompt", params={"sessionId": "s", "prompt": [{"type": "text", "text": text}]}
            )

        said = ""
        prompt("tidy up")
        for line in program.stdout:
            message = json.loads(line)
            update = message.get("params", {}).get("update", {})
            if message.get("method") == "session/request_permission":
                send(id=message["id"], result={"outcome": {"outcome": "selected", "optionId": "no"}})
            elif update.get("sessionUpdate") == "agent_message_chunk":
                said += update["content"]["text"]
            elif message.get("id") == "tidy up":
                assert message["result"]["stopReason"] == "end_turn" and message["result"]["usage"]
                prompt("mend it")
            elif update.get("sessionUpdate") == "plan":
                send(method="session/cancel", params={"sessionId": "s"})
            elif message.get("id") == "mend it":
                assert message["result"] == {"stopReason": "cancelled"}
                program.stdin.close()
        assert "Then I leave them" in said
    assert program.returncode == 0


async def test_it_has_work_and_messages_between_its_bots() -> None:
    with temporary_hive() as folder, HiveLock(folder, "serve"):
        hive = Hive(folder, lambda: load(folder), mode="serve", version="test")
        async with hive.open():
            company = asyncio.create_task(converse(hive))
            async with asyncio.timeout(60):
                while not await shows_work(hive):
                    await asyncio.sleep(0.1)
            company.cancel()
            await asyncio.gather(company, return_exceptions=True)
            hive.close(leave_bots=False)


async def shows_work(hive: Hive) -> bool:
    """A task that is held, one that waits for it, one that a bot has or had, and a message that somebody got."""
    tasks = await hive.tasks()
    letters = await hive.letters()
    return (
        any(task.held for task in tasks)
        and any(task.after for task in tasks)
        and any(task.state in (TaskState.RUNNING, TaskState.DONE) for task in tasks)
        and any(letter.state is not LetterState.PENDING for letter in letters)
    )
