"""The demo's hive: a temporary folder, nine bots that do visibly different things, and somebody who writes to them."""

import asyncio
import contextlib
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deia_tui.core.bots import Activity, BotState
from deia_tui.core.client import HiveClient
from deia_tui.core.commands import AddTask, SendLetter, SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.folder import Folder
from deia_tui.host.presence import living_hosts
from deia_tui.identity import wait_for_end

CAST = (
    # id, act, messages (again and again), seconds between them if it is idle by then, more settings
    ("CODER", "acp", ("mend the flaky login test", "review that as if it were not yours"), 40.0, ""),
    ("JANITOR", "acp", ("tidy up the folders of the build",), 40.0, ""),
    ("BURNER", "burn", ("keep a core warm",), 5.0, "nice = 15"),
    ("CRASHER", "crash", ("do the impossible",), 0.5, ""),
    ("FLAKY", "fail", ("ask the provider",), 1.0, ""),
    ("LEAKER", "leak", ("remember everything",), 5.0, "memory_mb = 150"),
    ("SLOW", "drawl", ("what is the answer?", "and the question?"), 20.0, ""),
    ("WORKER", "work", ("look for primes", "look for more primes"), 6.0, ""),
)
TASKS = (
    # for, how urgent, what
    ("CODER", 1, "mend the retry of payments"),
    ("WORKER", 2, "look for primes above ten million"),
    ("CODER", 2, "review the new search"),
    ("SLOW", 2, "say what the answer means"),
    ("JANITOR", 2, "tidy up after the release"),
    ("FLAKY", 2, "ask the provider for a forecast"),
    ("CODER", 0, "mend the export to CSV"),
    ("WORKER", 3, "look for twin primes"),
)
LETTERS = (
    ("WORKER", "CODER", "Please review tests/login before the release."),
    ("CODER", "WORKER", "The clock is mended: take the branch clock-2."),
    ("JANITOR", "SLOW", "I would remove build/ and dist/: is anybody against it?"),
    ("SLOW", "JANITOR", "Well … let me think about that … no."),
)
WAITING = 5
"""No more tasks are added while so many wait."""
TASKS_S, LETTERS_S = 6.0, 15.0
"""Seconds between two tasks, between two messages."""
HEAD = """\
[hive]
name = "demo"
on_term = "stop"
[restart]
backoff_base_s = 2.0
[breaker]
cooldown_s = 12.0
[process]
work_grace_s = 0.3
[strain]
errors_degraded = 90.0
errors_critical = 95.0
cpu_degraded = 97.0
cpu_critical = 99.0
[bots.SHELL]
agent = "shell"
autostart = true
[agents.acp]
kind = "acp"
argv = {acp}
"""
ACT = """\
[agents.{act}]
kind = "command"
argv = {argv}
"""
MEMBER = """\
[bots.{bot_id}]
agent = "{act}"
autostart = true
{more}
"""


@contextlib.contextmanager
def temporary_hive() -> Iterator[Folder]:
    """A hive that is gone afterwards, with its host."""
    root = Path(tempfile.mkdtemp(prefix="deia-demo-"))
    folder = Folder(root)
    try:
        folder.create()
        folder.hive_toml.write_text(_settings())
        yield folder
    finally:
        for host in living_hosts(folder):
            wait_for_end(host.pid, timeout_s=15)
        shutil.rmtree(root, ignore_errors=True)


def _settings() -> str:
    """Every agent and bot of the cast."""
    acts = dict.fromkeys(act for _, act, *_ in CAST if act != "acp")
    return "".join(
        [
            HEAD.format(acp=_argv("deia_tui.demo.coder")),
            *(ACT.format(act=act, argv=_argv("deia_tui.demo.acts", act)) for act in acts),
            *(MEMBER.format(bot_id=bot_id, act=act, more=more) for bot_id, act, _, _, more in CAST),
        ]
    )


def _argv(*words: str) -> str:
    return json.dumps([sys.executable, "-m", *words])


async def converse(client: HiveClient) -> None:
    """Write to every bot of the cast whenever it is idle, give them work and letters, until cancelled."""
    await asyncio.gather(
        _give_work(client),
        _carry_letters(client),
        _write(client, "SHELL", ("uname -a", "df -h .", "du -sh /usr/* | sort -h | tail -3"), 5.0),
        *(_write(client, bot_id, messages, pause_s) for bot_id, _, messages, pause_s, _ in CAST),
    )


async def _write(client: HiveClient, bot_id: str, messages: tuple[str, ...], pause_s: float) -> None:
    sent = 0
    while True:
        bot = client.snapshot().state.bots.get(bot_id)
        if bot is None or bot.state is not BotState.RUNNING or bot.activity is not Activity.IDLE or bot.queued:
            await asyncio.sleep(0.5)
            continue
        with contextlib.suppress(CommandRejected):  # its breaker is open: try again later, as anybody would
            await client.submit(SendMessage(bot_id=bot_id, text=messages[sent % len(messages)], sender="demo"))
            sent += 1
        await asyncio.sleep(pause_s)


async def _give_work(client: HiveClient) -> None:
    """First what waits for somebody: the announcement for a human, the thanks for the announcement."""
    [held] = await client.submit(AddTask(text="announce the release", held="until it is tested", sender="demo"))
    await client.submit(AddTask(text="thank everybody", after=(held,), sender="demo"))
    for to, priority, text in itertools.cycle(TASKS):
        with contextlib.suppress(CommandRejected):  # it has enough to do
            await client.submit(AddTask(text=text, to=to, priority=priority, sender="demo"))
        await asyncio.sleep(TASKS_S)
        while client.snapshot().work.waiting >= WAITING:
            await asyncio.sleep(0.5)


async def _carry_letters(client: HiveClient) -> None:
    for from_bot, to_bot, text in itertools.cycle(LETTERS):
        with contextlib.suppress(CommandRejected):  # its inbox is full
            await client.submit(SendLetter(from_bot=from_bot, to_bot=to_bot, text=text))
        await asyncio.sleep(LETTERS_S)
