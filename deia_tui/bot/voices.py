"""The texts an agent produces piece by piece: each loses its secrets, and is told at once, then so often a second."""

import asyncio
from collections.abc import Callable

from deia_tui.bot.output_log import OutputLog
from deia_tui.core.redact import Redactor

PAUSE_S = 0.05
"""How long the agent must be silent for its last word to be shown before the next begins."""
UNFINISHED_S = 1.0
"""How long the rest of a line is waited for before the log has it as it is: another voice's line would tear it."""
GATHER_S = 0.1
"""How long pieces are gathered before they become a frame, unless there are ENOUGH."""
ENOUGH = 4 * 1024
FRAME = 64 * 1024
"""Characters of one frame at most."""


class Voice:
    """Loses its secrets, then goes to the log (if any) in whole lines and to `deliver` at once. What is kept back for
    either is let go when the agent pauses."""

    def __init__(self, log: OutputLog | None, deliver: Callable[[bytes], None]) -> None:
        self._log = log
        self._deliver = deliver
        self._redactor = Redactor()
        self._has_spoken = False
        self._unlogged = b""
        self._pause: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        shown = self._redactor.feed(data)
        if not self._has_spoken:
            shown += self._redactor.pause()  # the first word is waited for
            self._has_spoken = bool(shown)
        self._pass_on(shown)
        self._stop_waiting()
        if self._redactor.holds or self._unlogged:
            self._pause = asyncio.get_running_loop().call_later(PAUSE_S, self.settle)

    def settle(self) -> None:
        """Let go of what is not clearly the beginning of a secret."""
        self._stop_waiting()
        self._pass_on(self._redactor.pause())
        if self._unlogged and not self._redactor.holds:
            self._pause = asyncio.get_running_loop().call_later(UNFINISHED_S, self._end_line)

    def _end_line(self) -> None:
        self._stop_waiting()
        self._pass_on(b"", ends=True)

    def finish(self) -> None:
        self._stop_waiting()
        self._pass_on(self._redactor.flush(), ends=True)

    def _stop_waiting(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _pass_on(self, data: bytes, *, ends: bool = False) -> None:
        if data:
            self._deliver(data)
        if self._log is None:
            return
        lines = self._unlogged + data
        whole = len(lines) if ends or len(lines) > FRAME else lines.rfind(b"\n") + 1
        self._unlogged = lines[whole:]
        if whole:
            self._log.relay(lines[:whole])


class Gathered:
    """Pieces of text, of which `tell` gets the first at once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._pieces: list[str] = []
        self._size = 0
        self._told_at = 0.0
        self._later: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        self._size += len(text)
        loop = asyncio.get_running_loop()
        if self._size >= ENOUGH or loop.time() - self._told_at >= GATHER_S:
            self.flush()
        elif self._later is None:
            self._later = loop.call_at(self._told_at + GATHER_S, self.flush)

    def flush(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces, self._size = [], 0
        self._told_at = asyncio.get_running_loop().time()
        for start in range(0, len(text), FRAME):
            self._tell(text[start : start + FRAME])
