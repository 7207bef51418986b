"""No orphans, whatever died: a daemon that emptied its environment is known to the host after the one that saw it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from deia_tui.folder import Folder

from .living import Hive, Wire, is_running, until
from .test_takeover import crash, next_host


def seen_below(folder: Folder) -> set[int]:
    """The pids hosts have put on disk."""
    files = [json.loads(path.read_bytes()) for path in folder.run.glob("host-*.below.json")]
    return {pid for file in files for processes in file["below"].values() for pid, _ in processes}


def grown_tree(hive: Hive, wire: Wire) -> tuple[int, list[int]]:
    """A bot and what is below it, once that is on disk."""
    spawned = hive.spawn(wire, "tree")
    tree = hive.tree()
    until(lambda: set(tree) <= seen_below(hive.folder), "the tree on disk")
    return spawned["pid"], tree


def kill_together(hive: Hive, bot: int) -> None:
    """Host first, so that it sees nothing."""
    crash(hive)
    os.kill(bot, signal.SIGKILL)
    until(lambda: not is_running(bot), "the bot's end")


def assert_nothing_is_left(hive: Hive, tree: list[int]) -> None:
    until(lambda: not any(map(is_running, tree)), "the end of everything below the bot")
    until(lambda: not seen_below(hive.folder), "an empty memory")


def test_host_and_bot_killed_together_leave_no_daemon(hive: Hive, wire: Wire) -> None:
    bot, tree = grown_tree(hive, wire)
    kill_together(hive, bot)
    assert is_running(tree[2]), "the daemon has neither parent nor nonce"
    assert next_host(hive).hello()["runs"] == []
    assert_nothing_is_left(hive, tree)


def test_a_daemon_that_no_host_ever_looked_at_does_not_outlive_them_either(hive: Hive, wire: Wire) -> None:
    bot = hive.spawn(wire, "tree")["pid"]
    tree = hive.tree()
    kill_together(hive, bot)
    assert next_host(hive).hello()["runs"] == []
    assert_nothing_is_left(hive, tree)


def test_the_memory_outlives_a_second_host_and_an_exit_on_record(hive: Hive, wire: Wire) -> None:
    """Host, host and bot die; the bot's own end is on record already when the third host starts."""
    bot, tree = grown_tree(hive, wire)
    crash(hive)
    next_host(hive).hello()
    kill_together(hive, bot)
    record = json.loads(hive.folder.run_record("BOT-001", 1).read_bytes())
    exit = {"bot_id": "BOT-001", "run": 1, "at": 1.0, "code": 0, "signal": None, "stderr_tail": [], "reason": ""}
    hive.folder.exit_record("BOT-001", 1).write_text(json.dumps({**exit, "nonce": record["nonce"]}))
    [told] = next_host(hive).hello()["exits"]
    assert told["at"] == 1.0
    assert_nothing_is_left(hive, tree)


def test_bots_without_children_write_nothing(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait", bot_id="BOT-001")
    bot, _ = hive.spawn(wire, "tree", bot_id="BOT-002")["pid"], hive.tree("BOT-002")
    until(lambda: seen_below(hive.folder), "a look")
    [memory] = hive.folder.run.glob("host-*.below.json")
    assert len(json.loads(memory.read_bytes())["below"]) == 1
    os.kill(bot, signal.SIGKILL)
    until(lambda: not memory.exists(), "a look after the end")


def test_a_process_that_got_a_remembered_pid_lives(hive: Hive, wire: Wire) -> None:
    bot, tree = grown_tree(hive, wire)
    [memory] = hive.folder.run.glob("host-*.below.json")
    kill_together(hive, bot)
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        file = json.loads(memory.read_bytes())
        [nonce] = file["below"]
        file["below"][nonce] += [[stranger.pid, 1], [os.getpid(), 1]]
        memory.write_text(json.dumps(file))
        next_host(hive).hello()
        assert_nothing_is_left(hive, tree)
        assert is_running(stranger.pid)
        stranger.kill()


def test_the_pid_of_a_dead_bot_given_to_a_stranger(hive: Hive, wire: Wire) -> None:
    bot = hive.spawn(wire, "wait")["pid"]
    kill_together(hive, bot)
    until(lambda: not Path(f"/proc/{bot}").exists(), "a pid that is free again")
    with recycled(bot) as stranger:
        next_host(hive).hello()
        until(lambda: hive.folder.exit_record("BOT-001", 1).exists(), "the bot's end on record")
        until(lambda: not hive.folder.run_record("BOT-001", 1).exists(), "no record that it lives")
        assert is_running(stranger.pid)
        stranger.kill()


def recycled(pid: int) -> subprocess.Popen[bytes]:
    """A process of exactly this number."""
    for _ in range(200):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError as error:
            pytest.skip(f"pids cannot be chosen here: ns_last_pid ({error.strerror})")
        child = subprocess.Popen(["sleep", "1000"])
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    pytest.skip(f"pid {pid} was not to be had: ns_last_pid")


def test_runs_of_another_boot_have_ended_unseen(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    crash(hive)
    path = hive.folder.run_record("BOT-001", 1)
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "boot_id": "0" * 36}))
    wire = next_host(hive)
    welcome = wire.hello()
    assert welcome["runs"] == [] and is_running(record["pid"]), "that pid is somebody else's in this boot"
    assert [(exit["code"], exit["signal"]) for exit in welcome["exits"]] == [(None, None)]
    wire.send("forget", bot_id="BOT-001", run=1)
    until(lambda: list(hive.folder.runs.iterdir()) == [], "nothing on record")
