"""The host dies: bots live on and work, a new host takes them up, and what nobody saw is not guessed."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, gone, hit
from tests.hives import until

DAEMON = """
import os, sys
if os.fork():
    os.wait()
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
os.chdir("/")
os.execve("/bin/sleep", ["sleep", "1000"], {})
"""


@pytest.mark.fault(15)
def test_bots_outlive_their_host_and_exits_nobody_saw_stay_unknown(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(hive.agent("daemon", hive.script("daemon", DAEMON)))
    hive.serve()
    hive.launch("shell", 3)
    [demonic] = hive.launch("daemon", 1)
    daemon = hive.send(demonic, "go")
    hive.outside.append(int(until(lambda: hive.answer(daemon), "the daemon to say who it is")))
    pids, old = hive.pids(), hive.host()
    lost_at = hit(old)
    found = hive.until_event("host_started", pid=until(lambda: _new_host(hive, old), "a new host"))
    assert hive.pids() == pids
    assert hive.turn(hive.send("BOT-001", "echo still here"))["status"] == "answered"
    assert [bot["run"] for bot in hive.ask("GET", "/api/bots")] == [1] * 4
    [alert] = hive.alerts("host")
    hive.until_event("alert_cleared", alert_id=alert["alert_id"])
    measured(f"a new host after {found['at'] - lost_at:.1f} s")

    hit(pids["BOT-002"])
    hive.until_running("BOT-002", run=2)
    hit(pids["BOT-003"], signal.SIGTERM)
    hive.until_running("BOT-003", run=2)
    hit(pids[demonic])
    hive.until_running(demonic, run=2)
    gone(*hive.outside)
    hit(hive.pids()["BOT-002"])
    hive.until_running("BOT-002", run=3)
    exits = [(event["bot_id"], event["exit"]["code"], event["exit"]["signal"]) for event in hive.events("bot_exited")]
    assert exits == [
        ("BOT-002", None, None),  # killed while nobody was its parent
        ("BOT-003", 0, None),  # it left a record of its own
        (demonic, None, None),
        ("BOT-002", None, "SIGKILL"),  # a child of the new host
    ]
    assert "exit unknown" in hive.alerts("crash", "BOT-002")[0]["text"]


def _new_host(hive: FaultyHive, old: int) -> int | None:
    host = hive.ask("GET", "/api/status")["hive"]["host_pid"]
    return None if host == old else host


@pytest.mark.fault(15)
def test_host_and_supervisor_die_together(hive: FaultyHive) -> None:
    supervisor = hive.serve()
    hive.launch("shell", 3)
    pids, host = hive.pids(), hive.host()
    hive.kill_nine(supervisor)
    hit(host)
    hit(pids["BOT-003"])
    gone(host, pids["BOT-003"])
    hive.serve()
    hive.until_running("BOT-001", "BOT-002", run=1)
    hive.until_running("BOT-003", run=2)
    now = hive.pids()
    assert {bot_id: now[bot_id] for bot_id in ("BOT-001", "BOT-002")} == {
        bot_id: pids[bot_id] for bot_id in ("BOT-001", "BOT-002")
    }
    [exited] = hive.events("bot_exited")
    assert (exited["exit"]["code"], exited["exit"]["signal"]) == (None, None)


@pytest.mark.fault(15)
def test_a_host_that_dies_amid_a_launch_costs_no_bot_and_leaves_none_behind(hive: FaultyHive) -> None:
    hive.serve()
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(hive.launch, "shell", 25)
        until(hive.pids, "the first of them to start")
        hit(hive.host())
        bots = launching.result()
    assert len(bots) == 25
    live = {bot["id"]: (bot["state"], bot["pid"]) for bot in hive.ask("GET", "/api/bots")}
    assert live == {bot_id: ("running", pid) for bot_id, pid in hive.pids().items()}
    assert {event["run"] for event in hive.events("bot_exited", bot_id=bots[-1])} == set(), "it was not started yet"
