"""A hive without a screen, used from the command line as an operator would."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from deia_tui.identity import wait_for_end
from tests.cli.conftest import Operator


def wait_for_a_file(operator: Operator) -> tuple[str, Path]:
    """A message whose answer takes until the file is there."""
    script, go = operator.root / "wait.sh", operator.root / "go"
    script.write_text(f"until test -e {go}; do sleep 0.02; done; echo gone")
    return f"sh {script}", go


def test_twenty_bots_one_killed_everything_told(serving: Operator) -> None:
    ids = serving.ok("launch", "shell", "--count", "20").split()
    assert ids == [f"BOT-{number:03d}" for number in range(1, 21)]
    before = serving.bot("BOT-007")
    os.kill(before["pid"], signal.SIGKILL)
    after = serving.until_bot("BOT-007", run=2, state="running")
    assert after["pid"] != before["pid"]
    assert after["restarts"] == 1
    assert after["exit"]["signal"] == "SIGKILL"
    assert after["exit"]["code"] is None
    assert [bot["restarts"] for bot in serving.status()["bots"]].count(0) == 19
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "deia-bot BOT-001" in shown
    assert "SIGKILL" in serving.ok("logs", "BOT-007")
    assert serving.ok("stop", "--all").split() == ids
    assert {bot["state"] for bot in serving.status()["bots"]} == {"stopped"}


def test_every_journal_is_json_lines_and_jq_reads_it(serving: Operator) -> None:
    serving.ok("launch", "shell", "--count", "2")
    serving.ok("send", "BOT-001", "echo hello")
    os.kill(serving.bot("BOT-002")["pid"], signal.SIGKILL)
    serving.until_bot("BOT-002", run=2, state="running")
    serving.ok("shutdown")
    journals = sorted(serving.folder.logs.glob("*.jsonl"))
    assert {"BOT-001-activity.jsonl", "BOT-002-errors.jsonl", "registry-changes.jsonl"} <= {
        journal.name for journal in journals
    }
    for journal in journals:
        rows = [json.loads(line) for line in journal.read_text().splitlines()]
        assert all(next(iter(row)) == "timestamp" for row in rows)
        if jq := shutil.which("jq"):
            subprocess.run([jq, "-e", ".timestamp", str(journal)], check=True, capture_output=True)


def test_send_streams_the_answer_and_tells_failure_by_its_exit_code(shared: Operator) -> None:
    [bot_id] = shared.ok("launch", "shell").split()
    assert shared.ok("send", bot_id, "uname -s") == "Linux\n"
    assert shared.run("send", bot_id, "-", text="echo from stdin").stdout == "from stdin\n"
    failed = shared.run("send", bot_id, "false")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "exit 1" in failed.stderr
    refused = shared.run("send", bot_id, "./missing")
    assert refused.returncode == 1
    assert "not run: './missing' does not exist" in refused.stderr


def test_ctrl_c_interrupts_the_answer(shared: Operator) -> None:
    [bot_id] = shared.ok("launch", "shell").split()
    outcome: list[subprocess.CompletedProcess[str]] = []
    sending = threading.Thread(target=lambda: outcome.append(shared.run("send", bot_id, "sleep 300")))
    sending.start()
    shared.until_bot(bot_id, activity="busy")
    shared.ok("interrupt", bot_id)
    sending.join(30)
    assert outcome[0].returncode == 1
    assert "interrupted" in outcome[0].stderr


def test_kill_and_restart(shared: Operator) -> None:
    [bot_id] = shared.ok("launch", "shell").split()
    shared.ok("kill", bot_id)
    assert shared.bot(bot_id)["state"] == "stopped"
    shared.ok("restart", bot_id)
    bot = shared.bot(bot_id)
    assert (bot["state"], bot["run"], bot["restarts"]) == ("running", 2, 0)


def test_no_wait_returns_before_the_bots_answer(shared: Operator) -> None:
    bots = shared.ok("launch", "shell", "--count", "3", "--no-wait").split()
    assert len(bots) == 3
    shared.until_bot(bots[-1], state="running")


def test_events_are_json_on_request(shared: Operator) -> None:
    shared.ok("launch", "shell")
    rows = [json.loads(line) for line in shared.ok("events", "--json", "-n", "1000").splitlines()]
    assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)
    assert {"hive_opened", "bot_launched", "bot_ready"} <= {row["type"] for row in rows}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_serve_leaves_the_bots_and_the_next_adopts_them(operator: Operator, signum: signal.Signals) -> None:
    serving = operator.serve()
    operator.ok("launch", "shell", "--count", "2")
    pids = [bot["pid"] for bot in operator.status()["bots"]]
    serving.send_signal(signum)
    assert serving.wait(30) == 0
    assert serving.stdout is not None
    assert serving.stdout.read() == "The supervisor has ended; 2 bots live on: 'deia-tui' takes over.\n"
    operator.serve()
    operator.until_bot("BOT-002", state="running")
    assert [bot["pid"] for bot in operator.status()["bots"]] == pids


def test_a_signal_stops_the_bots_where_the_settings_say_so(operator: Operator) -> None:
    operator.folder.create()
    operator.folder.hive_toml.write_text('[hive]\non_term = "stop"\n')
    serving = operator.serve()
    operator.ok("launch", "shell")
    pid = operator.bot()["pid"]
    serving.terminate()
    assert serving.wait(30) == 0
    assert serving.stdout is not None
    assert serving.stdout.read() == "The supervisor has ended; no bot runs.\n"
    assert wait_for_end(pid)


def test_a_request_that_waits_does_not_hold_up_the_end_nor_litter_it(operator: Operator) -> None:
    serving = operator.serve()
    operator.ok("launch", "shell")
    message, go = wait_for_a_file(operator)
    operator.start("send", "BOT-001", message)
    operator.until_bot("BOT-001", activity="busy")
    stopping = operator.start("stop", "--drain", "BOT-001")
    operator.until_bot("BOT-001", state="stopping")
    serving.send_signal(signal.SIGTERM)
    said, _ = serving.communicate(timeout=30)
    assert stopping.wait(30) == 1
    assert serving.returncode == 0
    assert said == "The supervisor has ended; 1 bot lives on: 'deia-tui' takes over.\n"
    go.touch()
    operator.serve()
    operator.until_bot("BOT-001", state="stopped")


def test_shutdown_leave_bots_leaves_them(operator: Operator) -> None:
    operator.serve()
    operator.ok("launch", "shell")
    pid = operator.bot()["pid"]
    operator.ok("shutdown", "--leave-bots")
    os.kill(pid, 0)
    assert operator.run("status").returncode == 3
    operator.serve()
    assert operator.until_bot("BOT-001", state="running")["pid"] == pid


def test_the_registry_lists_who_has_a_process(shared: Operator) -> None:
    stopped, running = shared.ok("launch", "shell", "--count", "2").split()
    shared.ok("stop", stopped)
    deadline = time.monotonic() + 20
    while True:
        known = json.loads(shared.folder.registry.read_text())["bots"] if shared.folder.registry.exists() else {}
        if running in known and stopped not in known:
            break
        assert time.monotonic() < deadline, known
    assert known[running]["pid"] == shared.bot(running)["pid"]


def test_a_stop_that_takes_long_says_what_it_waits_for(serving: Operator) -> None:
    serving.ok("launch", "shell", "--count", "3")
    message, go = wait_for_a_file(serving)
    sending = serving.start("send", "BOT-002", message)
    serving.until_bot("BOT-002", activity="busy")
    stopping = serving.start("stop", "--all")
    assert stopping.stderr is not None
    said = stopping.stderr.readline()
    assert re.fullmatch(r'waiting for \d of \d: .*BOT-002 \(\d s left for "sh .*wait.sh"\)\n', said)
    go.touch()
    assert stopping.wait(30) == 0
    assert sending.communicate() == ("gone\n", "")


def test_drain_waits_for_the_work_that_was_accepted(shared: Operator) -> None:
    [bot_id] = shared.ok("launch", "shell").split()
    message, go = wait_for_a_file(shared)
    sending = shared.start("send", bot_id, message)
    shared.until_bot(bot_id, activity="busy")
    stopping = shared.start("stop", "--drain", bot_id)
    assert shared.until_bot(bot_id, state="stopping")["waits_for"] == f'finishes "{message}"'
    go.touch()
    assert stopping.wait(30) == 0
    assert sending.communicate() == ("gone\n", "")
    assert shared.bot(bot_id)["state"] == "stopped"


def test_a_supervisor_without_a_screen_is_taken_over_when_told_to(operator: Operator) -> None:
    first = operator.serve()
    operator.ok("launch", "shell", "--count", "2")
    pids = [bot["pid"] for bot in operator.status()["bots"]]
    second = operator.serve("--take-over")
    assert first.wait(30) == 0
    assert json.loads(operator.ok("status", "--json"))["supervisor"] == {"pid": second.pid, "mode": "serve"}
    operator.until_bot("BOT-002", state="running")
    assert [bot["pid"] for bot in operator.status()["bots"]] == pids
    assert first.stdout is not None
    assert first.stdout.read().startswith(f"Taken over by pid {second.pid}: the bots live on")
