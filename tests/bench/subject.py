"""The hive that is measured: on a temporary folder, with as many idle shell bots as wanted, gone afterwards."""

import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..hives import TrialHive, trial_hive, until


@contextmanager
def empty_hive(settings: str = "") -> Iterator[TrialHive]:
    """`settings` is its hive.toml."""
    with tempfile.TemporaryDirectory(prefix="deia-bench-") as root, trial_hive(Path(root)) as hive:
        if settings:
            hive.folder.create()
            hive.folder.hive_toml.write_text(settings, encoding="utf-8")
        yield hive


@contextmanager
def served_hive(bots: int = 0, settings: str = "") -> Iterator[TrialHive]:
    """Supervised by `deia-tui serve`."""
    with empty_hive(settings) as hive:
        hive.serve()
        if bots:
            hive.launch("shell", bots)
        yield hive


def all_run(hive: TrialHive, mode: str, count: int) -> bool:
    """Waits until a supervisor of this mode has so many running bots."""

    def seen() -> bool:
        status = hive.status()
        if status is None or status["supervisor"]["mode"] != mode:
            return False
        return [bot["state"] for bot in status["bots"]] == ["running"] * count

    return until(seen, f"{count} running bots under a {mode} supervisor", timeout=120)


def is_healthy(port: int, token: str) -> bool:
    """Does the bot on this port answer `GET /health` with 200?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
            line.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            return line.recv(1024).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def cpu_s(pids: Iterable[int]) -> float:
    """CPU time all threads of these processes have used, to the nanosecond (clock ticks are too coarse for idlers)."""
    used = 0
    for pid in pids:
        for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            used += int(schedstat.read_text().split()[0])
    return used / 1e9


def pss_mb(pid: int) -> float:
    """Proportional memory: a page shared by n processes counts 1/n."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"no Pss for {pid}")
