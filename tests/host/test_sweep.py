"""No orphans, whatever died: a daemon that emptied its environment still wears the brand of its run."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from .living import Hive, Wire, is_running, until
from .test_takeover import crash, next_host


def kill_together(hive: Hive, bot: int) -> None:
    """Host first, so that it sees nothing."""
    crash(hive)
    os.kill(bot, signal.SIGKILL)
    until(lambda: not is_running(bot), "the bot's end")


def assert_nothing_is_left(tree: list[int]) -> None:
    until(lambda: not any(map(is_running, tree)), "the end of everything below the bot")


def test_host_and_bot_killed_together_leave_no_daemon(hive: Hive, wire: Wire) -> None:
    bot = hive.spawn(wire, "tree")["pid"]
    tree = hive.tree()
    kill_together(hive, bot)
    assert is_running(tree[2]), "the daemon has neither parent nor nonce"
    assert next_host(hive).hello()["runs"] == []
    assert_nothing_is_left(tree)


def test_the_brand_outlives_a_second_host_and_an_exit_on_record(hive: Hive, wire: Wire) -> None:
    """Host, host and bot die; the bot's own end is on record already when the third host starts."""
    bot = hive.spawn(wire, "tree")["pid"]
    tree = hive.tree()
    crash(hive)
    next_host(hive).hello()
    kill_together(hive, bot)
    record = json.loads(hive.folder.run_record("BOT-001", 1).read_bytes())
    exit = {"bot_id": "BOT-001", "run": 1, "at": 1.0, "code": 0, "signal": None, "stderr_tail": [], "reason": ""}
    hive.folder.exit_record("BOT-001", 1).write_text(json.dumps({**exit, "nonce": record["nonce"]}))
    [told] = next_host(hive).hello()["exits"]
    assert told["at"] == 1.0
    assert_nothing_is_left(tree)


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
