"""Messages from bot to bot as people and agents send them: on the command line, also from inside an agent."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import READY_S, Operator


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Three shells; the third is off."""
    operator = Operator(tmp_path_factory.mktemp("letters"))
    try:
        operator.serve()
        operator.ok("launch", "shell", "--count", "3")
        operator.ok("stop", "BOT-003")
        yield operator
    finally:
        operator.leave()


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + READY_S
    while not reached():
        assert time.monotonic() < deadline, "never reached"
        time.sleep(0.02)


def until_exists(path: Path) -> None:
    until(path.exists)


def told(hive: Operator, message_id: str) -> list[str]:
    """What the log of messages says of it."""
    rows = [json.loads(line) for line in (hive.folder.logs / "bot-messaging.jsonl").read_text().splitlines()]
    assert not any(message_id in row["message_id"] for row in rows if row["message_id"] != message_id), "told once"
    return [f"{row['event']} P{row['priority']}" for row in rows if row["message_id"] == message_id]


def show(hive: Operator, message_id: str) -> dict[str, Any]:
    found: dict[str, Any] = hive.remote.get(f"/api/messages/{message_id}")
    return found


def refused(done: "subprocess.CompletedProcess[str]", code: int, words: str) -> None:
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


def test_an_agent_writes_to_another_bot_which_gets_it_as_a_turn(hive: Operator) -> None:
    """No option tells it which hive and which bot: its environment does."""
    sent = hive.ok("send", "BOT-001", "deia-tui msg send BOT-002 -p P1 touch came").split()[0]
    until_exists(hive.folder.workspace("BOT-002") / "came")
    until(lambda: show(hive, sent)["state"] == "read")
    message = show(hive, sent)
    assert (message["from_bot"], message["to_bot"], message["priority"]) == ("BOT-001", "BOT-002", 1)
    assert (message["tries"], message["text"]) == (1, "touch came")
    until(lambda: told(hive, sent) == ["message_queued P1", "message_delivered P1", "message_read P1"])
    answer = hive.ok("send", "BOT-002", f"deia-tui msg reply {sent} touch answered").split()[0]
    until_exists(hive.folder.workspace("BOT-001") / "answered")
    assert json.loads(hive.ok("msg", "show", answer, "--json"))["reply_to"] == sent
    talk = hive.ok("send", "BOT-002", "deia-tui msg conversation BOT-001 --json")
    assert [one["message_id"] for one in json.loads(talk)] == [sent, answer], "oldest first"
    forged = hive.run("send", "BOT-001", "deia-tui msg send BOT-002 --from BOT-003 hi")
    refused(forged, 1, "exit 1")
    refused(hive.run("send", "BOT-001", "deia-tui msg inbox BOT-002"), 1, "exit 1")
    said = (hive.folder.logs / "BOT-001-output.log").read_text()
    assert "BOT-001 is a bot: it writes in its own name only." in said
    assert "BOT-001 is a bot: it reads its own messages only." in said


def test_a_human_writes_from_standard_input_and_looks_at_what_waits(hive: Operator) -> None:
    done = hive.run("msg", "send", "BOT-003", "-", "--priority", "p3", "--ttl", "600", text="touch one\n")
    assert done.returncode == 0, done.stderr
    low = done.stdout.strip()
    urgent = json.loads(hive.ok("msg", "send", "BOT-003", "touch", "two", "--from", "BOT-002", "-p", "0", "--json"))
    assert urgent["message_id"]
    waiting = json.loads(hive.ok("msg", "inbox", "BOT-003", "--json"))
    assert [one["message_id"] for one in waiting] == [urgent["message_id"], low]
    assert waiting[1]["expires_at"] == pytest.approx(waiting[1]["sent_at"] + 600)
    table = hive.ok("msg", "inbox", "BOT-003").splitlines()
    assert table[0].split() == ["ID", "P", "FROM", "STATE", "AGE", "TEXT"] and table[1].endswith("touch two")
    status = hive.ok("msg", "status")
    assert "2 pending" in status and "wait for BOT-003 (2)" in status
    assert json.loads(hive.ok("msg", "status", "--json"))["pending_for"] == {"BOT-003": 2}
    assert "read" in hive.ok("msg", "read", low).splitlines()[0]
    hive.ok("launch", "shell", "--id", "BOT-003")
    until_exists(hive.folder.workspace("BOT-003") / "two")
    until(lambda: not hive.remote.get("/api/messages/inbox/BOT-003"))
    assert hive.ok("msg", "inbox", "BOT-003") == "Nothing is unread.\n"
    assert not (hive.folder.workspace("BOT-003") / "one").exists(), "a human has read it"
    assert "touch two" in hive.ok("msg", "conversation", "BOT-003", "BOT-002")
    refused(hive.run("msg", "reply", low, "thanks"), 2, "is no bot and gets no messages")
    hive.ok("stop", "BOT-003")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["send", "BOT-1", "hi"], 2, "There is no bot 'BOT-1'"),
        (["send", "BOT-001", "  "], 2, "The message is empty"),
        (["send", "BOT-001", "hi", "-p", "urgent"], 2, "'urgent' is no priority"),
        (["send", "BOT-001", "hi", "--ttl", "0"], 2, "ttl"),
        (["show", "gone"], 2, "There is no message 'gone'"),
        (["reply", "gone", "hi"], 2, "There is no message 'gone'"),
        (["inbox"], 2, "Say which bot"),
        (["conversation", "BOT-001", "BOT-002", "BOT-003"], 2, "Name two bots"),
    ],
)
def test_what_cannot_be_is_a_sentence(hive: Operator, args: list[str], code: int, words: str) -> None:
    refused(hive.run("msg", *args), code, words)


def test_without_a_supervisor_the_exit_code_is_3(tmp_path: Path) -> None:
    refused(Operator(tmp_path).run("msg", "status"), 3, "No supervisor runs")
