"""One supervisor per hive: a lock on `.deia/run/lock` that dies with its holder and names it."""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder


@dataclass(frozen=True, slots=True)
class Holder:
    """Who supervises a hive. `mode` is console, background or serve."""

    pid: int
    mode: str


class HiveTaken(ConfigError):
    """Another supervisor has this hive."""

    def __init__(self, folder: Folder, holder: Holder) -> None:
        super().__init__(
            f"Another supervisor (pid {holder.pid}, {holder.mode}) has the hive {folder.root}: "
            "use it with 'deia-tui status', or end it with 'deia-tui shutdown --leave-bots' and try again."
        )
        self.holder = holder


class HiveLock:
    """Held while the context is entered. Raises HiveTaken when somebody else holds it."""

    def __init__(self, folder: Folder, mode: str) -> None:
        self._folder = folder
        self._mode = mode
        self._fd = -1

    def __enter__(self) -> Self:
        path = self._folder.run / "lock"
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(fd)
                os.close(fd)
                raise HiveTaken(self._folder, holder) from None
            if _same_file(fd, str(path)):
                break
            os.close(fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "mode": self._mode}).encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def _read(fd: int) -> Holder:
    with contextlib.suppress(ValueError, KeyError):
        found = json.loads(os.pread(fd, 4096, 0))
        return Holder(int(found["pid"]), str(found["mode"]))
    return Holder(0, "just starting")


def _same_file(fd: int, path: str) -> bool:
    """A deleted lock file lets a second holder in: is the locked one still the one at its path?"""
    try:
        here, there = os.fstat(fd), os.stat(path)
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
