"""The bot's stdout and stderr: what its agent writes and what it has to say itself, without secrets, in a file that it
keeps small by itself."""

import io
import os
from contextlib import suppress
from pathlib import Path

from deia_tui import segments
from deia_tui.core.redact import redact_text

SHARE = 80_000_000
"""Bytes of all segments together; the rest of a bot's 100 MB is for its journals (store/journal.py)."""


class OutputLog(io.TextIOBase):
    """Writes to fd 2. Where that is the file `path`, it is set aside when it is full, between two lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._in_line = False
        self._torn = False
        """A full disk took half a line: the next one starts afresh."""
        self._rotates = False
        with suppress(OSError):
            now, named = os.fstat(2), path.stat()
            self._rotates = os.path.samestat(now, named)
            self._size = now.st_size
            self._in_line = self._rotates and bool(self._size) and _last_byte(path) != b"\n"

    def relay(self, data: bytes) -> None:
        """What the agent wrote, without its secrets. Never fails: where a log cannot be written, the bot goes on
        without."""
        if self._rotates and self._size + len(data) > segments.full_at(SHARE):
            rest_of_line = data.find(b"\n") + 1 if self._in_line else 0
            self._write(data[:rest_of_line])
            data = data[rest_of_line:]
            self._rotate()
        self._write(data)

    def line(self, text: str) -> None:
        self.begin_line()
        self.write(text + "\n")

    def begin_line(self) -> None:
        """End the line that is written, if it has begun."""
        if self._in_line:
            self.relay(b"\n")

    def write(self, text: str) -> int:
        """As `sys.stderr`, for what Python itself has to say."""
        self.relay(redact_text(text).encode("utf-8", "backslashreplace"))
        return len(text)

    def _write(self, data: bytes) -> None:
        if not data:
            return
        data = b"\n" * self._torn + data
        written = 0
        with suppress(OSError):
            written = os.write(2, data)
            self._size += written
            self._in_line = not data[:written].endswith(b"\n")
        self._torn = self._in_line and written < len(data)

    def _rotate(self) -> None:
        """Where the disk does not allow it, the log grows on."""
        self._size = 0
        with suppress(OSError):
            segments.set_aside(self._path, SHARE)
        with suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            os.close(fd)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
