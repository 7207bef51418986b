"""What a program has written and the bot has not relayed yet: the beginning in memory, what comes faster than it can be
relayed in a file without a name. Whoever writes waits only when both are full, or when the disk takes no more."""

import fcntl
import os
import struct
import tempfile
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

CHUNK = 64 * 1024
"""Bytes in memory at most, and bytes that are taken at once."""
READ_AHEAD = 256 * 1024 * 1024
"""Bytes in the file at most, which is used as a ring."""
_LARGE_PIPE = 1024 * 1024
"""Bytes moved at once, and as much as a user without privileges may ask for."""
_KEPT = _LARGE_PIPE
"""Size up to which the file is left as it is once all was taken: it will be needed again."""


class Backlog:
    """Owns `pipe`. The file lies in `folder`; `complain` is told, once, why it cannot be used."""

    def __init__(
        self, pipe: IO[bytes], folder: Path, complain: Callable[[str], None], *, read_ahead: int = READ_AHEAD
    ) -> None:
        self._pipe = pipe
        self._read_ahead = read_ahead
        self._folder = folder
        self._complain = complain
        self._complained = False
        self._is_large = False
        self._memory = b""
        self._file: IO[bytes] | None = None
        self._spilled = 0
        self._taken = 0
        """Bytes that went into the file since it was empty, and came out of it again."""
        self._last: int | None = None
        """Bytes that may still be taken from the pipe; None is all that come."""
        os.set_blocking(pipe.fileno(), False)

    def __len__(self) -> int:
        return len(self._memory) + self._spilled - self._taken

    @property
    def fd(self) -> int:
        return self._pipe.fileno()

    @property
    def complete(self) -> bool:
        """Nothing more will come."""
        return self._pipe.closed

    @property
    def is_tight(self) -> bool:
        """Whoever writes has to wait, or will have to soon."""
        return len(self) > self._read_ahead // 2 or (self._complained and len(self) >= CHUNK)

    def fill(self) -> int:
        """Empty the pipe once, as far as there is room; returns how much came."""
        before = len(self)
        with suppress(BlockingIOError):
            while not self.complete and len(self) - before < _LARGE_PIPE:
                if not self._move():
                    break
        came = len(self) - before
        if came >= CHUNK // 2:
            self._enlarge_pipe()
        return came

    def take(self) -> bytes:
        """The next bytes, CHUNK at most."""
        if self._memory or self._file is None:
            data, self._memory = self._memory, b""
            return data
        at = self._taken % self._read_ahead
        data = os.pread(self._file.fileno(), min(CHUNK, self._read_ahead - at, len(self)), at)
        self._taken += len(data)
        if self._taken == self._spilled:
            self._clear()
        return data

    def limit(self) -> None:
        """Take what is in the pipe by now, and no more."""
        if not self.complete:
            (self._last,) = struct.unpack("i", fcntl.ioctl(self._pipe, termios.FIONREAD, b"\0\0\0\0"))
            self._close_if_done()

    def drop(self) -> int:
        """Give up the rest; returns how much of it there was."""
        self.limit()
        dropped = len(self) + (self._last or 0)
        self._memory, self._last = b"", 0
        self._clear()
        self._close_if_done()
        return dropped

    def close(self) -> None:
        self._pipe.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _enlarge_pipe(self) -> None:
        """Not before it is needed: each user may only have a few of these."""
        if not (self._is_large or self.complete):
            self._is_large = True
            with suppress(OSError):
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)

    def _move(self) -> int:
        """Some bytes out of the pipe: 0 when there is no room or this was the end. Raises BlockingIOError when the pipe
        is empty."""
        most = _LARGE_PIPE if self._last is None else min(_LARGE_PIPE, self._last)
        in_order = self._spilled == self._taken
        if in_order and (room := CHUNK - len(self._memory)):
            data = os.read(self.fd, min(room, most))
            self._memory += data
            count = len(data)
        elif (spilt := self._spill(most)) is not None:
            count = spilt
        else:
            return 0
        if self._last is not None:
            self._last -= count
        self._close_if_done(at_end=not count)
        return count

    def _spill(self, most: int) -> int | None:
        """None when there is no room."""
        at = self._spilled % self._read_ahead
        room = min(self._read_ahead - at, self._read_ahead - (self._spilled - self._taken))
        if not room:
            return None
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            count = os.splice(self.fd, self._file.fileno(), min(most, room), offset_dst=at, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            raise
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._complain(f"The agent has to wait for the bot, no disk takes what it writes: {error.strerror}.")
            return None
        self._spilled += count
        return count

    def _clear(self) -> None:
        if self._file is not None and self._spilled > _KEPT:
            os.ftruncate(self._file.fileno(), 0)
        self._spilled = self._taken = 0

    def _close_if_done(self, *, at_end: bool = False) -> None:
        if at_end or self._last == 0:
            self._pipe.close()
