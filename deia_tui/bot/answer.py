"""What an agent says during one turn: without secrets into the output log, all of it, and into frames within bounds, so
much of the answer and so many warnings a second."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deia_tui.bot.agents.decode import Lines, Text
from deia_tui.bot.agents.protocol import Decision
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.spool import Spool
from deia_tui.core.codec import encode
from deia_tui.core.redact import Redactor, redact_text
from deia_tui.core.turns import PermissionOption, PlanEntry, ToolCall, Usage

KEEP = 8 * 1024 * 1024
"""Bytes of an answer that become frames; the rest goes to the output log only."""
WARNINGS_PER_S = 50
PAUSE_S = 0.05
"""How long the agent must be silent for its last word to be shown before the next begins."""
_FRAME = 64 * 1024
"""Characters of one output frame at most."""


class Answer:
    """The agent's Turn for one message."""

    def __init__(self, message_id: str, spool: Spool, log: OutputLog, approvals: Approvals) -> None:
        self._message_id = message_id
        self._approvals = approvals
        self._spool = spool
        log.begin_line()
        self._streams = (_Stream(log, self._say), _Stream(log, self._beside))
        self._text = Text()
        self._lines = Lines()
        self._log = log
        self._room = KEEP
        self._cut = 0
        self._dropped = 0
        self._second = 0.0
        self._warnings = 0

    def output(self, data: bytes) -> None:
        self._streams[0].feed(data)

    def warn(self, data: bytes) -> None:
        self._streams[1].feed(data)

    def remark(self, sentence: str) -> None:
        self._log.line(sentence)
        self._note(sentence)

    def drop(self, count: int) -> None:
        self._dropped += count
        self._spool.dropped_output_bytes += count

    def thought(self, text: str) -> None:
        self._do("thought", text=text)

    def tool(self, call: ToolCall) -> None:
        self._do("tool", call=encode(call))

    def plan(self, entries: Sequence[PlanEntry]) -> None:
        self._do("plan", entries=encode(tuple(entries)))

    def usage(self, usage: Usage) -> None:
        self._do("usage", usage=encode(usage))

    def degraded(self, reason: str) -> None:
        self._spool.add({"type": "degraded", "reason": redact_text(reason)})

    async def ask(self, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]) -> Decision:
        return await self._approvals.ask(self._message_id, tool=tool, title=title, input=input, options=options)

    def finish(self) -> None:
        """The turn is over: say what was kept back, and how much was left out."""
        for stream in self._streams:
            stream.finish()
        self._add_output(self._text.feed(b"", final=True))
        self._warn_of(self._lines.feed(b"", final=True))
        self._report_dropped()
        self._warnings = 0
        if self._dropped:
            self.remark(f"{self._dropped} bytes that the agent wrote were dropped: it was interrupted.")
        if self._cut:
            self._note(f"{self._cut} bytes of the answer are in the output log only.")

    def _do(self, what: str, **fields: Any) -> None:
        self._spool.add({"type": what, "message_id": self._message_id, **fields})

    def _say(self, data: bytes) -> None:
        if self._room:
            self._add_output(self._text.feed(data[: self._room]))
        if len(data) > self._room:
            self._leave_out(len(data) - self._room)
        self._room -= min(self._room, len(data))

    def _add_output(self, text: str) -> None:
        for start in range(0, len(text), _FRAME):
            piece = text[start : start + _FRAME]
            self._spool.add({"type": "output", "message_id": self._message_id, "text": piece})

    def _leave_out(self, count: int) -> None:
        if not self._cut:
            self._note(f"The answer is longer than {KEEP >> 20} MiB: the rest goes to the output log only.")
        self._cut += count
        self._spool.dropped_output_bytes += count

    def _beside(self, data: bytes) -> None:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._report_dropped()
            self._second, self._warnings = now, 0
        if self._warnings > WARNINGS_PER_S:
            self._warnings += data.count(b"\n")  # nobody sees them: not worth being told apart
        else:
            self._warn_of(self._lines.feed(data))

    def _warn_of(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._warnings += 1
            if self._warnings <= WARNINGS_PER_S:
                self._note(line)

    def _report_dropped(self) -> None:
        if self._warnings > WARNINGS_PER_S:
            self._note(f"… {self._warnings - WARNINGS_PER_S} lines dropped")

    def _note(self, text: str) -> None:
        self._spool.add({"type": "log", "level": "warning", "text": text})


class _Stream:
    """One of the agent's two voices: loses its secrets, then goes to the log in whole lines and to `deliver` at once.
    What is kept back for either is let go when the agent pauses."""

    def __init__(self, log: OutputLog, deliver: Callable[[bytes], None]) -> None:
        self._log = log
        self._deliver = deliver
        self._redactor = Redactor()
        self._unlogged = b""
        self._pause: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        self._pass_on(self._redactor.feed(data))
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._redactor.holds or self._unlogged:
            self._pause = asyncio.get_running_loop().call_later(PAUSE_S, self._paused)

    def finish(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._pass_on(self._redactor.flush(), ends=True)

    def _paused(self) -> None:
        data = self._redactor.pause()
        self._pass_on(data, ends=not self._redactor.holds)

    def _pass_on(self, data: bytes, *, ends: bool = False) -> None:
        if data:
            self._deliver(data)
        lines = self._unlogged + data
        whole = len(lines) if ends or len(lines) > _FRAME else lines.rfind(b"\n") + 1
        self._unlogged = lines[whole:]
        if whole:
            self._log.relay(lines[:whole])
