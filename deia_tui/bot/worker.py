"""Hands messages to the agent, one turn at a time and in order, and decides which are taken and how work ends."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from deia_tui.bot.agents.protocol import AgentFailed, TurnResult
from deia_tui.bot.answer import Answer
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.conversation import Conversation
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.spool import Spool
from deia_tui.core.bots import Activity
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.redact import redact_text

MAX_QUEUED = 10
MAX_TEXT = 1024 * 1024
_REMEMBERED = 10_000

Phase = Literal["starting", "open", "draining", "stopping"]


@dataclass(frozen=True, slots=True)
class Message:
    message_id: str
    text: str


@dataclass(slots=True)
class Counts:
    answered: int = 0
    failed: int = 0
    interrupted: int = 0


class Worker:
    """`grace_s`: how long the current turn may go on in a bot that stops; `given_up` is what its end interrupted."""

    def __init__(
        self, conversation: Conversation, spool: Spool, log: OutputLog, approvals: Approvals, *, grace_s: float
    ) -> None:
        self.phase: Phase = "starting"
        self.counts = Counts()
        self.current: Message | None = None
        self.given_up: list[str] = []
        self._conversation = conversation
        self._spool = spool
        self._log = log
        self._approvals = approvals
        self._queue: deque[Message] = deque()
        self._accepted: dict[str, int] = {}
        self._grace_s = grace_s
        self._news = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None

    @property
    def activity(self) -> Activity:
        if self.current is None:
            return Activity.IDLE
        return Activity.ASKING if self._approvals else Activity.BUSY

    @property
    def queued(self) -> int:
        return len(self._queue)

    async def open(self) -> None:
        """Open the agent and take messages, unless the end begins before. Raises ConfigError or AgentFailed."""
        await self._unless_ended(self._conversation.open())
        if self.phase == "starting":
            self.phase = "open"

    def accept(self, message: Message) -> int:
        """Queue a message; returns the number of its `accepted` frame, the same when it was taken before."""
        if (known := self._accepted.get(message.message_id)) is not None:
            return known
        self._check(message)
        seq = self._spool.promise({"type": "accepted", "message_id": message.message_id})
        if seq is None:
            reason = "The bot cannot put on record that it has the message: free space on its disk."
            raise CommandRejected(reason, status=503, retry_after_s=2)
        self._accepted[message.message_id] = seq
        if len(self._accepted) > _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        self._queue.append(message)
        self._news.set()
        return seq

    def interrupt(self, message_id: str | None = None) -> str | None:
        """End the current turn, if it is that of `message_id` where one is named; returns whose it was."""
        if self.current is None or message_id not in (None, self.current.message_id):
            return None
        self._conversation.interrupt()
        return self.current.message_id

    def end(self, *, drain: bool) -> None:
        """Take nothing new, and `run` returns: after all work if `drain`, else after the current turn or grace period.

        Work that is being drained is ended at once by a second call without `drain`.
        """
        if self.phase == "stopping" or (self.phase == "draining" and drain):
            return
        if self.phase == "draining":
            self.interrupt()
        self.phase = "draining" if drain else "stopping"
        if not drain:
            self._give_up_queue()
            asyncio.get_running_loop().call_later(self._grace_s, self.interrupt)
        if self._opening and not self._queue:
            self._opening.cancel()
        self._news.set()

    async def run(self) -> None:
        """Work until told to end. Raises ConfigError or AgentFailed when there is no agent any more to work with."""
        while self._queue or self.phase in ("starting", "open"):
            self._news.clear()
            if not self._conversation.is_up:
                await self._reopen()
            elif self._queue:
                await self._turn(self._queue.popleft())
            else:
                await self._conversation.rest(self._news)

    async def _reopen(self) -> None:
        """Meanwhile messages are taken; they wait."""
        try:
            await self._unless_ended(self._conversation.reopen())
        except (ConfigError, AgentFailed):
            self.phase = "stopping"
            self._give_up_queue()
            raise

    async def _unless_ended(self, opening: Coroutine[Any, Any, None]) -> None:
        """An end that has nothing to wait for does not wait for an agent either."""
        self._opening = asyncio.create_task(opening)
        await asyncio.wait({self._opening})
        done, self._opening = self._opening, None
        if not done.cancelled():
            done.result()

    def _check(self, message: Message) -> None:
        if self.phase != "open":
            why = "still starting" if self.phase == "starting" else "ending"
            raise CommandRejected(f"The bot is {why} and takes no messages.", status=503, retry_after_s=1)
        if not message.text.strip():
            raise CommandRejected("The message is empty.", status=400)
        if len(message.text.encode()) > MAX_TEXT:
            raise CommandRejected("The message is longer than 1 MiB.", status=413)
        if len(self._queue) >= MAX_QUEUED:
            raise CommandRejected("Bot busy, please wait.", status=429, retry_after_s=2)

    async def _turn(self, message: Message) -> None:
        self.current = message
        self._spool.add({"type": "turn_started", "message_id": message.message_id})
        started = time.monotonic()
        answer = Answer(message.message_id, self._spool, self._log, self._approvals, self._conversation.learn)
        result = await self._conversation.turn(message.text, answer)
        answer.finish()
        self.current = None
        if self.phase == "stopping" and result.status == "interrupted":
            result = replace(result, error="the bot stopped before it was done")
        self._ended(message, result, time.monotonic() - started)

    def _give_up_queue(self) -> None:
        result = TurnResult(status="interrupted", error="the bot stopped before it began")
        while self._queue:
            self._ended(self._queue.popleft(), result, 0.0)

    def _ended(self, message: Message, result: TurnResult, duration_s: float) -> None:
        match result.status:
            case "answered":
                self.counts.answered += 1
            case "failed":
                self.counts.failed += 1
            case "interrupted":
                self.counts.interrupted += 1
                if self.phase != "open":
                    self.given_up.append(message.message_id)
        ended = {"type": "turn_ended", "message_id": message.message_id, "duration_s": round(duration_s, 3)}
        self._spool.add({**ended, **asdict(result), "error": redact_text(result.error)})
