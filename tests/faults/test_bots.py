"""Bots that crash, end, loop, ignore, freeze, dawdle and grow: each is seen, told, and dealt with once."""

import os
import signal
import time
from pathlib import Path

import pytest

from deia_tui.hive.household import STARTS_PER_CORE
from deia_tui.identity import ended
from tests.faults.conftest import Measured
from tests.faults.hive import Event, FaultyHive, hit, is_live
from tests.hives import until

GRUMBLES = "import sys; print('last words', file=sys.stderr)"
DEAF = """
import signal, subprocess, sys, time
for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(signum, signal.SIG_IGN)
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
time.sleep(1000)
"""
GROWS = """
import time
kept = []
while True:
    kept.append(bytearray(b"x" * (16 << 20)))
    time.sleep(0.05)
"""


@pytest.mark.fault(1)
def test_a_crash_is_seen_told_and_answered_by_one_restart(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(hive.agent("grumbler", hive.script("grumbler", GRUMBLES)))
    hive.serve()
    hive.launch("grumbler", 1)
    assert hive.turn(hive.send("BOT-001", "speak"))["status"] == "answered"
    killed_at = hit(hive.pids()["BOT-001"])
    hive.until_running("BOT-001", run=2)
    [exited] = hive.events("bot_exited")
    assert (exited["exit"]["signal"], exited["exit"]["code"]) == ("SIGKILL", None)
    assert "last words" in exited["stderr_tail"]
    [ready] = [event for event in hive.events("bot_ready") if event["run"] == 2]
    assert exited["exit"]["at"] - killed_at < 5
    assert [start["automatic"] for start in hive.events("bot_starting")] == [False, True]
    assert [alert["bot_id"] for alert in hive.alerts("crash")] == ["BOT-001"]
    rows = until(lambda: hive.journal("BOT-001-errors.jsonl"), "a row of the crash")
    assert [row["context"]["signal"] for row in rows if "signal" in row["context"]] == ["SIGKILL"]
    assert any("last words" in row["context"].get("stderr", ()) for row in rows)
    measured(f"seen after {1000 * (exited['exit']['at'] - killed_at):.0f} ms")
    measured(f"back after {1000 * (ready['at'] - killed_at):.0f} ms")


@pytest.mark.fault(2)
def test_the_restart_policy_decides_after_a_clean_end(hive: FaultyHive) -> None:
    policies = ("permanent", "transient", "temporary")
    hive.configure(*(f"[bots.{policy}]\nagent = 'shell'\nrestart = '{policy}'\n" for policy in policies))
    hive.serve()
    for policy in policies:
        hive.launch(policy, 1)
    for pid in hive.pids().values():
        hit(pid, signal.SIGTERM)
    hive.until_running("permanent", run=2)
    assert [hive.until_bot(policy, state="exited")["run"] for policy in policies[1:]] == [1, 1]
    assert {event["exit"]["code"] for event in hive.events("bot_exited")} == {0}
    assert hive.alerts("crash") == []
    hive.launch("transient", 1)
    hive.launch("temporary", 1)
    for policy in policies[1:]:
        hit(hive.pids()[policy])
    hive.until_running("transient", run=3)
    assert hive.until_bot("temporary", state="exited")["run"] == 2


@pytest.mark.fault(3)
def test_a_crash_loop_ends_after_six_starts_whoever_supervises(hive: FaultyHive, measured: Measured) -> None:
    hive.configure("[restart]\nbackoff_base_s = 0.1\n")
    supervisor = hive.serve()
    hive.launch("shell", 2)
    _crash_again_and_again(hive, "BOT-001")
    _crash_again_and_again(hive, "BOT-002", until_run=3)
    hive.kill_nine(supervisor)
    hive.serve()
    _crash_again_and_again(hive, "BOT-002")
    assert hive.bot("BOT-001")["state"] == "fatal", "the next supervisor does not try again"
    assert [alert["bot_id"] for alert in hive.alerts("fatal")] == ["BOT-001", "BOT-002"]
    for bot_id in ("BOT-001", "BOT-002"):
        assert [start["run"] for start in hive.events("bot_starting", bot_id=bot_id)] == [1, 2, 3, 4, 5, 6]
        assert len(hive.events("bot_exited", bot_id=bot_id)) == 6
        assert len(hive.events("bot_gave_up", bot_id=bot_id)) == 1
    delays = [event["delay_s"] for event in hive.events("bot_backing_off", bot_id="BOT-001")]
    assert len(delays) == 4, "the first restart is immediate"
    assert all(0 <= delay <= 0.1 * 2**step for step, delay in enumerate(delays))
    assert len(set(delays)) == 4, "delays are jittered"
    measured(f"6 starts, delays {', '.join(f'{delay:.2f}' for delay in delays)} s")


def _crash_again_and_again(hive: FaultyHive, bot_id: str, until_run: int | None = None) -> None:
    """Until nobody starts it any more, or run `until_run` was killed."""
    killed = set[int]()
    while (bot := hive.bot(bot_id))["state"] != "fatal" and until_run not in killed:
        pid, run = hive.pids().get(bot_id), bot["run"]
        if pid == bot["pid"] and pid is not None and run not in killed:
            hit(pid)
            killed.add(run)
        time.sleep(0.005)


@pytest.mark.fault(4)
def test_who_ignores_sigterm_is_killed_when_grace_is_over(hive: FaultyHive, measured: Measured) -> None:
    grace_s = 1.0
    agent = hive.agent("deaf", hive.script("deaf", DEAF))
    hive.configure(agent, f"[process]\nwork_grace_s = 0.2\ngrace_period_s = {grace_s}\n")
    hive.serve()
    hive.launch("deaf", 2)
    busy = hive.send("BOT-001", "listen")
    child = int(until(lambda: hive.answer(busy), "the agent to start"))
    frozen = hive.pids()["BOT-002"]
    hit(frozen, signal.SIGSTOP)
    hive.ask("POST", "/api/bots/stop")
    assert [hive.bot(bot_id)["state"] for bot_id in ("BOT-001", "BOT-002")] == ["stopped", "stopped"]
    assert ended(child), "what it had started outlived it"
    assert ended(frozen)
    took = [_stopped_in(hive, bot_id) for bot_id in ("BOT-001", "BOT-002")]
    [exited] = hive.events("bot_exited", bot_id="BOT-001")
    assert exited["exit"]["signal"] == "SIGKILL"
    assert grace_s - 0.1 <= took[0] < grace_s + 5, took
    assert took[1] < grace_s + 5, took
    assert hive.turn(busy)["status"] == "interrupted"
    measured(f"SIGKILL {took[0] - grace_s:+.2f} s from the deadline; a frozen one ended after {took[1]:.2f} s")


def _stopped_in(hive: FaultyHive, bot_id: str) -> float:
    [stopping], [exited] = hive.events("bot_stopping", bot_id=bot_id), hive.events("bot_exited", bot_id=bot_id)
    return float(exited["exit"]["at"] - stopping["at"])


@pytest.mark.fault(5)
def test_a_frozen_bot_is_found_killed_and_restarted(hive: FaultyHive, measured: Measured) -> None:
    hive.configure("[liveness]\nperiod_s = 0.2\ntimeout_s = 0.6\nfailure_threshold = 3\n")
    hive.serve()
    hive.launch("shell", 3)
    frozen_at = hit(hive.pids()["BOT-002"], signal.SIGSTOP)
    hive.until_bot("BOT-002", health="unhealthy")
    hive.until_running("BOT-002", run=2)
    failed = hive.events("probe_failed", bot_id="BOT-002")
    assert [probe["streak"] for probe in failed] == [1, 2, 3]
    [exited] = hive.events("bot_exited", bot_id="BOT-002")
    assert (exited["exit"]["signal"], exited["exit"]["reason"]) == ("SIGKILL", "hung")
    assert exited["at"] >= failed[-1]["at"]
    assert [hive.bot(other)["run"] for other in ("BOT-001", "BOT-003")] == [1, 1]
    assert len(hive.alerts("unresponsive", "BOT-002")) == 1
    measured(f"three probes of 0.6 s: found after {exited['at'] - frozen_at:.1f} s")


@pytest.mark.fault(9)
def test_a_slow_start_is_no_hang(hive: FaultyHive) -> None:
    hive.configure("[liveness]\nperiod_s = 0.1\ntimeout_s = 0.1\nfailure_threshold = 1\n")
    hive.serve()
    bot_id, pid = until(lambda: _caught_starting(hive), "a bot that is frozen before it is ready", pause=0)
    time.sleep(1.0)  # as long as the fault lasts: ten times what liveness would allow
    assert hive.bot(bot_id)["state"] == "starting"
    hit(pid, signal.SIGCONT)
    hive.until_running(bot_id, run=1)
    assert hive.events("bot_stopping", bot_id=bot_id) == []
    assert hive.pids()[bot_id] == pid


def _caught_starting(hive: FaultyHive) -> tuple[str, int] | None:
    """Launch a bot and freeze it at once; None, and it is stopped, when it was ready first."""
    hive.launch("shell", 1) if not hive.pids() else None  # so that there is a host
    children = Path(f"/proc/{(host := hive.host())}/task/{host}/children")
    before = set(children.read_text().split())
    [bot_id] = hive.ask("POST", "/api/bot/launch", {"what": "shell", "wait": False})["bots"]
    while not (new := set(children.read_text().split()) - before):
        continue
    hit(pid := int(new.pop()), signal.SIGSTOP)
    hive.until_event("bot_spawned", bot_id=bot_id, pid=pid)
    if hive.bot(bot_id)["state"] == "starting":
        return bot_id, pid
    hit(pid, signal.SIGCONT)
    return None


@pytest.mark.fault(10)
def test_twenty_bots_that_die_together_do_not_start_together(hive: FaultyHive, measured: Measured) -> None:
    hive.configure("[restart]\nbackoff_base_s = 0.5\n")
    console = hive.console()
    bots = hive.launch("shell", 20)
    for run in (2, 3):
        pids = hive.pids().values()
        for pid in pids:
            hit(pid)
        took_s = is_live(console)
        hive.until_running(*bots, run=run)
    delays = [event["delay_s"] for event in hive.events("bot_backing_off")]
    assert len(delays) == 20, "the second time each waits"
    assert len(set(delays)) > 15
    assert max(delays) <= 0.5
    most = _most_starting(hive.events("bot_spawned", "bot_ready", "bot_exited"))
    assert most <= STARTS_PER_CORE * (os.cpu_count() or 1), f"{most} were starting at one moment"
    measured(f"at most {most} starting, help shown after {1000 * took_s:.0f} ms")


def _most_starting(events: list[Event]) -> int:
    starting, most = set[str](), 0
    for event in events:
        if event["type"] == "bot_spawned":
            starting.add(event["bot_id"])
        else:
            starting.discard(event["bot_id"])
        most = max(most, len(starting))
    return most


@pytest.mark.fault(24)
def test_a_bot_that_grows_past_its_limit_is_killed_and_backs_off(hive: FaultyHive, measured: Measured) -> None:
    agent = hive.agent("grower", hive.script("grower", GROWS))
    bot = "[bots.BOT-001]\nagent = 'grower'\nmemory_max_mb = 300\n"
    hive.configure(agent, bot, "[restart]\nbackoff_base_s = 0.2\n")
    hive.serve()
    hive.launch("BOT-001", 1)
    message = hive.send("BOT-001", "grow")
    exited = hive.until_event("bot_exited", bot_id="BOT-001")
    assert exited["exit"]["reason"] == "oom"
    hive.until_running("BOT-001", run=2)
    assert hive.turn(message)["status"] == "interrupted"
    hive.send("BOT-001", "grow")
    hive.until_event("bot_backing_off", bot_id="BOT-001")
    hive.until_running("BOT-001", run=3)
    assert "oom" in hive.alerts("crash", "BOT-001")[0]["text"]
