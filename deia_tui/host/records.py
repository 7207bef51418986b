"""What the host knows of runs, in memory and under `.deia/run/bots/`: those that live, and exits nobody has committed.

The files are for the next host; memory is the truth of this one, so a full disk loses nothing while it lives.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from deia_tui import segments
from deia_tui.core.ids import is_bot_id
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
    """A run that lives (wire.py). `output_from` is how long the bot's output log was before it; `host_pid` and
    `host_ticks` tell which host has it."""

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
    host_pid: int = 0
    host_ticks: int = 0

    @property
    def key(self) -> Key:
        return self.bot_id, self.run

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, self.boot_id)

    @property
    def host(self) -> Identity:
        return Identity(self.host_pid, self.host_ticks, self.boot_id)

    def to_line(self) -> Line:
        return _fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: `code` or `signal` (a name), or neither when nobody saw it. `at` is unix seconds; `reason` is
    why the host ended it, or ""."""

    bot_id: str
    run: int
    at: float
    code: int | None
    signal: str | None
    stderr_tail: list[str]
    reason: str = ""
    nonce: str = ""

    @property
    def key(self) -> Key:
        return self.bot_id, self.run

    def to_line(self) -> Line:
        return _fields(self)


class Records:
    """`runs` by bot, since a bot runs at most once; `exits` until they are forgotten."""

    def __init__(self, folder: Folder, host: Identity) -> None:
        self._folder = folder
        self._host = host
        self.runs: dict[str, RunRecord] = {}
        self.exits: dict[Key, Exit] = {}
        self._unsaved: set[Key] = set()

    def remove_halves(self) -> None:
        """What hosts and bots that were killed had not finished writing."""
        for found in (*self._folder.runs.glob(".*.tmp"), *self._folder.run.glob(".host-*.tmp")):
            writer = found.name.split(".")[-2]
            if not Path("/proc", writer).exists():
                _remove(found)

    def read_exits(self) -> list[Exit]:
        """Take over the exits other hosts have left; returns those that were not known yet."""
        found = [exit for exit in _read_all(self._folder.runs, _EXIT_RECORD, Exit) if exit.key not in self.exits]
        self.exits.update((exit.key, exit) for exit in found)
        return found

    def of_others(self) -> list[RunRecord]:
        """The runs on disk that are not ours and have no exit."""
        mine = {record.key for record in self.runs.values()}
        found = _read_all(self._folder.runs, _RUN_RECORD, RunRecord)
        return [record for record in found if record.key not in mine and record.key not in self.exits]

    def begin(self, record: RunRecord) -> RunRecord:
        """A run of ours; raises OSError, and knows nothing of it, when the record cannot be written."""
        record = replace(record, host_pid=self._host.pid, host_ticks=self._host.start_ticks)
        self._write(record)
        self.runs[record.bot_id] = record
        return record

    def claim(self, record: RunRecord) -> RunRecord:
        """A run of a host that has died is ours now, also when the disk is too full to say so."""
        with suppress(OSError):
            return self.begin(record)
        self.runs[record.bot_id] = record
        return record

    def end(self, record: RunRecord, *, code: int | None, signal: str | None, reason: str, at: float = 0.0) -> Exit:
        """The run ended this way, just now if `at` is not given."""
        exit = Exit(
            bot_id=record.bot_id,
            run=record.run,
            at=at or time.time(),
            code=code,
            signal=signal,
            stderr_tail=_tail(self._folder.output_log(record.bot_id), record),
            reason=reason,
            nonce=record.nonce,
        )
        if self.runs.get(record.bot_id) == record:
            del self.runs[record.bot_id]
        self.exits[exit.key] = exit
        self._save(exit)
        return exit

    def end_unseen(self, record: RunRecord, *, reason: str) -> Exit:
        """The run ended, but not as our child: only the bot itself can have left word how."""
        own = _read(self._folder.own_exit_record(*record.key)) or {}
        code = own["code"] if isinstance(own.get("code"), int) else None
        at = own["at"] if isinstance(own.get("at"), float) else 0.0
        return self.end(record, code=code, signal=None, reason=reason if code is None else "", at=at)

    def forget(self, key: Key) -> None:
        """Also an exit whose host has ended since it told of it."""
        bot_id, run = key
        if not is_bot_id(bot_id) or (bot_id in self.runs and self.runs[bot_id].run == run):
            return
        if self.exits.pop(key, None) is not None:
            _remove(self._folder.run_record(*key))
        _remove(self._folder.exit_record(*key))
        _remove(self._folder.own_exit_record(*key))

    def save(self) -> None:
        """Write what could not be written when it happened."""
        for key in list(self._unsaved & self.exits.keys()):
            self._save(self.exits[key])

    def restore(self) -> None:
        """Write what was deleted since it was written."""
        for exit in self.exits.values():
            if not self._folder.exit_record(*exit.key).exists():
                self._save(exit)
        for record in self.runs.values():
            if not self._folder.run_record(*record.key).exists():
                with suppress(OSError):
                    self._write(record)

    def _write(self, record: RunRecord) -> None:
        write_atomic(self._folder.run_record(*record.key), _json(record), sync=False)

    def _save(self, exit: Exit) -> None:
        try:
            write_atomic(self._folder.exit_record(*exit.key), _json(exit), sync=False)
        except OSError:
            self._unsaved.add(exit.key)
            return  # the run record stays and tells the next host that there was a run
        self._unsaved.discard(exit.key)
        _remove(self._folder.run_record(*exit.key))


def _fields(record: "RunRecord | Exit") -> Line:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _json(record: RunRecord | Exit) -> bytes:
    return json.dumps(record.to_line(), separators=(",", ":")).encode()


def _read_all(folder: Path, name: re.Pattern[str], kind: type[_Record]) -> Iterator[_Record]:
    """What hosts of any version wrote: fields that are not known here are passed over."""
    known = {field.name for field in fields(kind)}
    for path in sorted(folder.iterdir()):
        line = _read(path) if name.fullmatch(path.name) else None
        if line is not None:
            try:
                record = kind(**{name: value for name, value in line.items() if name in known})
                if path.name.startswith(f"{record.bot_id}.{record.run}.") and _is_sound(record):
                    yield record
            except TypeError:  # not written by a host
                continue


def _is_sound(record: RunRecord | Exit) -> bool:
    """Nothing in it that nobody could act on."""
    if isinstance(record, Exit):
        return isinstance(record.nonce, str)
    numbers = (record.pid, record.start_ticks, record.host_pid, record.host_ticks)
    return all(type(number) is int for number in numbers) and isinstance(record.nonce, str)


def _read(path: Path) -> Line | None:
    try:
        line = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return line if isinstance(line, dict) else None


def _tail(log: Path, record: RunRecord) -> list[str]:
    """The last lines of this run, also where the bot has set its log aside meanwhile."""
    try:
        end = segments.last_bytes(log, TAIL_BYTES, offset=record.output_from, since=record.started_at)
    except OSError:
        return []
    return end.decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
