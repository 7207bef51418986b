"""What a hundred bots with nothing to do cost: memory, CPU, and the look at all of them every second."""

import statistics
import time
from collections.abc import Collection, Iterator

from deia_tui.host.processes import by_parent
from deia_tui.host.sample import Sampler

from ..hives import TrialHive
from .figures import Figure
from .subject import all_run, cpu_s, pss_mb, served_hive

BOTS = 100
SETTLE_S = 5.0
WINDOW_S = 20.0


def memory() -> Iterator[Figure]:
    with served_hive(BOTS) as hive:
        time.sleep(SETTLE_S)
        pids = hive.pids().values()
        mean = statistics.mean(map(pss_mb, pids))
        yield Figure(what=f"proportional memory of an idle bot, {BOTS} bots", measured=mean, unit="MB", at_most=8)
        others = sum(pss_mb(process.pid) for process in hive.processes() if process.pid not in pids)
        yield Figure(what="proportional memory of host and supervisor", measured=others, unit="MB")


def idle() -> Iterator[Figure]:
    with served_hive(BOTS) as hive:
        hive.cli("shutdown", "--leave-bots")
        time.sleep(SETTLE_S)
        pids = _pids(hive)
        assert len(pids) == BOTS + 1, "the bots and their host, nothing else"
        percent = _percent(pids)
        yield Figure(what=f"CPU of {BOTS} idle bots + host", measured=percent, unit="%", at_most=1, digits=2)
        console = hive.console()
        all_run(hive, "console", BOTS)
        time.sleep(SETTLE_S)
        before = len(console.written())
        percent = _percent(_pids(hive))
        written = (len(console.written()) - before) / WINDOW_S
        yield Figure(what="the same with the console showing them", measured=percent, unit="%", at_most=4, digits=2)
        yield Figure(what="bytes to the terminal meanwhile", measured=written, unit="B/s", digits=0)


def _pids(hive: TrialHive) -> list[int]:
    return [process.pid for process in hive.processes()]


def _percent(pids: Collection[int]) -> float:
    """CPU these processes use over the window, 100 = one core."""
    began, before = time.perf_counter(), cpu_s(pids)
    time.sleep(WINDOW_S)
    return 100 * (cpu_s(pids) - before) / (time.perf_counter() - began)


def sampler() -> Iterator[Figure]:
    with served_hive(BOTS) as hive:
        lives = {run["bot_id"]: (run["pid"], run["start_ticks"]) for run in hive.runs()}
        look = Sampler()
        passes_ms = []
        for _ in range(30):
            began = time.perf_counter()
            taken = look.take(by_parent(), lives, time.monotonic())
            passes_ms.append(1000 * (time.perf_counter() - began))
            assert len(taken) == BOTS
    yield Figure(what=f"one look at {BOTS} bots", measured=statistics.median(passes_ms), unit="ms")


def stop() -> Iterator[Figure]:
    with served_hive(BOTS) as hive:
        time.sleep(SETTLE_S)
        began = time.perf_counter()
        stopped = hive.ask("POST", "/api/bots/stop")["bots"]
        took = time.perf_counter() - began
        assert len(stopped) == BOTS and not hive.runs()
        yield Figure(what=f"stopping {BOTS} idle bots", measured=took, unit="s", at_most=1, digits=2)
        hive.cli("shutdown")
        yield Figure(what="processes left after shutdown", measured=len(_left(hive)), at_most=0, digits=0)


def _left(hive: TrialHive) -> list[str]:
    """What has not ended by itself a few seconds after the supervisor."""
    deadline = time.monotonic() + 5
    while (left := list(hive.processes().values())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
