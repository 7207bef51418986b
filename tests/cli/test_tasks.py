"""`deia-tui task`: as a person or a script gives work and learns what became of it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Operator

AGENTS = """
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.broken]
kind = "command"
argv = ["false"]
[bots.ECHO]
agent = "echo"
autostart = true
[tasks]
backoff_base_s = 0.01
backoff_max_s = 0.02
[breaker]
cooldown_s = 0.1
"""


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """One hive for all: a bot that says what it is told, and each test's own tasks."""
    operator = Operator(tmp_path_factory.mktemp("tasks"))
    operator.folder.create()
    operator.folder.hive_toml.write_text(AGENTS)
    operator.serve()
    yield operator
    operator.leave()


def task(hive: Operator, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = hive.remote.get(f"/api/tasks/{task_id}")
    return found


def test_a_task_is_added_and_its_answer_streamed(hive: Operator) -> None:
    done = hive.run("task", "add", "say", "this", "--wait", "--id", "streamed", "-p", "P1", "--type", "code")
    assert (done.returncode, done.stdout) == (0, "say this\n"), done.stderr
    assert "streamed" in done.stderr and "given to ECHO, attempt 1" in done.stderr
    page = hive.ok("task", "show", "streamed").splitlines()
    assert page[0].split() == ["task", "streamed"]
    assert any(line.split() == ["priority", "P1", "·", "code"] for line in page)
    assert page[-1] == "say this" and page[-4].startswith("ATTEMPT")
    listed = hive.ok("task", "list", "--state", "done", "--bot", "ECHO").splitlines()
    assert listed[0].split()[:3] == ["ID", "STATE", "PRIO"]
    assert any(line.split()[:3] == ["streamed", "done", "P1"] for line in listed)


def test_what_was_done_is_measured(hive: Operator) -> None:
    hive.ok("task", "add", "count me", "--wait")
    head, *rows = hive.ok("metrics").splitlines()
    assert head.split()[:2] == ["BOT", "MSG/MIN"]
    assert any(row.startswith("ECHO ") for row in rows) and rows[-1].startswith("the hive's API")
    figures = json.loads(hive.ok("metrics", "--json"))["bots"]["ECHO"]["hour"]
    assert figures["tasks_done"] >= 1 and figures["task_latency_s"]["p50"] > 0
    assert any(line.startswith("tasks_done") for line in hive.ok("metrics", "--bot", "ECHO").splitlines())
    assert hive.run("metrics", "--bot", "NOBODY").returncode == 2


def test_a_script_reads_json_and_exit_codes(hive: Operator, tmp_path: Path) -> None:
    written = tmp_path / "task.md"
    written.write_text("\ufefffrom a file", encoding="utf-8")
    added = json.loads(hive.ok("task", "add", "--file", str(written), "--json"))["task_id"]
    piped = hive.run("task", "add", "-", "--after", added, text="from a pipe")
    assert piped.returncode == 0, piped.stderr
    waited = json.loads(hive.ok("task", "wait", added, piped.stdout.strip(), "--json"))
    assert [one["output"] for one in waited] == ["from a file", "from a pipe"]
    assert waited[1]["needs"] == {added: "done"}
    whole = json.loads(hive.ok("task", "add", "all of it", "--wait", "--json"))
    assert (whole["state"], whole["output"]) == ("done", "all of it")


def test_nothing_is_no_task_and_no_message(hive: Operator) -> None:
    for words in (("task", "add", " "), ("msg", "send", "BOT-001", "")):
        refused = hive.run(*words)
        assert refused.returncode == 2 and " is empty: " in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_what_fails_for_good_is_told_and_retried(hive: Operator) -> None:
    hive.ok("launch", "broken", "--id", "BROKEN")
    failed = hive.run("task", "add", "impossible", "--to", "BROKEN", "--wait", "--id", "impossible")
    assert failed.returncode == 1 and failed.stderr.count("put back: exit 1") == 3
    assert failed.stderr.splitlines()[-1].startswith("deia-tui: impossible is dead: exit 1")
    assert hive.ok("task", "retry", "--dead") == "1 task is back in the queue.\n"
    assert hive.run("task", "wait", "impossible").returncode == 1
    refused = hive.run("task", "retry", "impossible", "no-such")
    assert refused.returncode == 1 and "no task 'no-such'" in refused.stderr


def test_a_task_is_kept_back_moved_and_ended(hive: Operator) -> None:
    assert hive.ok("task", "add", "later", "--id", "later", "--held") == "later\n"
    hive.ok("task", "hold", "later", "--reason", "until noon")
    hive.ok("task", "priority", "later", "P0")
    hive.ok("task", "assign", "later", "ECHO")
    found = task(hive, "later")
    assert (found["held"], found["priority"], found["to"], found["state"]) == ("until noon", 0, "ECHO", "queued")
    assert "until noon" in hive.ok("task", "show", "later")
    assert "queued, held" in hive.ok("task", "list", "--open")
    hive.ok("task", "assign", "later", "anyone")
    assert json.loads(hive.ok("task", "show", "later", "--json"))["to"] is None
    hive.ok("task", "cancel", "later")
    hive.ok("task", "retry", "later")
    hive.ok("task", "wait", "later")
    hive.ok("task", "add", "now", "--id", "now", "--held")
    hive.ok("task", "release", "now")
    hive.ok("task", "wait", "now")


def test_a_task_is_named_by_how_its_id_begins(hive: Operator) -> None:
    for task_id in ("tidy-1a", "tidy-2b", "tidy"):
        hive.ok("task", "add", "later", "--id", task_id, "--held")
    assert "work: 3 waiting · 3 held" in hive.ok("status")
    assert hive.ok("task", "show", "tidy-1").startswith("task         tidy-1a\n")
    hive.ok("task", "priority", "tidy-2", "P0")
    assert task(hive, "tidy-2b")["priority"] == 0
    hive.ok("task", "cancel", "tidy")
    assert [task(hive, task_id)["state"] for task_id in ("tidy", "tidy-1a")] == ["cancelled", "queued"]
    refused = hive.run("task", "cancel", "tidy-")
    assert refused.returncode == 2 and "may be one of 2 tasks: say which of tidy-" in refused.stderr
    hive.ok("task", "cancel", "tidy-1", "tidy-2")
    hive.ok("task", "retry", "tidy-1a")
    hive.ok("task", "wait", "tidy-1")


def test_leaving_does_not_end_a_task(hive: Operator) -> None:
    waiting = hive.start("task", "add", "not yet", "--id", "not-yet", "--held", "--wait")
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == "· not-yet\n"
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert (waiting.returncode, said.count("\n")) == (1, 1) and "goes on" in said
    assert task(hive, "not-yet")["state"] == "queued"
    hive.ok("task", "cancel", "not-yet")


def test_what_cannot_be_is_one_sentence(hive: Operator) -> None:
    for words, code, said in (
        (("show", "nothing"), 2, "no task 'nothing'"),
        (("cancel", "nothing", "either"), 2, "no task 'either'"),
        (("add", "x", "--to", "NOBODY"), 2, "no bot 'NOBODY'"),
        (("add", "x", "-p", "P9"), 2, "use P0 (urgent)"),
        (("add", "-f", "/nowhere"), 2, "/nowhere cannot be read"),
        (("add", "   "), 2, "empty"),
        (("retry",), 2, "ids, or --dead"),
        (("assign", "nothing", "ECHO"), 2, "no task 'nothing'"),
        (("list", "--state", "asleep"), 2, "asleep"),
    ):
        done = hive.run("task", *words, text="")
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_without_a_supervisor_the_exit_code_is_three(tmp_path: Path) -> None:
    done = Operator(tmp_path).run("task", "list")
    assert done.returncode == 3 and "No supervisor runs" in done.stderr


def test_a_sender_who_is_refused_learns_when_to_come_back(hive: Operator) -> None:
    hive.ok("launch", "echo", "--id", "FULL")
    for number in range(10):
        body = {"text": "wait", "to": "FULL", "held": "for a while", "task_id": f"full-{number}"}
        hive.remote.post("/api/tasks", body)
    refused = hive.run("task", "add", "one more", "--to", "FULL")
    sentence = "Bot busy, please wait: 10 tasks wait for FULL, and it takes no more until fewer than 5 do."
    assert (refused.returncode, refused.stderr) == (1, f"deia-tui: {sentence} Try again in 5 s.\n")
    hive.ok("task", "add", "at once", "--to", "FULL", "-p", "P0", "--held")
    hive.ok("task", "cancel", *(f"full-{number}" for number in range(10)))
    assert hive.run("task", "add", "one more", "--to", "FULL").returncode == 0
