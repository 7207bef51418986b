"""What was done to the hive and when, in the order in which it was done: the first thing to read after a failure."""

import threading
import time
from datetime import datetime
from pathlib import Path


class Chronicle:
    """May be written by several threads; every line is on disk at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._lines: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def note(self, who: str, what: str) -> None:
        with self._lock:
            at, line = time.time(), f"{who}: {what}"
            self._lines.append((at, line))
            self._file.write(clock(at) + " " + line + "\n")

    def between(self, first: float, last: float) -> list[tuple[float, str]]:
        """The lines of that time (unix seconds)."""
        with self._lock:
            return [line for line in self._lines if first <= line[0] <= last]

    def close(self) -> None:
        self._file.close()


def clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
