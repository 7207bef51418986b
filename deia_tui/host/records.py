"""What the host knows of runs, in memory and under `.deia/run/bots/`: those that live, and exits nobody has committed.

The files are for the next host; memory is the truth of this one, so a full disk loses nothing while it lives.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from deia_tui.folder import Folder, write_atomic
from deia_tui.host.wire import Line
from deia_tui.identity import Identity

TAIL_LINES = 20
TAIL_BYTES = 4096

_RUN_RECORD = re.compile(r"[\w-]+\.\d+\.json", re.ASCII)
_EXIT_RECORD = re.compile(r"[\w-]+\.\d+\.exit\.json", re.ASCII)

_Record = TypeVar("_Record", "RunRecord", "Exit")

Key = tuple[str, int]
"""bot_id, run"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run that lives (wire.py). `output_from` is how long the bot's output log was before it."""

    bot_id: str
    run: int
    nonce: str
    token: str
    pid: int
    start_ticks: int
    boot_id: str
    port: int
    started_at: float
    spec: dict[str, Any]
    output_from: int = 0

    @property
    def key(self) -> Key:
        return self.bot_id, self.run

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, self.boot_id)

    def to_line(self) -> Line:
        return _fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: `code` or `signal` (a name), or neither when nobody saw it. `at` is unix seconds."""

    bot_id: str
    run: int
    at: float
    code: int | None
    signal: str | None
    stderr_tail: list[str]

    @property
    def key(self) -> Key:
        return self.bot_id, self.run

    def to_line(self) -> Line:
        return _fields(self)


class Records:
    """`runs` by bot, since a bot runs at most once; `exits` until they are forgotten."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.runs: dict[str, RunRecord] = {}
        self.exits: dict[Key, Exit] = {}

    def read(self) -> list[RunRecord]:
        """Take over the exits a former host left; returns the runs it has not seen ending."""
        for found in self._folder.runs.glob(".*.tmp"):
            _remove(found)
        for exit in _read_all(self._folder.runs, _EXIT_RECORD, Exit):
            self.exits[exit.key] = exit
        return [
            record for record in _read_all(self._folder.runs, _RUN_RECORD, RunRecord) if record.key not in self.exits
        ]

    def begin(self, record: RunRecord) -> None:
        """Raises OSError, and knows nothing of the run, when the record cannot be written."""
        write_atomic(self._folder.run_record(*record.key), _json(record), sync=False)
        self.adopt(record)

    def adopt(self, record: RunRecord) -> None:
        """A run with a record on disk lives."""
        self.runs[record.bot_id] = record

    def end(self, record: RunRecord, code: int | None, signal: str | None, at: float | None = None) -> Exit:
        """The run ended this way, just now if `at` is not given."""
        tail = _tail(self._folder.output_log(record.bot_id), record.output_from)
        exit = Exit(
            bot_id=record.bot_id, run=record.run, at=at or time.time(), code=code, signal=signal, stderr_tail=tail
        )
        if self.runs.get(record.bot_id) == record:
            del self.runs[record.bot_id]
        self.exits[exit.key] = exit
        self._save(exit)
        return exit

    def end_unseen(self, record: RunRecord) -> Exit:
        """The run ended, but not as our child: only the bot itself can have left word how."""
        own = _read(self._folder.own_exit_record(*record.key)) or {}
        code, at = own.get("code"), own.get("at")
        return self.end(record, code if isinstance(code, int) else None, None, at if isinstance(at, float) else None)

    def forget(self, key: Key) -> None:
        if self.exits.pop(key, None) is not None:
            _remove(self._folder.run_record(*key))
            _remove(self._folder.exit_record(*key))
            _remove(self._folder.own_exit_record(*key))

    def save(self) -> None:
        """Write what could not be written when it happened."""
        for exit in self.exits.values():
            if not self._folder.exit_record(*exit.key).exists():
                self._save(exit)

    def _save(self, exit: Exit) -> None:
        try:
            write_atomic(self._folder.exit_record(*exit.key), _json(exit), sync=False)
        except OSError:
            return  # the run record stays and tells the next host that there was a run
        _remove(self._folder.run_record(*exit.key))


def _fields(record: "RunRecord | Exit") -> Line:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _json(record: RunRecord | Exit) -> bytes:
    return json.dumps(record.to_line(), separators=(",", ":")).encode()


def _read_all(folder: Path, name: re.Pattern[str], kind: Callable[..., _Record]) -> Iterator[_Record]:
    for path in sorted(folder.iterdir()):
        line = _read(path) if name.fullmatch(path.name) else None
        if line is not None:
            try:
                yield kind(**line)
            except TypeError:  # not written by a host
                continue


def _read(path: Path) -> Line | None:
    try:
        line = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return line if isinstance(line, dict) else None


def _tail(log: Path, since: int) -> list[str]:
    """The last lines written after the first `since` bytes (after byte 0 where the log has been rotated)."""
    try:
        with log.open("rb") as output:
            size = output.seek(0, os.SEEK_END)
            since = since if since <= size else 0
            output.seek(max(since, size - TAIL_BYTES))
            text = output.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-TAIL_LINES:]
