"""What an agent says during one turn, kept within bounds: so much of the answer, so many warnings a second."""

import time

from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.spool import Spool

KEEP = 8 * 1024 * 1024
"""Bytes of an answer that become frames; the rest goes to the output log only."""
WARNINGS_PER_S = 50


class Answer:
    """The agent's Emit for one message."""

    def __init__(self, message_id: str, spool: Spool, log: OutputLog) -> None:
        self._message_id = message_id
        self._spool = spool
        self._log = log
        self._room = KEEP
        self._cut = 0
        self._second = 0.0
        self._warnings = 0

    def output(self, text: str) -> None:
        self._log.write(text)
        data = text.encode("utf-8", "replace")
        kept = text if len(data) <= self._room else data[: self._room].decode("utf-8", "ignore")
        if kept:
            self._spool.add({"type": "output", "message_id": self._message_id, "text": kept})
        if len(data) > self._room:
            self._leave_out(len(data) - self._room)
        self._room -= min(self._room, len(data))

    def warn(self, line: str) -> None:
        self._log.line(line)
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._report_dropped()
            self._second, self._warnings = now, 0
        self._warnings += 1
        if self._warnings <= WARNINGS_PER_S:
            self._say(line)

    def finish(self) -> None:
        """The turn is over: say how much was left out."""
        self._report_dropped()
        self._warnings = 0
        if self._cut:
            self._say(f"{self._cut} bytes of the answer are in the output log only.")

    def _leave_out(self, count: int) -> None:
        if not self._cut:
            self._say(f"The answer is longer than {KEEP >> 20} MiB: the rest goes to the output log only.")
        self._cut += count
        self._spool.dropped_output_bytes += count

    def _report_dropped(self) -> None:
        if self._warnings > WARNINGS_PER_S:
            self._say(f"… {self._warnings - WARNINGS_PER_S} lines dropped")

    def _say(self, text: str) -> None:
        self._spool.add({"type": "log", "level": "warning", "text": text})
