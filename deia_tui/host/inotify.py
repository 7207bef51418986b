"""Tells that something was deleted from a folder, at no cost while nothing is."""

import ctypes
import os
from pathlib import Path

_IN_DELETE, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x200, 0x400, 0x800
_libc = ctypes.CDLL(None, use_errno=True)


class Deletions:
    """`fd` can be read once something is gone from a folder that is watched. Raises OSError where nobody can watch."""

    def __init__(self) -> None:
        self.fd: int = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, folder: Path) -> None:
        """Watching twice is watching once; a folder that was made anew must be watched anew."""
        _checked(_libc.inotify_add_watch(self.fd, os.fsencode(folder), _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF))

    def drain(self) -> None:
        try:
            while os.read(self.fd, 1 << 16):
                pass
        except BlockingIOError:
            return


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
