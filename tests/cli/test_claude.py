"""A hive with a bot that drives Claude Code, or what writes the same lines (tests/agents/claude_replica.py)."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.hives import until

from .conftest import Operator

REPLICA = Path(__file__).parents[1] / "agents" / "claude_replica.py"


@pytest.fixture
def bot(operator: Operator, tmp_path: Path) -> str:
    operator.folder.create()
    argv = json.dumps([sys.executable, "-S", "-E", str(REPLICA)])
    operator.folder.hive_toml.write_text(
        f"[agents.claude]\nkind = 'claude'\nargv = {argv}\nmodel = 'claude-opus-4-8'\nenv = {{ HOME = '{tmp_path}' }}\n"
    )
    operator.serve()
    return operator.ok("launch", "claude").split()[0]


def agent_of(bot_pid: int) -> int:
    """The pid of the program a bot keeps; 0 if there is none."""
    children = Path(f"/proc/{bot_pid}/task/{bot_pid}/children").read_text().split()
    return int(children[0]) if children else 0


def test_a_conversation_outlives_its_program_and_is_paid_once(operator: Operator, bot: str) -> None:
    assert operator.ok("send", bot, "one").strip() == "stub: turn 1: one"

    pid = operator.bot(bot)["pid"]
    os.kill(first := agent_of(pid), signal.SIGKILL)
    until(lambda: agent_of(pid) not in (0, first), "the program again")
    assert operator.ok("send", bot, "two").strip() == "stub: turn 2: two"

    assert operator.ok("logs", bot).count("degraded") == 1
    assert "by the price table" not in operator.ok("logs", bot)
    total = json.loads(operator.ok("cost", "--json"))["total"]
    assert (total["input_tokens"], total["output_tokens"], total["unpriced"]) == (500, 8, 0)
    assert total["cost_usd"] == pytest.approx(500 * 5e-6 + 8 * 25e-6)
