"""`deia-tui task stats`, `recommend` and `forget`, over the routes of the scheduler; what of it a bot may."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Operator

AGENTS = """
[agents.echo]
kind = "command"
argv = ["cat"]
[bots.ECHO]
agent = "echo"
autostart = true
"""


@pytest.fixture
def hive(operator: Operator) -> Iterator[Operator]:
    operator.folder.create()
    operator.folder.hive_toml.write_text(AGENTS)
    operator.serve()
    yield operator
    operator.leave()


def test_what_was_learned_is_shown_and_forgotten(hive: Operator) -> None:
    assert hive.ok("task", "stats") == "No task has been done, or failed, yet.\n"
    assert hive.ok("task", "recommend") == "Nothing is known yet: bots are tried as tasks come.\n"
    for number in range(3):
        done = hive.run("task", "add", f"do {number}", "--type", "code", "--wait")
        assert done.returncode == 0, done.stderr
    head, row = hive.ok("task", "stats").splitlines()
    assert head.split() == ["BOT", "TYPE", "RESULTS", "DONE", "EACH", "TOKENS", "SCORE", "TREND"]
    assert row.split()[:4] == ["ECHO", "code", "3", "100%"]
    [bot] = json.loads(hive.ok("task", "stats", "--json"))
    assert bot == json.loads(hive.ok("task", "stats", "ECHO", "--json"))
    assert bot["types"]["code"]["samples"] == 3
    exported = json.loads(hive.ok("task", "stats", "--export"))["performance"]
    assert [(one["bot_id"], one["task_type"], one["done"]) for one in exported] == [("ECHO", "code", 3)]
    assert hive.ok("task", "recommend").splitlines()[1].split()[:2] == ["code", "ECHO"]
    [recommended] = json.loads(hive.ok("task", "recommend", "--json"))
    assert recommended["bot_id"] == "ECHO"
    assert recommended["reason"].startswith("does code well: 100% of 3 done")
    assert hive.ok("task", "forget", "ECHO") == "ECHO is tried anew.\n"
    assert json.loads(hive.ok("task", "stats", "ECHO", "--json"))["types"] == {}
    for what in ("stats", "forget"):
        unknown = hive.run("task", what, "NOBODY")
        assert (unknown.returncode, unknown.stdout) == (2, "")
        assert "There is no bot 'NOBODY'" in unknown.stderr
