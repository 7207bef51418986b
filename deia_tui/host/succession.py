"""Whose runs are whose, when several hosts live in a hive: those of a living host are its own, those of a dead one
become ours, at once and in turn with others."""

import os
from collections.abc import Callable
from contextlib import suppress

from deia_tui.folder import Folder
from deia_tui.host.custody import RETRY_S, Custody
from deia_tui.host.presence import in_turn
from deia_tui.host.records import Exit, Records, RunRecord
from deia_tui.identity import Identity


class Succession:
    """`on_adopted` and `on_exit` are told what became of each run of a dead host."""

    def __init__(
        self,
        folder: Folder,
        records: Records,
        custody: Custody,
        *,
        on_adopted: Callable[[RunRecord], None],
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._folder = folder
        self._records = records
        self._custody = custody
        self._loop = custody.loop
        self._on_adopted = on_adopted
        self._on_exit = on_exit
        self._watched: dict[Identity, int] = {}
        self.renounced = False

    @property
    def others(self) -> list[int]:
        """The pids of living hosts that had runs when we looked last."""
        return [host.pid for host in self._watched]

    def look(self) -> bool:
        """Take over what the dead have left, and watch the living; False when out of descriptors: tried again later."""
        if self.renounced:
            return True
        try:
            with in_turn(self._folder):
                self._take_over()
        except OSError:
            self._loop.later(RETRY_S, self.look)
            return False
        return True

    def _take_over(self) -> None:
        orphaned: set[str] = set()
        for exit in self._records.read_exits():
            self._on_exit(exit)
            if exit.nonce:
                orphaned.add(exit.nonce)
        running = set()
        for record in self._records.of_others():
            if record.host.lives():
                self._watch(record.host)
                running.add(record.nonce)
            else:
                self._adopt(record)
        running.update(record.nonce for record in self._records.runs.values())
        for nonce in orphaned - running:
            self._custody.sweep(nonce)

    def _adopt(self, record: RunRecord) -> None:
        record = self._records.claim(record)
        self._custody.take_over(record)
        if record.bot_id in self._records.runs:
            self._on_adopted(record)

    def _watch(self, host: Identity) -> None:
        pidfd = None if host in self._watched else host.open()
        if pidfd is not None:
            self._watched[host] = pidfd
            self._loop.watch(pidfd, lambda: self._died(host))

    def _died(self, host: Identity) -> None:
        pidfd = self._watched.pop(host)
        self._loop.unwatch(pidfd)
        with suppress(OSError):
            os.close(pidfd)
        self.look()
