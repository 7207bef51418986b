"""A program in a real pseudo-terminal, as its user meets it: what it paints and when, and what it leaves behind."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyte

DEADLINE_S = 30.0
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "ctrl+c": "\x03",
}

# Programs ask; a modern terminal answers: synchronised output yes, in-band resizing no, a VT220, the cursor's place.
_ANSWERS = {
    re.compile(rb"\x1b\[\?2026\$p"): b"\x1b[?2026;2$y",
    re.compile(rb"\x1b\[\?2048\$p"): b"\x1b[?2048;0$y",
    re.compile(rb"\x1b\[0?c"): b"\x1b[?62;22c",
    re.compile(rb"\x1b\[6n"): b"\x1b[1;1R",
}
_LONGEST_QUERY = len(b"\x1b[?2026$p")

# Pyte would print these as text: private parameters, mode queries, cursor shapes, device control strings.
_UNKNOWN_TO_PYTE = re.compile(
    rb"\x1b\[[<=>][0-?]*[ -/]*[@-~]|\x1b\[[0-?]*[ -/]+[@-~]|\x1b[P_^X][^\x1b]*\x1b\\", re.DOTALL
)
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[P_^X\]][^\x07\x1b]*\x1b?)?\Z", re.DOTALL)

_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
_KEYBOARD = re.compile(rb"\x1b\[([<>])[0-9;]*u")
_ON_AT_FIRST = {7: "line wrap", 25: "cursor"}
_OFF_AT_FIRST = {
    1: "application cursor keys",
    1000: "mouse",
    1002: "mouse drag",
    1003: "mouse movement",
    1004: "focus reports",
    1006: "mouse (SGR)",
    1015: "mouse (urxvt)",
    1049: "alternate screen",
    2004: "bracketed paste",
    2026: "synchronised output",
    2048: "resize reports",
}


class Chunk(NamedTuple):
    """What arrived in one read, and when (time.perf_counter)."""

    at: float
    data: bytes


class Picture:
    """What the bytes fed so far make a screen look like."""

    def __init__(self, columns: int, lines: int) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._begun = b""

    def feed(self, data: bytes) -> None:
        data = self._begun + data
        begun = _BEGUN.search(data)
        whole = data[: begun.start()] if begun else data
        self._begun = data[len(whole) :]
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", whole))

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def cursor(self) -> tuple[int, int]:
        """Its line and column, from 0."""
        return self._screen.cursor.y, self._screen.cursor.x

    def is_bold(self, text: str) -> bool:
        """Is the text there, and its first letter bold?"""
        places = ((number, line.find(text)) for number, line in enumerate(self._screen.display))
        return any(self._screen.buffer[line][column].bold for line, column in places if column >= 0)

    def backgrounds(self, column: int) -> list[str]:
        """The background colour in one column, line by line."""
        return [str(self._screen.buffer[line][column].bg) for line in range(self._screen.lines)]


class Terminal:
    """Runs `argv` in a terminal of this size; a thread reads and stamps what it writes, so that it never stalls."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 200,
        lines: int = 50,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.columns, self.height = columns, lines
        self.chunks: list[Chunk] = []
        self._picture = Picture(columns, lines)
        self._drawn = 0
        self._news = threading.Event()
        self._reads = threading.Event()
        self._reads.set()
        self._stop = os.eventfd(0)
        self._master, slave = os.openpty()
        self._set_size(columns, lines)
        self._before = termios.tcgetattr(self._master)
        self.started_at = time.perf_counter()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv], stdin=slave, stdout=slave, stderr=slave, env=env or environment(), cwd=cwd
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What its user does

    def press(self, *keys: str) -> float:
        """Each is the name of a key, or text; returns when the last was handed over (time.perf_counter)."""
        at = 0.0
        for key in keys:
            at = time.perf_counter()
            os.write(self._master, KEYS.get(key, key).encode())
        return at

    def resize(self, columns: int, lines: int) -> None:
        self.screen()
        self.columns, self.height = columns, lines
        self._picture.resize(columns, lines)
        self._set_size(columns, lines)

    def stall(self) -> None:
        """Read nothing any more, as an SSH line that is stuck; what is in the way is taken."""
        self._reads.clear()

    def go_on_reading(self) -> None:
        self._reads.set()

    def hang_up(self) -> None:
        """The line drops: the kernel sends SIGHUP, and whoever still reads or writes gets an error."""
        if self._master >= 0:
            self._reads.set()
            os.eventfd_write(self._stop, 1)
            self._reader.join()
            os.close(self._master)
            os.close(self._stop)
            self._master = -1

    def close(self) -> None:
        """End the program, should it still run."""
        self.process.kill()
        self.hang_up()
        self.process.wait()

    # What its user sees

    def screen(self) -> list[str]:
        chunks = self.chunks[self._drawn :]
        self._drawn += len(chunks)
        self._picture.feed(b"".join(chunk.data for chunk in chunks))
        return self._picture.lines()

    def line_of_cursor(self) -> str:
        """The line on which the cursor stands: that of the field one would write to."""
        return self.screen()[self._picture.cursor()[0]]

    def is_bold(self, text: str) -> bool:
        self.screen()
        return self._picture.is_bold(text)

    def until(self, wanted: str | Callable[[list[str]], object], timeout: float = DEADLINE_S) -> list[str]:
        """The first screen that shows the text, or that the function likes."""
        deadline = time.monotonic() + timeout
        while True:
            self._news.clear()
            screen = self.screen()
            if any(wanted in line for line in screen) if isinstance(wanted, str) else wanted(screen):
                return screen
            if time.monotonic() > deadline or not self._reader.is_alive():
                shown = "\n".join(line for line in screen if line)
                raise AssertionError(f"waited in vain for {wanted!r}; the terminal shows:\n{shown}")
            self._news.wait(0.1)

    def until_written(self, marker: bytes, timeout: float = DEADLINE_S) -> float:
        """When the bytes were first on the wire (time.perf_counter)."""
        deadline = time.monotonic() + timeout
        seen, tail = 0, b""
        while True:
            self._news.clear()
            for chunk in self.chunks[seen:]:
                if marker in tail + chunk.data:
                    return chunk.at
                tail = (tail + chunk.data)[-len(marker) :]
                seen += 1
            if time.monotonic() > deadline or not self._reader.is_alive():
                raise AssertionError(f"waited in vain for {marker!r}")
            self._news.wait(0.1)

    def unread(self) -> int:
        """How many bytes wait in the line, at most what the kernel holds."""
        return int(struct.unpack("i", fcntl.ioctl(self._master, termios.FIONREAD, bytes(4)))[0])

    def written(self) -> bytes:
        """Every byte so far."""
        return b"".join(chunk.data for chunk in self.chunks)

    # The end

    def wait(self, timeout: float = DEADLINE_S) -> int:
        """The exit status of the program, once it ended and everything it wrote was read."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def left_behind(self) -> list[str]:
        """In words, what the program did to the terminal and did not undo."""
        left = [] if termios.tcgetattr(self._master) == self._before else ["terminal attributes"]
        written = self.written()
        modes: dict[int, bool] = {}
        for numbers, end in _MODE.findall(written):
            modes |= {int(number): end == b"h" for number in numbers.split(b";")}
        left += [f"{name} off" for mode, name in _ON_AT_FIRST.items() if not modes.get(mode, True)]
        left += [f"{name} on" for mode, name in _OFF_AT_FIRST.items() if modes.get(mode, False)]
        keyboard: list[bytes] = _KEYBOARD.findall(written)
        if keyboard.count(b">") > keyboard.count(b"<"):
            left.append("keyboard protocol")
        return left

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        """Until nobody has the terminal open any more, or the line drops."""
        tail = b""
        while self._stop not in (ready := select.select([self._master, self._stop], [], [])[0]) and ready:
            self._reads.wait()
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                break
            self.chunks.append(Chunk(time.perf_counter(), data))
            self._news.set()
            tail = self._answer(tail + data)
        self._news.set()

    def _answer(self, data: bytes) -> bytes:
        """Answer the queries in `data`; returns its end, where another query may have begun."""
        answered = 0
        for query, answer in _ANSWERS.items():
            for found in query.finditer(data):
                answered = max(answered, found.end())
                os.write(self._master, answer)
        return data[max(answered, len(data) - _LONGEST_QUERY + 1) :]


_FOREIGN = ("TMUX", "STY", "NO_COLOR", "COLUMNS", "LINES", "SSH_CONNECTION", "SSH_TTY", "TERM_PROGRAM")
_FOREIGN_FAMILIES = ("DEIA_", "TEXTUAL", "PYTHONDONTWRITEBYTECODE")


def environment(**more: str) -> dict[str, str]:
    """Ours, as a user has it in a modern terminal on the machine itself (who keeps compiled modules, too)."""
    ours = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    ours = {name: value for name, value in ours.items() if not name.startswith(_FOREIGN_FAMILIES)}
    return {**ours, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **more}
