"""Which process is meant: (pid, start time in ticks, boot id), never a pid alone. Signals go through a pidfd."""

import errno
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
        """A pidfd of exactly this process (the caller closes it), or None when it has ended and was reaped.

        Raises OSError when that cannot be found out: out of descriptors, a living process must not be taken for dead.
        """
        if self.boot_id != boot_id():
            return None
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL):
                return None
            raise
        try:
            same = start_ticks(self.pid) == self.start_ticks
        except OSError:
            os.close(pidfd)
            raise
        if not same:
            os.close(pidfd)
            return None
        return pidfd

    def lives(self) -> bool:
        """It exists and is no zombie; raises OSError as `open` does."""
        fields = _stat(self.pid) if self.boot_id == boot_id() else []
        return len(fields) > 19 and int(fields[19]) == self.start_ticks and fields[0] not in (b"Z", b"X")

    def send(self, signum: signal.Signals) -> bool:
        """Send a signal to exactly this process; False when it is gone. Raises OSError as `open` does."""
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
    """When a process started, in clock ticks since boot; None when there is none of that number.

    Raises OSError when /proc is out of reach.
    """
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else None


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the third (the state) on; none where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


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
