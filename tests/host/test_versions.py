"""Hosts of two versions in one hive: each has its own runs; what a dead one had, the other has at once."""

import os
import signal
from pathlib import Path

import pytest

from deia_tui.host.wire import fingerprint

from .living import DEADLINE_S, Hive, Wire, another_version, is_running, until


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return another_version(tmp_path_factory.mktemp("older"))


@pytest.fixture
def two(hive: Hive, older: Path) -> tuple[Wire, Wire]:
    """Connected to an older host that has BOT-001, with its tree, and to one of this version that has BOT-002."""
    former = hive.start(package=older)
    before = hive.connect()
    assert before.hello()["fingerprint"] != fingerprint()
    hive.spawn(before, "tree", bot_id="BOT-001")
    hive.tree("BOT-001")
    host = hive.start()
    now = hive.connect(host.pid)
    welcome = now.hello()
    assert (welcome["runs"], welcome["others"], welcome["fingerprint"]) == ([], [former.pid], fingerprint())
    hive.spawn(now, "wait", bot_id="BOT-002")
    return before, now


def test_the_older_one_ends_with_its_last_bot(hive: Hive, two: tuple[Wire, Wire]) -> None:
    before, now = two
    before.send("retire")
    now.send("kill", bot_id="BOT-001", run=1)  # not its own
    assert is_running(hive.bots[0][0])
    before.send("kill", bot_id="BOT-001", run=1)
    assert before.wait_for("exited")["signal"] == "SIGKILL"
    assert hive.hosts[0].wait(DEADLINE_S) == 0
    now.send("forget", bot_id="BOT-001", run=1)
    until(lambda: not list(hive.folder.runs.glob("BOT-001.*")), "no record of it")
    assert hive.pids() == [hive.hosts[1].pid]


def test_runs_of_a_killed_one_are_adopted_at_once_and_end_with_their_trees(hive: Hive, two: tuple[Wire, Wire]) -> None:
    _, now = two
    tree = hive.tree("BOT-001")
    os.kill(hive.hosts[0].pid, signal.SIGKILL)
    adopted = now.wait_for("adopted")
    assert (adopted["bot_id"], adopted["pid"], adopted["host_pid"]) == ("BOT-001", hive.bots[0][0], hive.hosts[1].pid)
    now.send("kill", bot_id="BOT-001", run=1)
    assert now.wait_for("exited")["bot_id"] == "BOT-001"
    until(lambda: not any(map(is_running, [adopted["pid"], *tree])), "the end of the tree")


def test_a_retired_one_adopts_nothing_until_it_is_wanted_again(hive: Hive, older: Path, two: tuple[Wire, Wire]) -> None:
    """Back to the older version: its host goes on, the newer one is the one that ends."""
    before, now = two
    before.send("retire")
    now.send("retire")
    assert before.hello()["others"] == [hive.hosts[1].pid]
    hive.spawn(before, "wait", bot_id="BOT-003")
    os.kill(hive.hosts[1].pid, signal.SIGKILL)
    assert before.wait_for("adopted")["bot_id"] == "BOT-002"
