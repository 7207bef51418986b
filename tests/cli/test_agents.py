"""What agents ask leave for, what they cost and what they do beside answering, from the command line."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from .conftest import Operator

REPLICA = Path(__file__).parents[1] / "agents" / "claude_replica.py"
ASK = '[[tool:Bash:{"command": "echo done"}]]'
SETTINGS = """
[agents.claude]
kind = "claude"
argv = [{python!r}, "-S", "-E", {replica!r}]
env = {{ HOME = {home!r} }}
"""


def test_a_request_is_seen_answered_audited_and_paid(operator: Operator) -> None:
    operator.folder.create()
    home = str(operator.root)
    operator.folder.hive_toml.write_text(SETTINGS.format(python=sys.executable, replica=str(REPLICA), home=home))
    operator.serve()
    assert operator.ok("approve") == "Nobody asks for leave.\n"
    assert operator.ok("cost") == "Nobody has reported any use.\n"
    operator.ok("launch", "claude")
    sending = operator.start("send", "BOT-001", ASK)
    [request] = _until(lambda: json.loads(operator.ok("approve", "--json")))
    line, shown, *_ = operator.ok("approve").splitlines()
    assert line.startswith(f"{request['request_id'][:8]}  BOT-001  Bash: ") and "denied in" in line
    assert "echo done" in shown
    assert operator.run("approve", "zzz", "--allow").returncode == 2
    assert operator.run("approve", "BOT-001").returncode == 2
    assert operator.run("approve", "--deny").returncode == 2
    assert operator.run("approve", "", "--allow").returncode == 2, "nothing is not the beginning of every id"
    assert "allow once" in operator.ok("approve", request["request_id"][:6], "--allow", "--note", "go on")
    out, err = sending.communicate(timeout=60)
    assert sending.returncode == 0 and "tool result: done" in out
    asks, told, tool = err.splitlines()
    assert asks.startswith("· asks for leave: Bash: ") and f"deia-tui approve {request['request_id'][:8]}" in asks
    assert told.startswith("· allow once by ") and tool.endswith("· completed")
    assert operator.run("approve", "BOT-001", "--allow").returncode == 2, "it was answered"
    rows = [json.loads(line) for line in (operator.folder.logs / "approvals.jsonl").read_text().splitlines()]
    assert [(row["event"], row["outcome"]) for row in rows] == [("asked", None), ("answered", "allow_once")]
    assert rows[1]["by"] and rows[1]["tool"] == "Bash" and "echo" not in json.dumps(rows[1]["input"])
    activity = (operator.folder.logs / "BOT-001-activity.jsonl").read_text()
    assert [json.loads(line)["result"] for line in activity.splitlines() if '"permission"' in line] == [
        "asked",
        "allow_once",
    ]
    found = json.loads(operator.ok("cost", "--days", "2", "--json"))
    assert found["total"]["cost_usd"] > 0 and found["days"][0]["bot_id"] == "BOT-001"
    assert operator.bot()["spent_usd"] == round(found["total"]["cost_usd"], 6)
    assert operator.ok("cost", "--bot", "BOT-001").splitlines()[-1].startswith("total")


def test_what_the_policy_answers_is_asked_of_nobody(operator: Operator) -> None:
    operator.folder.create()
    permissions = '[agents.shell.permissions]\ndefault = "allow"\ndeny = ["shell(curl *)"]\n'
    operator.folder.hive_toml.write_text('[agents.shell]\nkind = "shell"\n' + permissions)
    operator.serve()
    operator.ok("launch", "shell")
    allowed = operator.run("send", "BOT-001", "echo a | cat")
    assert (allowed.returncode, allowed.stdout.strip(), allowed.stderr) == (0, "a", "")
    denied = operator.run("send", "BOT-001", "curl x; echo")
    assert denied.returncode == 1
    told = denied.stderr.splitlines()[0]
    assert told.startswith("· shell: curl x; echo") and told.endswith("reject once by policy (deny = shell(curl *))")
    assert "asks" not in operator.ok("logs", "BOT-001") + operator.ok("events")
    rows = [json.loads(line) for line in (operator.folder.logs / "approvals.jsonl").read_text().splitlines()]
    assert [(row["outcome"], row["by"]) for row in rows if row["event"] == "answered"] == [
        ("allow_once", "policy"),
        ("reject_once", "policy"),
    ]


def test_a_program_of_a_bot_may_not_do_what_is_left_to_humans(operator: Operator) -> None:
    operator.serve()
    operator.ok("launch", "shell")
    program = [sys.executable, "-m", "deia_tui"]
    here = {"DEIA_HIVE": str(operator.root), "DEIA_BOT_ID": "BOT-001", "DEIA_TOKEN": "0" * 64}

    def inside(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*program, *words], env={**os.environ, **here}, capture_output=True, text=True, timeout=60, check=False
        )

    for words in (["serve"], ["serve", "--take-over"], ["backup"], ["restore"], []):
        done = inside(*words)
        assert done.returncode == 1 and "BOT-001 is a bot" in done.stderr, words
    assert "token is that of no bot" in inside("status").stderr
    own = operator.run("send", "BOT-001", "printenv DEIA_TOKEN")
    assert own.returncode == 0
    if len(token := own.stdout.strip()) == 64:  # otherwise it was kept out of the answer as the secret it is
        here["DEIA_TOKEN"] = token
        assert inside("status").returncode == 0
        assert "BOT-001 is a bot" in inside("kill", "BOT-001").stderr
        operator.ok("launch", "shell")
        sent = inside("send", "BOT-002", "echo hi")
        assert (sent.returncode, sent.stdout) == (0, "") and "BOT-002 answers is not told" in sent.stderr


def test_who_sits_at_a_terminal_is_asked_about_a_risky_text(operator: Operator) -> None:
    operator.folder.create()
    operator.folder.hive_toml.write_text('[agents.echo]\nkind = "command"\nargv = ["cat"]\n')
    operator.serve()
    operator.ok("launch", "echo")
    assert _typed(operator, b"n\n", "send", "BOT-001", "rm -rf /tmp/nothing-of-this-name") == (1, True)
    assert not _typed(operator, b"", "send", "--yes", "BOT-001", "sudo -n true")[1]
    assert operator.run("send", "BOT-001", "sudo -n true", text="").stderr.count("Send it") == 0


def _typed(operator: Operator, keys: bytes, *words: str) -> tuple[int, bool]:
    """Run a command at a terminal and answer what it asks; its exit code, and whether it asked."""
    terminal, end = pty.openpty()
    argv = [sys.executable, "-m", "deia_tui", "--hive", str(operator.root), *words]
    program = subprocess.Popen(argv, stdin=end, stdout=end, stderr=end, start_new_session=True)
    os.close(end)
    said, asked = b"", False
    with closing(os.fdopen(terminal, "r+b", buffering=0)) as screen:
        with suppress(OSError):  # that is how a terminal tells that nobody is there any more
            while piece := screen.read(4096):
                said += piece
                if not asked and b"[y/N]" in said:
                    asked = True
                    screen.write(keys)
        return program.wait(30), asked


def _until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value
