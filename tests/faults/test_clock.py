"""Reboots and clocks that jump: records of another boot mean nobody, and a wall clock decides nothing."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deia_tui.identity import boot_id, ended, identify
from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, gone, hit, needs, needs_root
from tests.hives import until

OTHER_BOOT = "0badcafe-0000-4000-8000-000000000000"
DEAF = "trap '' INT TERM HUP; echo $$; while :; do sleep 1000; done"
HOUR_S = 3600


@pytest.mark.fault(18)
def test_after_a_reboot_what_should_run_runs_again_and_old_pids_mean_nobody(hive: FaultyHive, tmp_path: Path) -> None:
    needs("unshare", "mount")
    needs_root()
    (other := tmp_path / "boot_id").write_text(OTHER_BOOT + "\n")
    supervisor = hive.serve()
    bots = hive.launch("shell", 5)
    hive.stop("BOT-004")
    hive.configure("[restart]\nbackoff_base_s = 0.1\n")
    innocent = hive.companion(["sleep", "1000"])
    _pull_the_plug(hive, supervisor.pid)
    supervisor.wait()
    _recycle_pid(hive, "BOT-001", innocent.pid)

    bind = f'mount --bind {other} /proc/sys/kernel/random/boot_id && exec "$@"'
    hive.serve(under=["unshare", "--mount", "sh", "-c", bind, "sh"])
    back = [bot_id for bot_id in bots if bot_id != "BOT-004"]
    hive.until_running(*back, run=2)
    assert hive.bot("BOT-004")["state"] == "stopped"
    assert hive.events("bot_adopted") == []
    assert not ended(innocent.pid), "a process of this boot was killed for one of the last"
    exits = [event for event in hive.events("bot_exited") if event["bot_id"] in back]
    assert {(event["exit"]["code"], event["exit"]["signal"]) for event in exits} == {(None, None)}
    assert {record["boot_id"] for record in hive.runs()} == {OTHER_BOOT}
    audited = until(lambda: _audited(hive, len(back)), "the audit of what was stale")
    assert sorted(audited) == back
    assert set(json.loads(hive.folder.registry.read_bytes())["bots"]) <= set(back)


def _pull_the_plug(hive: FaultyHive, supervisor: int) -> None:
    pids = [supervisor, hive.host(), *hive.pids().values()]
    for pid in pids:
        hit(pid, signal.SIGSTOP)
    for pid in pids:
        hit(pid)
    gone(*pids)


def _recycle_pid(hive: FaultyHive, bot_id: str, pid: int) -> None:
    """Let the record of the bot's run fit a process that has nothing to do with it, but for the boot."""
    path = hive.folder.run_record(bot_id, 1)
    found = identify(pid)
    assert found is not None
    record = json.loads(path.read_bytes())
    assert record["boot_id"] == boot_id()
    path.write_text(json.dumps({**record, "pid": pid, "start_ticks": found.start_ticks}))


def _audited(hive: FaultyHive, count: int) -> list[str] | None:
    found = [row["bot_id"] for row in hive.journal("registry-changes.jsonl") if row["action"] == "stale_entry_removed"]
    return found if len(found) == count else None


@pytest.mark.fault(32)
def test_a_clock_that_jumps_by_an_hour_hurries_and_delays_nothing(
    hive: FaultyHive, tmp_path: Path, measured: Measured
) -> None:
    clock = Clock(tmp_path / "clock")
    hive.clock_jumped = True
    grace_s = 1.5
    hive.configure(
        hive.agent("deaf", ["sh", "-c", DEAF]),
        f"[process]\nwork_grace_s = 0.2\ngrace_period_s = {grace_s}\n",
        "[liveness]\nperiod_s = 0.3\ntimeout_s = 2.0\n[restart]\nbackoff_base_s = 1.0\n",
    )
    supervisor = hive.serve(**clock.env)
    hive.launch("shell", 3)
    hive.launch("deaf", 1)
    clock.jump(HOUR_S)
    assert hive.turn(hive.send("BOT-001", "sleep 0.5"))["status"] == "answered"
    _back_off(hive, "BOT-002", run=1)
    clock.jump(-HOUR_S)
    hive.until_running("BOT-002", run=3)

    listening = hive.send("BOT-004", "listen")
    until(lambda: hive.answer(listening), "the agent to start")
    asked = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(hive.stop, "BOT-004")
        hive.until_event("bot_stopping", bot_id="BOT-004")
        clock.jump(HOUR_S)
        stopping.result()
    took_s = time.monotonic() - asked
    assert took_s >= grace_s - 0.1

    _back_off(hive, "BOT-003", run=1)
    hive.kill_nine(supervisor)
    clock.jump(-HOUR_S)
    hive.serve(**clock.env)
    hive.until_running("BOT-003", run=3)
    hive.until_running("BOT-001", run=1)
    assert hive.events("bot_stopping", bot_id="BOT-001") == []
    assert hive.events("probe_failed", bot_id="BOT-001") == []
    assert [event["reason"] for event in hive.events("bot_stopping")] == ["stopped"]
    measured(f"stop with {grace_s:g} s of grace took {took_s:.1f} s")


def _back_off(hive: FaultyHive, bot_id: str, *, run: int) -> None:
    """Kill the bot until it has to wait for its next start."""
    for number in (run, run + 1):
        hive.until_running(bot_id, run=number)
        hit(hive.pids()[bot_id])
    hive.until_event("bot_backing_off", bot_id=bot_id)


class Clock:
    """The wall clock of whatever runs with `env`."""

    def __init__(self, path: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            pytest.skip("needs faketime")
        self._path = path
        self.env = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "FAKETIME_DISABLE_SHM": "1",  # it would be left behind by whoever is killed
        }
        self.jump(0)

    def jump(self, to_s: int) -> None:
        """Be so far from the true time, from now on."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{to_s:+d}\n")
        new.replace(self._path)
