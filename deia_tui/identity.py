"""Which process is meant: (pid, start time in ticks, boot id), never a pid alone. Signals go through a pidfd."""

import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One life of one process. `start_ticks` is field 22 of /proc/PID/stat (clock ticks since boot)."""

    pid: int
    start_ticks: int
    boot_id: str

    def open(self) -> int | None:
        """A pidfd of exactly this process (the caller closes it), or None when it has ended and was reaped."""
        if self.boot_id != boot_id():
            return None
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if start_ticks(self.pid) != self.start_ticks:
            os.close(pidfd)
            return None
        return pidfd

    def send(self, signum: signal.Signals) -> bool:
        """Send a signal to exactly this process; False when it is gone."""
        pidfd = self.open()
        if pidfd is None:
            return False
        try:
            signal.pidfd_send_signal(pidfd, signum)
        except ProcessLookupError:
            return False
        finally:
            os.close(pidfd)
        return True


def identify(pid: int) -> Identity | None:
    """The identity of a process that exists now (zombies included), or None."""
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none of that number."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


@cache
def boot_id() -> str:
    """Identifies this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def ended(pid: int) -> bool:
    """Has the process of that number ended? A zombie has."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def wait_for_end(pid: int, *, timeout_s: float = 30.0) -> bool:
    """Wait until the process of that number has ended; False when it has not after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
