"""The processes a bot is parent of: the program it runs, and orphans of that program's tree, which come to the bot
because it is a child subreaper. It only signals its own children: nobody else gets their pids before it reaps them."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Collection
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """From now on, descendants whose parent ends become children of this process."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """In a fresh child of `parent`: be killed when it ends, even if it has ended already."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Children:
    def __init__(self) -> None:
        self._awaited: set[int] = set()

    def expect(self, pid: int) -> None:
        """Somebody waits for this child: leave its exit status to them until `release`."""
        self._awaited.add(pid)

    def release(self, pid: int) -> None:
        self._awaited.discard(pid)

    def pids(self) -> frozenset[int]:
        """The children there are now, ended ones included."""
        me = os.getpid()
        try:
            listed = Path(f"/proc/{me}/task/{me}/children").read_bytes()
        except OSError:
            return _children_by_scan(me)
        return frozenset(map(int, listed.split()))

    def reap(self) -> None:
        """Take the exit status of orphans that ended (call it at SIGCHLD)."""
        for pid in self.pids() - self._awaited:
            _reap(pid)

    async def kill(self, *, spare: Collection[int] = frozenset(), patience_s: float = 1.0) -> None:
        """SIGKILL every child but `spare`, then the children they leave behind, until none is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while (doomed := self._alive(spare)) and loop.time() < deadline:
            for pid in doomed:
                _kill(pid)
            await asyncio.sleep(0.001)

    def _alive(self, spare: Collection[int]) -> frozenset[int]:
        """Children to kill; those that ended are reaped on the way, or left to whoever awaits them."""
        if not _has_children():
            return frozenset()
        found = self.pids() - frozenset(spare)
        return frozenset(pid for pid in found if not (_ended(pid) if pid in self._awaited else _reap(pid)))


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _ended(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _reap(pid: int) -> bool:
    """Whether the child is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _children_by_scan(parent: int) -> frozenset[int]:
    """For kernels without /proc/PID/task/TID/children."""
    return frozenset(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == parent)


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
