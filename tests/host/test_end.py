"""One host per hive, for as long as somebody needs it."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from deia_tui.host.host import UNNEEDED_S

from .living import DEADLINE_S, Hive, Wire, is_running, open_hive, until


@pytest.fixture(scope="module", autouse=True)
def abandoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hive]:
    """A host without bots and clients, left alone while the other tests run."""
    with open_hive(tmp_path_factory.mktemp("abandoned")) as hive:
        hive.start()
        wire = hive.connect()
        wire.hello()
        hive.spawn(wire, "exit 0")
        wire.wait_for("exited")
        wire.close()
        yield hive


def test_a_second_host_leaves_quietly(hive: Hive, wire: Wire) -> None:
    assert hive.start().wait(DEADLINE_S) == 0
    assert hive.connect().hello()["pid"] == hive.hosts[0].pid


def test_retire_ends_it_at_once_without_bots(hive: Hive, wire: Wire) -> None:
    wire.send("retire")
    assert hive.hosts[0].wait(DEADLINE_S) == 0
    assert wire.at_end()


def test_retire_waits_for_the_last_bot_and_takes_no_new_one(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    wire.send("retire")
    hive.ask(wire, "wait", bot_id="BOT-002")
    assert "retires" in wire.wait_for("spawn_failed")["error"]
    wire.send("kill", bot_id="BOT-001", run=1)
    wire.wait_for("exited")
    assert hive.hosts[0].wait(DEADLINE_S) == 0


def test_hang_up_and_ctrl_c_mean_nothing_to_it(hive: Hive, wire: Wire) -> None:
    hive.hosts[0].send_signal(signal.SIGHUP)
    hive.hosts[0].send_signal(signal.SIGINT)
    hive.spawn(wire, "wait")


def test_it_keeps_nothing_of_its_starter_open(hive: Hive) -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as reader:
        hive.start(stderr=into, pass_fds=[into])
        os.close(into)
        hive.connect().hello()
        assert reader.read() == b""


def test_it_is_a_session_of_its_own(hive: Hive, wire: Wire) -> None:
    host = hive.hosts[0].pid
    shown = subprocess.run(["ps", "-o", "sid=,tty=", "-p", str(host)], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [str(host), "?"]


def test_a_folder_that_cannot_be_written_gets_one_sentence(hive: Hive) -> None:
    (hive.folder.root / "file").write_text("")
    host = hive.start(root=hive.folder.root / "file", stderr=subprocess.PIPE)
    _, said = host.communicate(timeout=DEADLINE_S)
    assert host.returncode == 1
    assert said.decode().startswith("The host cannot start: ") and said.count(b"\n") == 1


def test_short_lived_runs_leave_no_process_and_no_record(hive: Hive, wire: Wire) -> None:
    pids = []
    for run in range(1, 51):
        pids.append(hive.spawn(wire, "exit 0", run=run)["pid"])
        wire.wait_for("exited", run=run)
        wire.send("forget", bot_id="BOT-001", run=run)
    until(lambda: list(hive.folder.runs.iterdir()) == [], "all records to go")
    assert not any(is_running(pid) for pid in pids)


def test_it_ends_when_nobody_needs_it(abandoned: Hive) -> None:
    assert abandoned.hosts[0].wait(UNNEEDED_S + DEADLINE_S) == 0
    assert not list(abandoned.folder.run.glob("host-*"))
    assert abandoned.folder.exit_record("BOT-001", 1).exists()
