"""One supervisor per hive: a lock on `.deia/run/lock` that dies with its holder and names it.

The name is only for people and for `succession`: who holds the flock supervises, whatever the file says.
"""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.identity import Identity, identify

STARTING = "just starting"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who supervises a hive. `mode` is console, background or serve; STARTING while it has not said who it is."""

    process: Identity | None
    mode: str

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def has_screen(self) -> bool:
        return self.mode == "console"

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.mode}" if self.process else self.mode


class HiveTaken(ConfigError):
    """Another supervisor has this hive."""

    def __init__(self, folder: Folder, holder: Holder) -> None:
        super().__init__(
            f"Another supervisor ({holder}) has the hive {folder.root}: use it with 'deia-tui status', "
            "or take it over with --take-over; its bots live on."
        )
        self.holder = holder


class HiveLock:
    """Held while the context is entered, which takes it unless `take` did. Raises HiveTaken if somebody else has it."""

    def __init__(self, folder: Folder, mode: str) -> None:
        self._folder = folder
        self._mode = mode
        self._fd = -1

    def __enter__(self) -> Self:
        if self._fd < 0:
            self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def take(self) -> None:
        """Hold it from now on. Raises HiveTaken."""
        self._fd = self._lock_file()
        self.say(self._mode)

    def release(self) -> None:
        """Another supervisor may begin now."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.ftruncate(fd, 0)
            os.close(fd)

    def say(self, mode: str) -> None:
        """Note in the lock file who we are, and that we supervise in this `mode` from now on."""
        self._mode = mode
        us = identify(os.getpid())
        assert us is not None
        note = json.dumps({"pid": us.pid, "mode": mode, "start_ticks": us.start_ticks, "boot_id": us.boot_id}).encode()
        os.pwrite(self._fd, note, 0)
        os.ftruncate(self._fd, len(note))

    def still_held(self) -> bool:
        """Is the file we locked still the one another supervisor would try to lock?"""
        return _same_file(self._fd, self._path)

    def renew(self) -> None:
        """Lock the hive anew after somebody deleted the lock file. Raises HiveTaken if another supervisor was quicker.

        ConfigError: it cannot be made, since the folder is gone as well.
        """
        try:
            fd = self._lock_file()
        except OSError as error:
            raise ConfigError(f"Cannot lock {self._path} any more ({error.strerror}): was .deia deleted?") from error
        os.close(self._fd)
        self._fd = fd
        self.say(self._mode)

    @property
    def _path(self) -> Path:
        return self._folder.run / "lock"

    def _lock_file(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(fd)
                os.close(fd)
                raise HiveTaken(self._folder, holder) from None
            if _same_file(fd, self._path):
                return fd
            os.close(fd)


def _read(fd: int) -> Holder:
    mode = STARTING
    with contextlib.suppress(ValueError, KeyError, TypeError):
        found = json.loads(os.pread(fd, 4096, 0))
        mode = str(found["mode"])
        return Holder(Identity(int(found["pid"]), int(found["start_ticks"]), str(found["boot_id"])), mode)
    return Holder(None, mode)


def _same_file(fd: int, path: Path) -> bool:
    """A deleted lock file lets a second holder in: is the locked one still the one at its path?"""
    try:
        here, there = os.fstat(fd), os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
