"""The demo's hive: a temporary folder, seven bots that do visibly different things, and somebody who writes to them."""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deia_tui.core.bots import Activity, BotState
from deia_tui.core.client import HiveClient
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.folder import Folder
from deia_tui.host.presence import living_hosts
from deia_tui.identity import wait_for_end

CAST = (
    # id, act, messages (again and again), seconds between them, more settings
    ("BURNER", "burn", ("keep a core warm",), 5.0, "nice = 15"),
    ("CRASHER", "crash", ("do the impossible",), 0.5, ""),
    ("FLAKY", "fail", ("ask the provider",), 1.0, ""),
    ("LEAKER", "leak", ("remember everything",), 5.0, "memory_mb = 200"),
    ("SLOW", "drawl", ("what is the answer?", "and the question?"), 6.0, ""),
    ("WORKER", "work", ("look for primes", "look for more primes"), 2.0, ""),
)
HEAD = """\
[hive]
name = "demo"
on_term = "stop"
[breaker]
cooldown_s = 12.0
[process]
work_grace_s = 0.3
[bots.IDLE]
agent = "shell"
autostart = true
"""


@contextlib.contextmanager
def temporary_hive() -> Iterator[Folder]:
    """A hive that is gone afterwards, with its host."""
    root = Path(tempfile.mkdtemp(prefix="deia-demo-"))
    folder = Folder(root)
    try:
        folder.create()
        folder.hive_toml.write_text(HEAD + "".join(_declare(*member) for member in CAST))
        yield folder
    finally:
        for host in living_hosts(folder):
            wait_for_end(host.pid, timeout_s=15)
        shutil.rmtree(root, ignore_errors=True)


def _declare(bot_id: str, act: str, messages: tuple[str, ...], pause_s: float, more: str) -> str:
    argv = json.dumps([sys.executable, "-m", "deia_tui.demo.acts", act])
    return (
        f'[agents.{act}]\nkind = "command"\nargv = {argv}\n[bots.{bot_id}]\nagent = "{act}"\nautostart = true\n{more}\n'
    )


async def converse(client: HiveClient) -> None:
    """Write to every bot of the cast whenever it is idle, until cancelled."""
    await asyncio.gather(
        _write(client, "IDLE", ("uname -a", "uptime", "df -h ."), 20.0),
        *(_write(client, bot_id, messages, pause_s) for bot_id, _, messages, pause_s, _ in CAST),
    )


async def _write(client: HiveClient, bot_id: str, messages: tuple[str, ...], pause_s: float) -> None:
    sent = 0
    while True:
        bot = client.snapshot().state.bots.get(bot_id)
        if bot is not None and bot.state is BotState.RUNNING and bot.activity is Activity.IDLE and not bot.queued:
            with contextlib.suppress(CommandRejected):  # its breaker is open: try again later, as anybody would
                await client.submit(SendMessage(bot_id=bot_id, text=messages[sent % len(messages)], sender="demo"))
                sent += 1
        await asyncio.sleep(pause_s)
