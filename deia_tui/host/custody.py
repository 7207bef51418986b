"""The processes in the host's care: sees every end, and sees to it that nothing of a run survives it.

Rule one: a child of the host that is no bot of its own is a leftover, and dies. Since every bot is below the host and
orphans are handed up to it, that alone ends whole trees, daemons with an empty environment included. Rule two: of bots
of a former host nobody hands us what they leave. They are watched by pidfd, and what they leave is hunted by the nonce
of their run and by its brand (brand.py).
"""

import errno
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress

from deia_tui.host.hunt import PAUSE_S, Hunt
from deia_tui.host.loop import Loop
from deia_tui.host.processes import my_children
from deia_tui.host.records import Exit, Key, Records, RunRecord
from deia_tui.identity import Identity, boot_id

RETRY_S = 1.0
RESERVE = 16
"""So many descriptors are left to clients and to looks at /proc, however many bots are adopted."""


class Custody:
    """`on_exit` is told how each run ended; `on_rest` is called whenever there may be less to care for."""

    def __init__(self, records: Records, *, on_exit: Callable[[Exit], None], on_rest: Callable[[], None]) -> None:
        self._records = records
        self._on_exit = on_exit
        self._on_rest = on_rest
        self._own: dict[int, RunRecord] = {}
        self._adopted: dict[Key, int] = {}
        self._reasons: dict[Key, str] = {}
        self._leftovers: list[int] = []
        self._hunt = Hunt()
        self.loop = Loop(self._reap)

    def __bool__(self) -> bool:
        return bool(self._records.runs or self._leftovers or self._hunt)

    def take(self, record: RunRecord) -> None:
        """A child of ours."""
        self._own[record.pid] = record

    def take_over(self, record: RunRecord) -> None:
        """A run of a former host that is ours now (in `records.runs`): watch it, or note that it has ended."""
        try:
            pidfd = record.identity.open()
            if pidfd is not None and pidfd >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE:
                os.close(pidfd)
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        except OSError:  # it is looked at again and again until there is a descriptor to watch it by
            self.loop.later(RETRY_S, lambda: self.take_over(record))
            return
        if pidfd is None:
            self._adopted_ended(record)
        else:
            self._adopted[record.key] = pidfd
            self.loop.watch(pidfd, lambda: self._adopted_ended(record))

    def sweep(self, nonce: str) -> None:
        """A run that has ended under a former host: nothing of it may be left."""
        self._hunt_down(nonce, None)

    def send(self, record: RunRecord, signum: signal.Signals) -> None:
        """To the bot itself; one that is stopped is woken to hear a SIGTERM."""
        self._send(record, signum)
        if signum is signal.SIGTERM:
            self._send(record, signal.SIGCONT)

    def kill(self, record: RunRecord, reason: str = "") -> None:
        """SIGKILL to everything of the run; its exit follows, and tells `reason`."""
        if reason:
            self._reasons[record.key] = reason
        if self._is_child(record):
            self._send(record, signal.SIGKILL)
        else:
            self._hunt_down(record.nonce, record.identity)

    def _send(self, record: RunRecord, signum: signal.Signals) -> None:
        """A child keeps its pid until we reap it; of an adopted bot we hold a pidfd."""
        with suppress(OSError):
            if self._is_child(record):
                os.kill(record.pid, signum)
            elif record.key in self._adopted:
                signal.pidfd_send_signal(self._adopted[record.key], signum)
            else:
                record.identity.send(signum)

    def _is_child(self, record: RunRecord) -> bool:
        return self._own.get(record.pid) is record

    def _reap(self) -> None:
        """Children have ended: first their orphans die, then their exits are told."""
        ended: list[tuple[RunRecord, int]] = []
        while (child := _next_zombie()) is not None:
            pid, status = child
            record = self._own.pop(pid, None)
            if record is not None:
                ended.append((record, os.waitstatus_to_exitcode(status)))
        self._kill_leftovers()
        for record, exitcode in ended:
            code, name = _code_or_signal(exitcode)
            reason = self._reasons.pop(record.key, "")
            self._on_exit(self._records.end(record, code=code, signal=name, reason=reason if code is None else ""))
        self._on_rest()

    def _kill_leftovers(self) -> None:
        """Rule one. The death of a leftover wakes us again, and shows us its own orphans."""
        try:
            self._leftovers = [pid for pid in my_children() if pid not in self._own]
        except OSError:  # out of descriptors
            self.loop.later(RETRY_S, self._kill_leftovers)
            return
        for pid in self._leftovers:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _adopted_ended(self, record: RunRecord) -> None:
        pidfd = self._adopted.pop(record.key, None)
        if pidfd is not None:
            self.loop.unwatch(pidfd)
            os.close(pidfd)
        if record.boot_id == boot_id():
            self._hunt_down(record.nonce, None)
        self._on_exit(self._records.end_unseen(record, reason=self._reasons.pop(record.key, "")))
        self._on_rest()

    def _hunt_down(self, nonce: str, bot: Identity | None) -> None:
        hunting = bool(self._hunt)
        self._hunt.begin(nonce, bot)
        if not hunting:
            self.loop.later(0, self._hunt_on)

    def _hunt_on(self) -> None:
        with suppress(OSError):  # out of descriptors
            self._hunt.round()
        if self._hunt:
            self.loop.later(PAUSE_S, self._hunt_on)
        else:
            self._on_rest()


def _next_zombie() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _code_or_signal(exitcode: int) -> tuple[int | None, str | None]:
    if exitcode >= 0:
        return exitcode, None
    try:
        return None, signal.Signals(-exitcode).name
    except ValueError:
        return None, f"signal {-exitcode}"
