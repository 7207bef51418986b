"""The processes in the host's care: sees every end, and sees to it that nothing of a run survives it.

Rule one: a child of the host that is no bot of its own is a leftover, and dies. Since every bot is below the host and
orphans are handed up to it, that alone ends whole trees, daemons with an empty environment included. Bots of a former
host are watched by pidfd, and hunted where their own parent would have to reap; what is below them is looked at every
second, since nobody hands us what they leave.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from deia_tui.host.hunt import PAUSE_S, Hunt
from deia_tui.host.loop import Loop
from deia_tui.host.processes import by_parent, descendants, my_children
from deia_tui.host.records import Exit, Records, RunRecord
from deia_tui.identity import Identity

RETRY_S = 1.0
LOOK_S = 1.0


class Custody:
    """`on_exit` is told how each run ended; `on_rest` is called whenever there may be less to care for."""

    def __init__(self, records: Records, *, on_exit: Callable[[Exit], None], on_rest: Callable[[], None]) -> None:
        self._records = records
        self._on_exit = on_exit
        self._on_rest = on_rest
        self._own: dict[int, RunRecord] = {}
        self._adopted: dict[str, int] = {}
        self._below: dict[str, frozenset[Identity]] = {}
        self._leftovers: list[int] = []
        self._hunt = Hunt()
        self.loop = Loop(self._reap)

    def __bool__(self) -> bool:
        return bool(self._records.runs or self._leftovers or self._hunt)

    def take(self, record: RunRecord) -> None:
        """A child of ours."""
        self._own[record.pid] = record

    def take_over(self, record: RunRecord) -> None:
        """A run of a former host: adopt it, or note that it has ended."""
        pidfd = record.identity.open()
        if pidfd is None:
            self._records.end_unseen(record)
            self._hunt_down(record)
            return
        self._records.adopt(record)
        self._adopted[record.bot_id] = pidfd
        self.loop.watch(pidfd, lambda: self._adopted_ended(record))
        if len(self._adopted) == 1:
            self.loop.later(0, self._look_below)

    def send(self, record: RunRecord, signum: signal.Signals) -> None:
        """To the bot itself. A child keeps its pid until we reap it; of an adopted bot we hold a pidfd."""
        with suppress(OSError):
            if record.pid in self._own:
                os.kill(record.pid, signum)
            else:
                signal.pidfd_send_signal(self._adopted[record.bot_id], signum)

    def kill(self, record: RunRecord) -> None:
        """SIGKILL to everything of the run; its exit follows."""
        if record.pid in self._own:
            self.send(record, signal.SIGKILL)
        else:
            self._hunt_down(record)

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
            self._on_exit(self._records.end(record, *_code_or_signal(exitcode)))
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

    def _look_below(self) -> None:
        """Remember the processes of adopted bots, for the day they die alone."""
        with suppress(OSError):  # out of descriptors
            tree = by_parent() if self._adopted else {}
            for bot_id in self._adopted:
                below = descendants(tree, self._records.runs[bot_id].pid)
                self._below[bot_id] = frozenset(process.identity for process in below)
        if self._adopted:
            self.loop.later(LOOK_S, self._look_below)

    def _adopted_ended(self, record: RunRecord) -> None:
        pidfd = self._adopted.pop(record.bot_id)
        self.loop.unwatch(pidfd)
        os.close(pidfd)
        self._hunt_down(record, self._below.pop(record.bot_id, frozenset()))
        self._on_exit(self._records.end_unseen(record))
        self._on_rest()

    def _hunt_down(self, record: RunRecord, below: frozenset[Identity] = frozenset()) -> None:
        hunting = bool(self._hunt)
        self._hunt.begin(record, below)
        if not hunting:
            self._hunt_on()

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
