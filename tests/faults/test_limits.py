"""Limits that are reached: descriptors, floods of output, lines without end. It is said, and it passes."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, is_live
from tests.hives import until

FLOOD = ["sh", "-c", "yes 'all work and no play' & exec yes 'makes a dull boy' >&2"]
KEPT = 8 << 20
"""Bytes of an answer that the chat keeps."""
MAX_RSS_MB = 400.0
HOSTILE = b"\x1b]52;c;aGFja2Vk\x07"
"""Would write to the clipboard of whoever sees it."""
LONG = """
import os, sys
os.write(1, b"x" * 1_000_000)
os.write(1, b"\\n")
os.write(1, bytes(range(256)) * 1000)
os.write(1, b"\\x1b]52;c;aGFja2Vk\\x07")
os.write(2, b"y" * 1_000_000)
os.write(2, bytes(range(255, -1, -1)) * 500)
print("the end")
"""


@contextmanager
def no_more_descriptors(pid: int) -> Iterator[None]:
    """The process cannot open anything any more."""
    used = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    first_free = next(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


@pytest.mark.fault(33)
def test_without_descriptors_a_start_fails_loudly_and_later_succeeds(hive: FaultyHive, measured: Measured) -> None:
    supervisor = hive.serve()
    bots = hive.launch("shell", 3)
    pids = hive.pids()
    with no_more_descriptors(hive.host()):
        status, answer = hive.call("POST", "/api/bot/launch", {"what": "shell", "bot_id": "BOT-004"})
        assert status == 500
        assert "too many files are open" in answer["detail"]
        assert "ulimit -n" in answer["detail"], "it says what to do"
        assert hive.bot("BOT-004")["state"] == "fatal"
        assert len(hive.alerts("fatal", "BOT-004")) == 1
        assert hive.turn(hive.send("BOT-001", "echo untouched"))["status"] == "answered"
    hive.ask("POST", "/api/bot/restart/BOT-004")
    hive.until_running("BOT-004", run=2)

    asked = hive.send("BOT-002", "sleep 0.5")
    with no_more_descriptors(supervisor.pid):
        time.sleep(1.0)  # the fault itself: nobody can connect, and no file be opened
    until(hive.status, "the supervisor to answer again")
    assert hive.turn(asked)["status"] == "answered"
    hive.launch("shell", 1)
    assert {bot_id: hive.pids()[bot_id] for bot_id in bots} == pids
    measured(answer["detail"])


@pytest.mark.fault(34)
def test_a_flood_of_output_costs_no_memory_and_stalls_nobody(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(hive.agent("flood", FLOOD))
    console = hive.console()
    hive.launch("flood", 1)
    hive.launch("shell", 1)
    flooding = hive.send("BOT-001", "go")
    until(lambda: _notices(hive, "output log"), "the answer to be cut", pause=0.2)
    until(lambda: _notices(hive, "dropped"), "dropped lines to be counted", pause=0.2)
    took_s = is_live(console)
    assert hive.turn(hive.send("BOT-002", "echo dry"))["status"] == "answered"
    host, bot = hive.host(), hive.pids()["BOT-001"]
    memory = {name: rss_mb(pid) for name, pid in (("console", console.process.pid), ("host", host), ("bot", bot))}
    hive.ask("POST", "/api/bot/interrupt/BOT-001")
    assert hive.turn(flooding)["status"] == "interrupted"
    assert max(memory.values()) < MAX_RSS_MB, memory
    assert 0 < len(hive.answer(flooding).encode()) <= KEPT
    assert hive.bot("BOT-001")["run"] == 1
    measured(", ".join(f"{name} {size:.0f} MB" for name, size in memory.items()))
    measured(f"help shown after {1000 * took_s:.0f} ms")


def _notices(hive: FaultyHive, word: str) -> list[str]:
    return [event["text"] for event in hive.events("bot_logged", bot_id="BOT-001") if word in event["text"]]


@pytest.mark.fault(35)
def test_a_line_of_a_megabyte_and_binary_output_are_just_output(hive: FaultyHive) -> None:
    hive.configure(hive.agent("long", hive.script("long", LONG)))
    console = hive.console()
    hive.launch("long", 1)
    console.until("BOT-001")
    message = hive.send("BOT-001", "go")
    assert hive.turn(message)["status"] == "answered"
    answer = hive.answer(message)
    assert answer.startswith("x" * 1_000_000 + "\n")
    assert answer.endswith("the end\n")
    assert hive.bot("BOT-001")["run"] == 1
    console.until("the end")
    is_live(console)
    assert HOSTILE not in console.written()
    shown = hive.cli("logs", "BOT-001", "-n", "1000")
    assert HOSTILE.decode() not in shown
    assert (hive.folder.output_log("BOT-001").stat().st_size) > 2_000_000
