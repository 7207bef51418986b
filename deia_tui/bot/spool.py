"""What a bot has said and no supervisor has committed yet: in memory for whoever listens, and in a file that survives
the bot's death. Frames are numbered here, from 1; the file gets them before anybody else does."""

import asyncio
import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deia_tui.core.frames import Frame, encode
from deia_tui.folder import write_atomic

_KEEP = 64 * 1024 * 1024
"""Unacknowledged bytes beyond which what is _DROPPABLE is dropped."""
_DROPPABLE = frozenset({"output", "thought", "tool", "plan"})
"""What an agent may say without end; other frames are always kept."""
_REWRITE_FROM = 1024 * 1024
_RETRY_S = 1.0


class Spool:
    """`complain` gets one sentence when the file cannot be written; everything goes on without it."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self.dropped_output_bytes = 0
        self.closed = False
        self._file = _File(path)
        self._complain = complain
        self._complained = False
        self._lines: list[bytes] = []
        self._acked = 0
        self._bytes = 0
        self._untold = 0
        """Bytes dropped since somebody was told."""
        self._news = asyncio.Event()

    @property
    def acked_seq(self) -> int:
        return self._acked

    @property
    def last_seq(self) -> int:
        return self._acked + len(self._lines)

    def add(self, *frames: Frame) -> int:
        """Number the frames, write them in one go, tell the listeners; returns the last number."""
        for frame in frames:
            line = self._line(frame)
            if frame["type"] in _DROPPABLE and self._bytes + len(line) > _KEEP:
                dropped = len(frame["text"].encode("utf-8", "replace")) if "text" in frame else len(line)
                self.dropped_output_bytes += dropped
                self._untold += dropped
                continue
            self._keep(line)
        self._write()
        self._tell()
        return self.last_seq

    def promise(self, frame: Frame) -> int | None:
        """Like `add`, for a frame that must survive this process: None, and nothing is said, if the file does not take
        it now."""
        line = self._line(frame)
        if not self._write(line):
            return None
        self._keep(line)
        self._tell()
        return self.last_seq

    def ack(self, seq: int) -> None:
        """Everything up to `seq` is committed elsewhere: forget it."""
        count = min(seq, self.last_seq) - self._acked
        if count <= 0:
            return
        self._bytes -= sum(map(len, self._lines[:count]))
        del self._lines[:count]
        self._acked += count
        self._report_dropped()
        with suppress(OSError):
            if not self._lines:
                self._file.clear()
            elif self._file.size > _REWRITE_FROM and self._bytes < self._file.size // 2:
                self._file.replace(b"".join(self._lines), self.last_seq)

    def after(self, seq: int, limit: int = 256) -> list[bytes]:
        """Up to `limit` unacknowledged frames that follow `seq`, encoded."""
        start = max(0, seq - self._acked)
        return self._lines[start : start + limit]

    async def news(self, seq: int) -> None:
        """Wait until there is more than `seq`, or no more to come."""
        while self.last_seq <= seq and not self.closed:
            await self._news.wait()

    def close(self) -> None:
        """Nothing more will be said."""
        self.closed = True
        self._write()
        self._tell()

    def _report_dropped(self) -> None:
        """Somebody listens again, and there is room: say how much was not kept meanwhile."""
        if self._untold and self._bytes < _KEEP // 2:
            text = f"{self._untold} bytes of output were dropped while nobody took them: they are in the output log."
            self._untold = 0
            self.add({"type": "log", "level": "warning", "text": text})

    def _line(self, frame: Frame) -> bytes:
        return encode({"seq": self.last_seq + 1, "at": round(time.time(), 4), **frame}) + b"\n"

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _write(self, *more: bytes) -> bool:
        """Bring the file up to date, with `more` behind; False when it does not take it."""
        if not self._file.ready:
            return False
        unsaved = self._lines[max(0, self._file.last_seq - self._acked) :]
        try:
            self._file.append([*unsaved, *more], self.last_seq + len(more))
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._complain(
                    f"The spool cannot be written ({error.strerror}): what is said now is lost if the bot dies."
                )
            return False
        return True


class _File:
    """Appends whole lines or nothing; after a failure it rests for a while. `last_seq` is what it holds."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.last_seq = 0
        self._path = path
        self._fd: int | None = None
        self._retry_at = 0.0

    @property
    def ready(self) -> bool:
        """False for a while after a failure."""
        return time.monotonic() >= self._retry_at

    def append(self, lines: list[bytes], last_seq: int) -> None:
        """Raises OSError when not all of it could be written; the same lines are to be offered again."""
        if not lines:
            return
        data = b"".join(lines)
        try:
            fd = self._open()
            if os.write(fd, data) < len(data):
                os.ftruncate(fd, self.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._retry_at = time.monotonic() + _RETRY_S
            raise
        self.size += len(data)
        self.last_seq = last_seq

    def clear(self) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
        self.size = 0

    def replace(self, data: bytes, last_seq: int) -> None:
        """Hold exactly `data`, the frames up to `last_seq`."""
        write_atomic(self._path, data, sync=False)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self.size, self.last_seq = len(data), last_seq

    def _open(self) -> int:
        if self._fd is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, 0o600)
        return self._fd
