"""Appends the lines that events stand for to the files in bot-logs/, in a thread of its own, and never half a line.

A line that cannot be written (a full disk) is kept and tried again with the next one of the same file. A full file is
set aside here; the output logs are set aside by their bots, and what either set aside is gzipped here (segments.py).
"""

import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from typing import Any

from deia_tui import segments
from deia_tui.core import journal
from deia_tui.core.chronicle import Chronicle
from deia_tui.core.client import Recorded
from deia_tui.core.journal import Line, Sample
from deia_tui.core.metrics import Metrics, Window
from deia_tui.core.state import BotView, HiveState
from deia_tui.folder import Folder
from deia_tui.store.owed import owed

KEPT_LINES = 1000
"""How many unwritten lines of one file are kept; the oldest go first."""
QUEUED = 10_000
"""How many additions wait for the thread; what comes when a disk hangs that long is left out, and that is reported."""
BATCH = 250
"""Additions written in one go: an event has at most one line for a file, so this must stay below KEPT_LINES."""
RESOURCES_EVERY_S = 60.0
METRICS_EVERY_S = 300.0
TIDY_EVERY_S = 30.0
"""How often what was set aside is gzipped."""
SHARES = {"activity": 10_000_000, "errors": 6_000_000, "resources": 4_000_000}
"""Bytes of all segments together of a bot's journals; the rest of its 100 MB is for its output log."""
HIVE_SHARE = 100_000_000
"""The same of each journal of the whole hive."""
CLOSE_TIMEOUT_S = 5.0


class Journal:
    """For one event loop. `on_problem` may be called from the journal's thread, once for each spell of trouble, and at
    its end with ""."""

    def __init__(
        self, folder: Folder, *, state: HiveState, registry_version: int, on_problem: Callable[[str], None]
    ) -> None:
        self._chronicle = Chronicle(state, registry_version=registry_version)
        self.metrics = Metrics(time.time())
        self._metrics_at = 0.0
        self._resources_at = 0.0
        self._queue: Queue[list[Line] | None] = Queue(QUEUED)
        self._on_problem = on_problem
        self._overrun = False
        self._folder = folder.logs
        self._files = _Files(folder.logs, on_problem)
        # A daemon: a file system that hangs must not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def registry_version(self) -> int:
        return self._chronicle.registry_version

    def add(self, recorded: Iterable[Recorded]) -> None:
        """What was committed, in order. Returns at once."""
        for entry in recorded:
            self.metrics.add(entry.event)
            self._put(self._chronicle.lines(entry.event))

    def catch_up(self, recorded: Sequence[Recorded]) -> None:
        """Before anything is added: the newest that was committed, of which lines may be owed."""
        counted = sum(journal.registry_action(entry.event) is not None for entry in recorded)
        chronicle = Chronicle(HiveState(), registry_version=self.registry_version - counted)
        self._put(owed(self._folder, [line for entry in recorded for line in chronicle.lines(entry.event)]))

    def add_samples(
        self, at: float, bots: Mapping[str, BotView], samples: Mapping[str, Sample], *, total_memory_mb: float
    ) -> list[Window]:
        """Telemetry of one second; the first of each minute is kept, and metrics every five, whose windows are
        returned. Returns at once."""
        if at - self._resources_at >= RESOURCES_EVERY_S or at < self._resources_at:
            self._resources_at = at
            self._put(journal.resources(at, bots, samples, total_memory_mb))
        windows: list[Window] = []
        if at - self._metrics_at >= METRICS_EVERY_S or at < self._metrics_at:
            if self._metrics_at:
                lines, windows = self.metrics.close(at, bots)
                self._put(lines)
            self._metrics_at = at
        return windows

    def close(self) -> None:
        """Write what waits."""
        try:
            self._queue.put(None, timeout=CLOSE_TIMEOUT_S)
        except Full:
            return
        self._thread.join(CLOSE_TIMEOUT_S)

    def _put(self, lines: list[Line]) -> None:
        if not lines:
            return
        try:
            self._queue.put_nowait(lines)
            # Only a queue that has emptied ends the trouble, or it would be reported again and again.
            if self._overrun and self._queue.qsize() <= QUEUED // 2:
                self._on_problem("")
                self._overrun = False
        except Full:
            if not self._overrun:
                self._on_problem("The disk does not take log lines fast enough: some are left out.")
            self._overrun = True

    def _run(self) -> None:
        closing = False
        tidy_at = time.monotonic() + TIDY_EVERY_S
        while not closing:
            waiting = [self._queue.get()]
            waiting += [self._queue.get() for _ in range(min(self._queue.qsize(), BATCH))]
            self._files.append(line for lines in waiting if lines is not None for line in lines)
            closing = None in waiting
            if not closing and time.monotonic() >= tidy_at:
                tidy(self._folder)
                tidy_at = time.monotonic() + TIDY_EVERY_S
        self._files.append(())  # a last try for what was kept


class _Files:
    """The files of one folder and what could not be written to them yet."""

    def __init__(self, folder: Path, on_problem: Callable[[str], None]) -> None:
        self._folder = folder
        self._on_problem = on_problem
        self._unwritten: dict[str, deque[bytes]] = {}
        self._failing = False

    def append(self, lines: Iterable[Line]) -> None:
        for file, row in lines:
            self._unwritten.setdefault(file, deque(maxlen=KEPT_LINES)).append(_encode(row))
        problem = ""
        for file, waiting in list(self._unwritten.items()):
            try:
                size = _append(self._folder / file, waiting)
                del self._unwritten[file]
                self._set_aside(file, size)
            except OSError as error:
                problem = f"Cannot write {self._folder / file} ({error.strerror or error})."
        if bool(problem) != self._failing:
            self._on_problem(problem)
        self._failing = bool(problem)

    def _set_aside(self, file: str, size: int) -> None:
        """A log that cannot be set aside grows on, and the next line tries again."""
        share = share_of(file)
        if size >= segments.full_at(share):
            with suppress(OSError):
                segments.set_aside(self._folder / file, share)


def share_of(file: str) -> int:
    """How many bytes all segments of this journal may take."""
    kind = re.fullmatch(r".+-(activity|errors|resources)\.jsonl", file)
    return SHARES[kind[1]] if kind else HIVE_SHARE


def tidy(logs: Path) -> None:
    """Gzip what was set aside; of the daily metrics, drop the days for which there is no room. It can wait for another
    time: a disk that refuses is reported where something is lost by it."""
    with suppress(OSError):
        names = os.listdir(logs)
        for log in {name.rpartition(".")[0] for name in names if re.fullmatch(r".+\.\d{6,}", name)}:
            segments.compress(logs / log)
        room = HIVE_SHARE
        for day in sorted((name for name in names if re.fullmatch(r"metrics-[\d-]+\.jsonl", name)), reverse=True):
            room -= (logs / day).stat().st_size
            if room < 0:
                (logs / day).unlink()


def _encode(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _append(path: Path, waiting: deque[bytes]) -> int:
    """One write per line; what was written leaves `waiting`. Returns the size of the file."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while waiting:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            line = b"\n" * torn + waiting[0]
            if os.write(fd, line) < len(line):
                os.ftruncate(fd, size)
                raise OSError(28, os.strerror(28))
            waiting.popleft()
        return os.fstat(fd).st_size
    finally:
        os.close(fd)
