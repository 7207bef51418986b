"""How fast bots come to life, beside the same bots started one interpreter each; and how fast one comes back."""

import json
import os
import secrets
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..hives import TrialHive, until
from .figures import Figure, p95
from .subject import empty_hive, is_healthy, served_hive

BOTS = 100
STARTS_AT_ONCE = 2 * (os.cpu_count() or 1)
"""As the hive does it (spec 1.1); the other way of starting gets the same."""


def spawn() -> Iterator[Figure]:
    forked_s = _launch_by_hive()
    yield Figure(what=f"{BOTS} bots launched and answering", measured=forked_s, unit="s", at_most=1.5, digits=2)
    executed_s = _launch_by_interpreter()
    yield Figure(what=f"the same {BOTS} by python -m", measured=executed_s, unit="s", digits=2)
    yield Figure(what="times faster than python -m", measured=executed_s / forked_s, at_least=12)


def _launch_by_hive() -> float:
    """Seconds from the request to the last first answer. A record appears before its bot answers, the port listens."""
    with served_hive() as hive, ThreadPoolExecutor(2 * STARTS_AT_ONCE) as askers:
        began = time.perf_counter()
        hive.ask("POST", "/api/bot/launch", {"what": "shell", "count": BOTS, "wait": False})
        asked: set[Path] = set()
        answers = []
        while len(asked) < BOTS:
            for path in set(hive.run_records()) - asked:
                record = json.loads(path.read_bytes())
                answers.append(askers.submit(_await_health, record["port"], record["token"]))
                asked.add(path)
            time.sleep(0.01)
        return max(answer.result() for answer in answers) - began


def _launch_by_interpreter() -> float:
    with empty_hive() as hive, ThreadPoolExecutor(STARTS_AT_ONCE) as starters:
        began = time.perf_counter()
        answered = starters.map(lambda number: _start_interpreter(hive, number), range(1, BOTS + 1))
        return max(answered) - began


def _start_interpreter(hive: TrialHive, number: int) -> float:
    token = secrets.token_hex(24)
    about = ["--hive", str(hive.root), "--id", f"BOT-{number:03d}", "--port", "0", "--token", token]
    bot = hive.start([sys.executable, "-m", "deia_tui.bot", *about])
    assert bot.stdout is not None
    port = int(bot.stdout.readline().rpartition(b":")[2])
    return _await_health(port, token)


def _await_health(port: int, token: str) -> float:
    """When it first answered (time.perf_counter)."""
    until(lambda: is_healthy(port, token), f"an answer on port {port}", pause=0.001)
    return time.perf_counter()


def restart() -> Iterator[Figure]:
    for bots, kills, limit_ms in ((20, 20, 50), (100, 40, 80)):
        with served_hive(bots) as hive:
            time.sleep(2.0)  # what a launch leaves to do is not what is measured
            took_ms = [1000 * _kill(hive, run) for run in hive.runs()[:kills]]
        what = f"kill -9 → healthy again, {bots} bots"
        yield Figure(
            what=f"{what}, median of {kills}", measured=statistics.median(took_ms), unit="ms", at_most=limit_ms
        )
        yield Figure(what=f"{what}, p95", measured=p95(took_ms), unit="ms")


def _kill(hive: TrialHive, run: dict[str, Any]) -> float:
    """Seconds until the next run answers. Each bot is killed once: only the first restart is immediate by policy."""
    record = hive.folder.run_record(run["bot_id"], run["run"] + 1)
    began = time.perf_counter()
    os.kill(run["pid"], signal.SIGKILL)
    until(record.exists, f"the next run of {run['bot_id']}", pause=0.001)
    reborn = json.loads(record.read_bytes())
    took = _await_health(reborn["port"], reborn["token"]) - began
    time.sleep(0.1)
    return took
