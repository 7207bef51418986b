"""What an agent does during one turn: without secrets, in order, into frames within bounds – so much of the answer, so
many warnings a second, each tool call shortened – and all of the answer into the output log."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from deia_tui.bot.agents.decode import Lines, Text
from deia_tui.bot.agents.protocol import Decision
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.shortening import brief_plan, line, sound
from deia_tui.bot.spool import Spool
from deia_tui.bot.toolcalls import ToolCalls
from deia_tui.bot.voices import Gathered, Voice
from deia_tui.core.codec import encode
from deia_tui.core.turns import PermissionOption, PlanEntry, ToolCall, Usage

KEEP = 8 * 1024 * 1024
"""Bytes of an answer that become frames; the rest goes to the output log only."""
THOUGHTS = 256 * 1024
"""Bytes of thoughts of a turn that become frames."""
WARNINGS_PER_S = 50


class Answer:
    """The agent's Turn for one message. `on_session` is told by what the conversation can be resumed from now on."""

    def __init__(
        self,
        message_id: str,
        spool: Spool,
        log: OutputLog,
        approvals: Approvals,
        on_session: Callable[[str], None],
    ) -> None:
        self._message_id = message_id
        self._approvals = approvals
        self._spool = spool
        self._on_session = on_session
        log.begin_line()
        self._voices = {
            "output": Voice(log, self._say),
            "warn": Voice(log, self._beside),
            "thought": Voice(None, self._think),
        }
        self._texts = {
            "output": Gathered(lambda text: self._do("output", text=text)),
            "thought": Gathered(lambda text: self._do("thought", text=text)),
        }
        self._speaks: Literal["output", "thought", ""] = ""
        self._text = Text()
        self._thoughts = Text()
        self._lines = Lines()
        self._calls = ToolCalls(lambda call: self._do("tool", call=encode(call)), log.line)
        self._plan: tuple[PlanEntry, ...] = ()
        self._log = log
        self._room = KEEP
        self._room_to_think = THOUGHTS
        self._cut = 0
        self._unsaid = 0
        self._dropped = 0
        self._second = 0.0
        self._warnings = 0
        self._heard_at = time.monotonic()
        self._asking = 0
        self._is_cancelled = False
        self._is_over = False

    @property
    def silent_s(self) -> float:
        """How long nothing has come of the agent, who does not wait for a permission."""
        return 0.0 if self._asking else time.monotonic() - self._heard_at

    @property
    def uses_a_tool(self) -> bool:
        return self._calls.under_way

    def cancel(self) -> None:
        """The turn is to end: what the agent asks from now on is not for anybody to answer."""
        self._is_cancelled = True
        self._approvals.cancel()

    def output(self, data: bytes) -> None:
        if self._takes():
            self._turn_to("output")
            self._voices["output"].feed(data)

    def warn(self, data: bytes) -> None:
        if self._takes():
            self._voices["warn"].feed(data)

    def remark(self, sentence: str) -> None:
        self._heard_at = time.monotonic()
        self._log.line(sentence)
        self._note(sentence)

    def drop(self, count: int) -> None:
        self._dropped += count
        self._spool.dropped_output_bytes += count

    def thought(self, text: str) -> None:
        if self._takes():
            self._turn_to("thought")
            self._voices["thought"].feed(text.encode("utf-8", "replace"))

    def tool(self, call: ToolCall) -> None:
        if self._takes():
            self._turn_to("")
            self._calls.change(call)

    def plan(self, entries: Sequence[PlanEntry]) -> None:
        if self._takes() and (plan := brief_plan(entries)) != self._plan:
            self._turn_to("")
            self._plan = plan
            self._do("plan", entries=encode(plan))

    def usage(self, usage: Usage) -> None:
        """Counts even if it comes late."""
        self._heard_at = time.monotonic()
        self._do("usage", usage=encode(sound(usage)))

    def degraded(self, reason: str) -> None:
        if self._takes():
            self._spool.add({"type": "degraded", "reason": line(reason)})

    def session(self, session: str) -> None:
        if self._takes():
            self._on_session(session)

    async def ask(self, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]) -> Decision:
        if self._is_cancelled or self._is_over:
            return Decision(option=None)
        self._turn_to("")
        self._calls.flush()
        self._asking += 1
        try:
            return await self._approvals.ask(self._message_id, tool=tool, title=title, input=input, options=options)
        finally:
            self._asking -= 1
            self._heard_at = time.monotonic()

    def finish(self) -> None:
        """The turn is over: say what was kept back, and how much was left out."""
        for voice in self._voices.values():
            voice.finish()
        self._texts["output"].add(self._text.feed(b"", final=True))
        self._texts["thought"].add(self._thoughts.feed(b"", final=True))
        for text in self._texts.values():
            text.flush()
        self._calls.finish()
        self._is_over = True
        self._warn_of(self._lines.feed(b"", final=True))
        self._report_dropped()
        self._warnings = 0
        if self._dropped:
            self.remark(f"{self._dropped} bytes that the agent wrote were dropped: it was interrupted.")
        if self._cut:
            self._note(f"{self._cut} bytes of the answer are in the output log only.")
        if self._unsaid:
            self._note(f"{self._unsaid} bytes of what the agent thought are not shown.")

    def _takes(self) -> bool:
        """Something came: is it still wanted?"""
        self._heard_at = time.monotonic()
        return not self._is_over

    def _turn_to(self, speaks: Literal["output", "thought", ""]) -> None:
        """What was said before comes before what comes now."""
        if self._speaks and self._speaks != speaks:
            self._voices[self._speaks].settle()
            self._texts[self._speaks].flush()
        self._speaks = speaks

    def _do(self, what: str, **fields: Any) -> None:
        self._spool.add({"type": what, "message_id": self._message_id, **fields})

    def _say(self, data: bytes) -> None:
        if self._room:
            self._texts["output"].add(self._text.feed(data[: self._room]))
        if len(data) > self._room:
            self._leave_out(len(data) - self._room)
        self._room -= min(self._room, len(data))

    def _think(self, data: bytes) -> None:
        shown = data[: self._room_to_think]
        self._texts["thought"].add(self._thoughts.feed(shown))
        self._room_to_think -= len(shown)
        self._unsaid += len(data) - len(shown)

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
        for text in lines:
            self._warnings += 1
            if self._warnings <= WARNINGS_PER_S:
                self._note(text)

    def _report_dropped(self) -> None:
        if self._warnings > WARNINGS_PER_S:
            self._note(f"… {self._warnings - WARNINGS_PER_S} lines dropped")

    def _note(self, text: str) -> None:
        self._spool.add({"type": "log", "level": "warning", "text": text})
