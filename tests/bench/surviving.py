"""How soon the next supervisor has its bots, and that neither a dropped line nor one that stalls leaves them alone."""

import os
import signal
import statistics
import time
from collections.abc import Iterator
from typing import Any

from ..hives import PROGRAM, TrialHive, until
from ..terminal import Terminal
from .figures import Figure
from .subject import all_run, cpu_s, empty_hive

ADOPTED = 50
TIMES = 5
IDLE = 10
WINDOW_S = 10.0
STALL_S = float(os.environ.get("STALL_S", "8"))
"""How long nobody reads what the console paints. By hand: STALL_S=60 python -m tests.bench stall."""
CRASHES = 20


def adopt() -> Iterator[Figure]:
    with empty_hive() as hive:
        supervisor = hive.serve()
        hive.launch("shell", ADOPTED)
        pids = hive.pids()
        killed_s, taken_s = [], []
        for _ in range(TIMES):
            supervisor.kill()
            supervisor.wait()
            began = time.perf_counter()
            supervisor = hive.start([*PROGRAM, "--hive", str(hive.root), "serve"])
            all_run(hive, "serve", ADOPTED)
            killed_s.append(time.perf_counter() - began)
        for _ in range(TIMES):
            supervisor.kill()
            supervisor.wait()
            hive.start([*PROGRAM, "--hive", str(hive.root), "serve", "--background"])
            all_run(hive, "background", ADOPTED)
            console = hive.console()
            all_run(hive, "console", ADOPTED)
            taken_s.append(time.perf_counter() - console.started_at)
            supervisor = console.process
        assert hive.pids() == pids, "bots were lost"
    for how, took_s in (("serve after a kill", killed_s), ("console over background", taken_s)):
        what = f"start → {ADOPTED} bots run again, {how}"
        median = statistics.median(took_s)
        yield Figure(what=f"{what}, median of {TIMES}", measured=median, unit="s", at_most=1, digits=2)
        yield Figure(what=f"{what}, slowest", measured=max(took_s), unit="s", digits=2)


def hang_up() -> Iterator[Figure]:
    with empty_hive() as hive:
        console = hive.console()
        hive.launch("shell", IDLE)
        time.sleep(2.0)  # what a launch leaves to do is not what is measured
        began = time.perf_counter()
        console.hang_up()
        all_run(hive, "background", IDLE)
        gap_s = time.perf_counter() - began
        time.sleep(2.0)
        pids = [process.pid for process in hive.processes()]
        began, before = time.perf_counter(), cpu_s(pids)
        time.sleep(WINDOW_S)
        percent = 100 * (cpu_s(pids) - before) / (time.perf_counter() - began)
    yield Figure(what="hang-up → supervised in the background", measured=gap_s, unit="s", at_most=1, digits=2)
    yield Figure(what=f"CPU there, with host and {IDLE} idle bots", measured=percent, unit="%", at_most=1, digits=2)


def stall() -> Iterator[Figure]:
    with empty_hive() as hive:
        console = hive.console()
        hive.launch("shell", CRASHES)
        time.sleep(2.0)
        console.stall()
        _fill(console)
        runs = hive.runs()
        took_s = []
        for run in runs:
            took_s.append(_crash(hive, run))
            time.sleep(max(0.0, STALL_S / CRASHES - took_s[-1]))
        assert console.process.poll() is None
    what = f"kill -9 → running while the terminal stalls for {STALL_S:g} s, slowest of {CRASHES}"
    yield Figure(what=what, measured=max(took_s), unit="s", at_most=0.5, digits=2)


def _fill(console: Terminal) -> None:
    """Have it paint until the line takes no more."""
    before = -1
    while console.unread() > before:
        before = console.unread()
        for _ in range(5):
            console.press("?", "escape")
            time.sleep(0.1)


def _crash(hive: TrialHive, run: dict[str, Any]) -> float:
    """Seconds until the supervisor says that the bot runs, as another process."""

    def again() -> bool:
        bot = hive.ask("GET", f"/api/bot/{run['bot_id']}/status")
        return bool(bot["state"] == "running" and bot["pid"] != run["pid"])

    began = time.perf_counter()
    os.kill(run["pid"], signal.SIGKILL)
    until(again, f"{run['bot_id']} to run again", pause=0.002)
    return time.perf_counter() - began
