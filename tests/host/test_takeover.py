"""The host goes, the bots stay: the next one adopts them and knows of ended ones what can be known."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deia_tui.identity import start_ticks

from .living import Hive, Wire, is_running, until

Ending = Callable[[Hive], None]


def crash(hive: Hive) -> None:
    """A bot has its title only after it let go of the host's sockets, on which would else seem to be somebody."""
    pids = [json.loads(path.read_text())["pid"] for path in hive.folder.runs.glob("*.json")]
    until(lambda: all(is_titled(pid) for pid in pids if is_running(pid)), "bots of their own")
    hive.end_host(signal.SIGKILL)


def is_titled(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"deia-bot ")


def terminate(hive: Hive) -> None:
    assert hive.end_host(signal.SIGTERM) == 0
    assert not list(hive.folder.run.glob("host-*.sock")) + list(hive.folder.run.glob("host-*[0-9].json"))


either_way = pytest.mark.parametrize("end", [terminate, crash])


def next_host(hive: Hive) -> Wire:
    hive.start()
    return hive.connect()


@either_way
def test_bots_are_adopted_with_the_same_pids(hive: Hive, wire: Wire, end: Ending) -> None:
    spawned = {hive.spawn(wire, "wait", bot_id=f"BOT-00{n}")["pid"] for n in range(1, 6)}
    runs = hive.connect().hello()["runs"]
    end(hive)
    assert all(is_running(pid) for pid in spawned)
    adopted = next_host(hive).hello()["runs"]
    whose = {"host_pid": hive.hosts[-1].pid, "host_ticks": start_ticks(hive.hosts[-1].pid)}
    assert adopted == [run | whose for run in sorted(runs, key=lambda run: str(run["bot_id"]))]
    assert {run["pid"] for run in adopted} == spawned


@either_way
def test_an_adopted_bot_is_killed_with_its_tree(hive: Hive, wire: Wire, end: Ending) -> None:
    spawned = hive.spawn(wire, "tree")
    pids = hive.tree()
    end(hive)
    wire = next_host(hive)
    wire.hello()
    wire.send("kill", bot_id="BOT-001", run=1)
    exited = wire.wait_for("exited")
    assert (exited["code"], exited["signal"]) == (None, None)
    until(lambda: not any(map(is_running, [spawned["pid"], *pids])), "the end of the tree")


def test_an_adopted_bot_that_ends_alone_is_noticed(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "tree")
    tree = hive.tree()
    crash(hive)
    wire = next_host(hive)
    wire.hello()
    os.kill(spawned["pid"], signal.SIGKILL)
    assert wire.wait_for("exited")["run"] == 1
    until(lambda: not any(map(is_running, tree)), "the end of what it left, the daemon without environment included")


def test_an_adopted_bot_tells_its_code_itself(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "last_words")
    terminate(hive)
    wire = next_host(hive)
    wire.hello()
    wire.send("signal", bot_id="BOT-001", run=1, signal=int(signal.SIGTERM))
    exited = wire.wait_for("exited")
    assert (exited["code"], exited["at"]) == (0, 1234.5)


def test_a_bot_that_died_between_two_hosts_is_an_exit_nobody_saw(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "tree")
    child, grandchild, _ = hive.tree()
    crash(hive)
    os.kill(spawned["pid"], signal.SIGKILL)
    until(lambda: not is_running(spawned["pid"]), "the bot's end")
    welcome = next_host(hive).hello()
    assert welcome["runs"] == []
    assert [(exit["code"], exit["signal"]) for exit in welcome["exits"]] == [(None, None)]
    until(lambda: not is_running(child) and not is_running(grandchild), "the end of what it left")


def test_a_recycled_pid_is_a_stranger(hive: Hive, wire: Wire) -> None:
    """A record whose pid now belongs to another process (here: this test's own) is an exit, and that process lives."""
    hive.spawn(wire, "wait")
    record = hive.folder.run_record("BOT-001", 1)
    text = record.read_text()
    wire.send("kill", bot_id="BOT-001", run=1)
    wire.wait_for("exited")
    wire.send("forget", bot_id="BOT-001", run=1)
    until(lambda: hive.connect().hello()["exits"] == [], "the exit to be forgotten")
    terminate(hive)
    pid = hive.bots[0][0]
    record.write_text(text.replace(f'"pid":{pid}', f'"pid":{os.getpid()}'))
    assert [exit["bot_id"] for exit in next_host(hive).hello()["exits"]] == ["BOT-001"]


def test_foreign_files_among_the_records_are_passed_over(hive: Hive) -> None:
    (hive.folder.runs / "BOT-001.1.json").write_text("torn {")
    (hive.folder.runs / "BOT-002.1.json").write_text('{"bot_id": "BOT-002"}')
    (hive.folder.runs / ".BOT-003.1.json.99.tmp").write_text("half")
    welcome = next_host(hive).hello()
    assert welcome["runs"] == [] and welcome["exits"] == []
    assert not (hive.folder.runs / ".BOT-003.1.json.99.tmp").exists()


def test_the_bot_of_a_former_host_still_runs_at_most_once(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait", run=1)
    crash(hive)
    wire = next_host(hive)
    wire.hello()
    hive.ask(wire, "wait", run=2)
    assert f"pid {spawned['pid']}" in wire.wait_for("spawn_failed")["error"]
