"""What was last seen below each bot, kept in `.deia/run/host-PID.below.json` for the host after this one.

A daemon that emptied its environment carries no nonce, but wears the brand of its run (brand.py), where brands can be
given. Where they cannot, this file alone tells whose it is once its bot and this host have died together. It is written
when a look at /proc (at most one a second, looks.py) finds another set than before.
"""

import json
import re
from collections.abc import Collection, Container, Iterator, Mapping, Set
from pathlib import Path

from deia_tui.folder import Folder, write_atomic
from deia_tui.identity import Identity, boot_id

_NAME = re.compile(r"host-\d+\.below\.json", re.ASCII)

Below = Mapping[str, frozenset[Identity]]
"""Processes by the nonce of the run they belong to; a run without any is left out."""


class LastSeen:
    """The memory of the host `me`."""

    def __init__(self, folder: Folder, me: Identity) -> None:
        self._folder = folder
        self._me = me
        self._file = folder.run / f"host-{me.pid}.below.json"
        self._seen: Below = {}
        self._written: Below = {}

    def nonces(self) -> Set[str]:
        return self._seen.keys()

    def of(self, nonce: str) -> frozenset[Identity]:
        return self._seen.get(nonce, frozenset())

    def left(self, running: Collection[str], alive: Container[Identity]) -> Below:
        """What is still `alive` of runs that are not `running` any more."""
        gone = {nonce: processes for nonce, processes in self._seen.items() if nonce not in running}
        still = {nonce: frozenset(p for p in processes if p in alive) for nonce, processes in gone.items()}
        return {nonce: processes for nonce, processes in still.items() if processes}

    def note(self, seen: Below) -> None:
        """This is below the bots now. A full disk is tried again at the next look."""
        self._seen = seen
        if seen != self._written:
            try:
                self._write()
            except OSError:
                return
            self._written = seen

    def save(self) -> None:
        """The file was deleted, perhaps. Raises OSError."""
        if self._seen and not self._file.exists():
            self._write()

    def inherit(self) -> list[str]:
        """Know what hosts that died have seen; the nonces of their runs. Call it `in_turn`; raises OSError."""
        inherited = []
        for path, host, seen in _read_all(self._folder.run):
            if host == self._me or host.lives():
                continue
            inherited += list(seen)
            merged = {nonce: self.of(nonce) | seen.get(nonce, frozenset()) for nonce in {**self._seen, **seen}}
            self.note(merged)
            if self._written == merged and (path != self._file or not merged):  # now our own file tells of them
                path.unlink(missing_ok=True)
        return inherited

    def _write(self) -> None:
        if not self._seen:
            self._file.unlink(missing_ok=True)
            return
        below = {nonce: sorted([p.pid, p.start_ticks] for p in processes) for nonce, processes in self._seen.items()}
        me = [self._me.pid, self._me.start_ticks]
        line = {"boot_id": self._me.boot_id, "host": me, "below": below}
        write_atomic(self._file, json.dumps(line, separators=(",", ":")).encode(), sync=False)


def _read_all(run: Path) -> Iterator[tuple[Path, Identity, Below]]:
    for path in sorted(run.iterdir()):
        if not _NAME.fullmatch(path.name):
            continue
        try:
            line = json.loads(path.read_bytes())
            boot = line["boot_id"]
            host_pid, host_ticks = line["host"]
            below = {
                nonce: frozenset(Identity(pid, ticks, boot) for pid, ticks in processes)
                for nonce, processes in line["below"].items()
            }
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):  # not written by a host
            continue
        yield path, Identity(host_pid, host_ticks, boot), below if boot == boot_id() else {}
