"""Whoever deletes a host's files does not get rid of it, nor gets a second one that owns the same runs."""

import shutil

from .living import DEADLINE_S, Hive, Wire, is_running, until


def test_socket_and_introduction_come_back(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    for name in ("host-*.sock", "host-*[0-9].json", "host-*"):
        for path in hive.folder.run.glob(name):
            path.unlink()
        assert hive.connect(hive.hosts[0].pid).hello()["runs"]
    wire.send("kill", bot_id="BOT-001", run=1)
    assert wire.wait_for("exited")["run"] == 1, "who was connected still is"


def test_the_whole_folder_comes_back_with_its_records(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait")
    shutil.rmtree(hive.folder.run)
    assert hive.connect().hello()["runs"][0]["pid"] == spawned["pid"]
    until(hive.folder.run_record("BOT-001", 1).exists, "the record of the run")
    assert hive.start().wait(DEADLINE_S) == 0, "a second host finds the first"
    assert is_running(spawned["pid"])


def test_a_hive_that_is_removed_as_a_whole_comes_back_while_bots_run(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait")
    shutil.rmtree(hive.folder.deia)
    until(hive.folder.run_record("BOT-001", 1).exists, "the record of the run")
    assert hive.connect().hello()["runs"][0]["pid"] == spawned["pid"]
