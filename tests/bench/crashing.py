"""How soon and how surely a bot that dies is there again, and that one which dies at once is given up in time."""

import json
import os
import signal
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from deia_tui.identity import Identity

from ..hives import TrialHive, until
from .figures import Figure, p95
from .subject import all_run, is_healthy, served_hive

BOTS = 20
KILLS = 1000
OFTEN = "[restart]\nmax_restarts = 1000000\nstable_s = 0.01\n"
"""Every kill is followed by a restart, and that at once: by default the second waits, and the sixth is the last."""

LOOPERS = 100
STARTS = 6
SOON = "[restart]\nbackoff_base_s = 0.05\nbackoff_max_s = 0.2\n"
"""With the default backoff six starts take half a minute and more."""


def crash() -> Iterator[Figure]:
    with served_hive(settings=OFTEN) as hive:
        hive.launch("shell", BOTS)
        time.sleep(2.0)  # what a launch leaves to do is not what is measured
        runs = hive.runs()
        took_ms = []
        for number in range(KILLS):
            began, runs[number % BOTS] = _kill(hive, runs[number % BOTS])
            took_ms.append(1000 * began)
        all_run(hive, "serve", BOTS)
        seen = _count(hive, "SELECT count(*) FROM runs WHERE exit_signal = 'SIGKILL'")
    median = statistics.median(took_ms)
    what = f"kill -9 → new pid, {KILLS:,} kills (max_restarts raised)"
    yield Figure(what=f"{what}, median", measured=median, unit="ms")
    yield Figure(what=f"{what}, p95", measured=p95(took_ms), unit="ms")
    yield Figure(what=f"{what}, p95 / median", measured=p95(took_ms) / median, at_most=2, digits=2)
    yield Figure(what=f"{what}, missed", measured=KILLS - seen, at_most=0, digits=0)


def _kill(hive: TrialHive, run: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds until the next run is on record, with its pid; and that record."""
    until(lambda: is_healthy(run["port"], run["token"]), f"{run['bot_id']} to be up")
    record = hive.folder.run_record(run["bot_id"], run["run"] + 1)
    began = time.perf_counter()
    os.kill(run["pid"], signal.SIGKILL)
    until(record.exists, f"the next run of {run['bot_id']}", pause=0.0005)
    return time.perf_counter() - began, json.loads(record.read_bytes())


def crash_loop() -> Iterator[Figure]:
    """Every run is killed as soon as it is on record."""
    with served_hive(LOOPERS, SOON) as hive:

        def all_given_up() -> bool:
            _kill_all(hive)
            return _states(hive) == {"fatal"}

        until(all_given_up, "every bot to be given up", timeout=60, pause=0.02)
        right = _count(
            hive,
            f"SELECT count(*) FROM (SELECT max(run) = {STARTS} AND count(*) = {STARTS} AS ok "
            "FROM runs GROUP BY bot_id) WHERE ok",
        )
    what = f"bots in a crash loop that start exactly {STARTS} times, of {LOOPERS} (backoff shortened)"
    yield Figure(what=what, measured=right, at_least=LOOPERS, digits=0)


def _kill_all(hive: TrialHive) -> None:
    for path in hive.run_records():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            run = json.loads(path.read_bytes())
            Identity(run["pid"], run["start_ticks"], run["boot_id"]).send(signal.SIGKILL)


def _states(hive: TrialHive) -> set[str]:
    return {bot["state"] for bot in (hive.status() or {"bots": []})["bots"]}


def _count(hive: TrialHive, sql: str) -> int:
    with closing(sqlite3.connect(f"file:{hive.folder.state_db}?mode=ro", uri=True, timeout=30)) as store:
        return int(store.execute(sql).fetchone()[0])
