"""Which files somebody has open for writing, by all of /proc: for file systems whose kernel cannot be asked that."""

import os
from collections.abc import Iterator


def open_for_writing() -> frozenset[tuple[int, int]]:
    """(device, inode) of every file that a process we may look at has open for writing."""
    return frozenset(_written())


def _written() -> Iterator[tuple[int, int]]:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue  # it has ended, or is somebody else's
        for number in descriptors:
            try:
                if os.stat(f"/proc/{pid}/fd/{number}", follow_symlinks=False).st_mode & 0o200:
                    info = os.stat(f"/proc/{pid}/fd/{number}")
                    yield info.st_dev, info.st_ino
            except OSError:
                continue  # closed meanwhile
