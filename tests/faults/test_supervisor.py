"""Two supervisors want one hive: there is never more than one, and bots do not notice who it is."""

import json
import re
import shutil
import subprocess

import pytest

from deia_tui.identity import ended
from tests.faults.hive import FaultyHive, hit
from tests.hives import PROGRAM, until


def serves(hive: FaultyHive, count: int) -> list[subprocess.Popen[bytes]]:
    """So many `deia-tui serve` at once."""
    return [hive.start([*PROGRAM, "--hive", str(hive.root), "serve"]) for _ in range(count)]


def the_survivor(programs: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """The only one left, once the others have ended with the status for wrong usage."""
    until(lambda: sum(program.poll() is None for program in programs) <= 1, "all but one to end", pause=0.05)
    [survivor] = [program for program in programs if program.poll() is None]
    return survivor


def supervisor_of(hive: FaultyHive) -> int:
    """Its pid, as it says itself; 0 while there is none."""
    return int((hive.status() or {"supervisor": {"pid": 0}})["supervisor"]["pid"])


@pytest.mark.fault(16)
def test_of_supervisors_started_together_one_supervises(hive: FaultyHive) -> None:
    programs = serves(hive, 4)
    survivor = the_survivor(programs)
    assert {program.returncode for program in programs if program is not survivor} == {2}
    assert until(hive.status, "a supervisor")["supervisor"]["pid"] == survivor.pid
    assert len(hive.events("hive_opened")) == 1
    assert f"pid {survivor.pid}" in hive.refused("serve")
    assert len(hive.events("hive_opened")) == 1, "who was refused has not touched the store"


@pytest.mark.fault(16)
def test_a_second_console_is_refused_or_takes_over_when_told(hive: FaultyHive) -> None:
    first = hive.console()
    hive.launch("shell", 5)
    pids, pid = hive.pids(), supervisor_of(hive)
    refused = hive.terminal()
    assert refused.wait() == 2
    assert re.search(rf"Another supervisor \(pid {pid}, console\).*--take-over", refused.written().decode())
    assert supervisor_of(hive) == pid

    second = hive.terminal(options=["--take-over"])
    until(lambda: supervisor_of(hive) == second.process.pid, "the second to supervise", pause=0.05)
    assert first.wait() == 0
    assert first.left_behind() == []
    said = first.written().decode().rpartition("\x1b")[2]
    assert f"Taken over by pid {second.process.pid}: " in said
    assert "the bots live on, 'deia-tui --take-over' takes them back." in said
    until(lambda: _knows(hive, pids), "the bots to be taken over")
    second.until("BOT-005")
    assert hive.turn(hive.send("BOT-001", "echo the same"))["status"] == "answered"
    hit(pids["BOT-002"])
    hive.until_running("BOT-002", run=2)


def _knows(hive: FaultyHive, pids: dict[str, int]) -> bool:
    return {bot["id"]: bot["pid"] for bot in hive.ask("GET", "/api/bots") if bot["state"] == "running"} == pids


@pytest.mark.fault(17)
def test_a_lock_file_that_was_deleted_lets_nobody_in(hive: FaultyHive) -> None:
    supervisor = hive.serve()
    hive.launch("shell", 3)
    pids = hive.pids()
    lock = hive.folder.run / "lock"
    lock.unlink()
    until(lambda: lock.exists() and _holder(hive) == supervisor.pid, "the supervisor to notice", pause=0.05)
    assert f"pid {supervisor.pid}" in hive.refused("serve")
    until(lambda: [alert for alert in hive.events("alert_raised") if "lock" in alert["text"]], "an alert", pause=0.05)

    lock.unlink()
    programs = [supervisor, *serves(hive, 2)]  # whoever is quicker has it; the others see that and go
    survivor = the_survivor(programs)
    until(lambda: supervisor_of(hive) == survivor.pid, "it to answer", pause=0.05)
    until(lambda: _knows(hive, pids), "the bots to be supervised")
    assert not any(map(ended, pids.values()))


def _holder(hive: FaultyHive) -> int:
    try:
        return int(json.loads((hive.folder.run / "lock").read_bytes())["pid"])
    except (OSError, ValueError, KeyError):
        return 0


@pytest.mark.fault(17)
def test_a_deleted_run_folder_cuts_nobody_off(hive: FaultyHive) -> None:
    hive.serve()
    hive.launch("shell", 2)
    shutil.rmtree(hive.folder.run)
    assert {bot["state"] for bot in until(hive.status, "a supervisor that answers again")["bots"]} == {"running"}
    hive.ask("POST", "/api/bot/restart/BOT-001")  # the folder it works in is there again
    assert hive.turn(hive.send("BOT-001", "echo still here"))["status"] == "answered"
