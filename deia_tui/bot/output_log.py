"""The bot's stdout and stderr: what its agent writes and what it has to say itself, in a file that stays small."""

import os
from contextlib import suppress
from pathlib import Path

_LIMIT = 32 * 1024 * 1024


class OutputLog:
    """Writes to fd 2. Where that is the file `path`, it is set aside as `….1` when it grew past the limit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._rotates = False
        with suppress(OSError):
            now, named = os.fstat(2), path.stat()
            self._rotates = os.path.samestat(now, named)
            self._size = now.st_size

    def write(self, text: str) -> None:
        """Never fails: where a log cannot be written, the bot goes on without."""
        data = text.encode("utf-8", "backslashreplace")
        with suppress(OSError):
            if self._rotates and self._size + len(data) > _LIMIT:
                self._rotate()
            self._size += os.write(2, data)

    def line(self, text: str) -> None:
        self.write(text + "\n")

    def _rotate(self) -> None:
        self._size = 0
        os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
