"""Exits: code, signal and last words, told until they are forgotten."""

import signal

import pytest

from .living import Hive, Wire, until


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_kept(hive: Hive, wire: Wire, code: int) -> None:
    hive.spawn(wire, f"exit {code}")
    exited = wire.wait_for("exited")
    assert (exited["code"], exited["signal"], exited["stderr_tail"]) == (code, None, [f"going {code}"])


def test_the_signal_is_kept_by_name(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    wire.send("signal", bot_id="BOT-001", run=1, signal=int(signal.SIGTERM))
    exited = wire.wait_for("exited")
    assert (exited["code"], exited["signal"]) == (None, "SIGTERM")


def test_a_failing_bot_leaves_its_traceback(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "raise")
    exited = wire.wait_for("exited")
    assert exited["code"] == 1
    assert exited["stderr_tail"][-1] == "ValueError: broken bot"


def test_the_tail_is_of_this_run_and_short(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "talk", run=1)
    assert wire.wait_for("exited", run=1)["stderr_tail"] == [f"line {number}" for number in range(81, 101)]
    hive.spawn(wire, "exit 1", run=2)
    assert wire.wait_for("exited", run=2)["stderr_tail"] == ["going 1"]


def test_an_exit_is_repeated_until_it_is_forgotten(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "exit 3")
    exited = wire.wait_for("exited")
    assert not hive.folder.run_record("BOT-001", 1).exists()
    again = hive.connect().hello()
    assert [{"op": "exited", **exit} for exit in again["exits"]] == [exited] and again["runs"] == []
    wire.send("forget", bot_id="BOT-001", run=1)
    until(lambda: hive.connect().hello()["exits"] == [], "the exit to be forgotten")
    assert list(hive.folder.runs.iterdir()) == []


def test_the_next_host_repeats_what_was_not_forgotten(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "exit 3")
    exited = wire.wait_for("exited")
    hive.end_host()
    hive.start()
    assert [{"op": "exited", **exit} for exit in hive.connect().hello()["exits"]] == [exited]


def test_an_exit_that_cannot_be_written_is_told_all_the_same(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    hive.folder.exit_record("BOT-001", 1).mkdir()  # nothing can be renamed onto a folder
    wire.send("kill", bot_id="BOT-001", run=1)
    assert wire.wait_for("exited")["signal"] == "SIGKILL"
    assert hive.connect().hello()["exits"][0]["signal"] == "SIGKILL"
    hive.folder.exit_record("BOT-001", 1).rmdir()
    hive.end_host()
    hive.start()
    assert hive.connect().hello()["exits"][0]["signal"] == "SIGKILL"
