"""A hive whose bot is the real Claude Code, used as an operator uses it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hives import TrialHive, trial_hive, until

from .conftest import kept, needs

pytestmark = pytest.mark.real_agent


@pytest.fixture
def hive(programs: str, claude_env: dict[str, str], tmp_path: Path) -> Iterator[TrialHive]:
    needs("claude", programs)
    with trial_hive(tmp_path / "hive") as hive:
        hive.folder.create()
        env = ", ".join(f'{name} = "{value}"' for name, value in claude_env.items())
        hive.folder.hive_toml.write_text(f"[agents.claude]\nkind = 'claude'\nenv = {{ {env} }}\n")
        hive.serve()
        yield hive


def claude(hive: TrialHive) -> int:
    """The pid of the one that runs."""
    found = [process.pid for process, line in hive.processes().items() if "--permission-prompt-tool" in line]
    return found[0] if len(found) == 1 else 0


async def test_a_conversation_outlives_agent_and_bot(hive: TrialHive, tmp_path: Path) -> None:
    asked = time.monotonic()
    [bot] = hive.launch("claude", 1)
    print(f"launched after {time.monotonic() - asked:.2f} s")
    asked = time.monotonic()
    assert "stub: turn 1: one" in hive.cli("send", bot, "one")
    print(f"answered after {time.monotonic() - asked:.2f} s")

    await kept(tmp_path)

    first = until(lambda: claude(hive), "Claude Code")
    os.kill(first, signal.SIGKILL)
    until(lambda: claude(hive) not in (0, first), "another Claude Code")
    assert "stub: turn 2: two" in hive.cli("send", bot, "two")

    second = claude(hive)
    os.kill(hive.pids()[bot], signal.SIGKILL)
    until(lambda: claude(hive) not in (0, second), "the next one's Claude Code")
    until(lambda: hive.ask("GET", f"/api/bot/{bot}/status")["state"] == "running", "the bot")
    assert "stub: turn 3: three" in hive.cli("send", bot, "three")

    hive.cli("stop", bot)
    until(lambda: not claude(hive), "Claude Code to end")
