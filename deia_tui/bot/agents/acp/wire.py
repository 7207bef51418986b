"""Carries JSON-RPC messages to and from a program that is kept, one a line, and says in a sentence why no more come."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from deia_tui.bot.agents.companion import Companion
from deia_tui.bot.agents.protocol import AgentFailed

_GARBAGE = 100
"""So many lines in a row that are no message, and it is no agent."""
_LAST_WORDS_S = 1.0
"""How long after its last line the end of the program may take, to say how it ended."""

Message = dict[str, Any]


class Wire:
    """A transport for `acp.connection.Connection`. `over` is set once nothing more is understood; then `why` says why.
    `log` gets the lines that are no messages."""

    def __init__(self, companion: Companion, log: Callable[[str], None]) -> None:
        self.over = asyncio.Event()
        self.why = ""
        self._companion = companion
        self._log = log
        self._garbage = 0
        self._has_complained = False

    async def send(self, message: Message) -> None:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        try:
            await self._companion.write(line)
        except AgentFailed as error:
            if "method" in message:  # nobody waits for what became of an answer
                raise ConnectionError(str(error)) from error

    async def receive(self) -> Message | None:
        await asyncio.sleep(0)  # what the last message led to comes first, however many there are
        while not self.over.is_set():
            try:
                line = await self._companion.line()
            except AgentFailed as error:
                self.give_up(str(error))
                break
            if line is None:
                await self._say_how_it_ended()
                break
            if message := _message(line):
                self._garbage = 0
                return message
            self._note_garbage(line)
        return None

    async def close(self) -> None:
        """The program is ended by whoever started it."""

    def give_up(self, why: str) -> None:
        self.why = self.why or why
        self.over.set()

    async def _say_how_it_ended(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._companion.ended()
        how = self._companion.how
        self.give_up(f"the agent ended ({how})" if how else "the agent closed its output and goes on")

    def _note_garbage(self, line: bytes) -> None:
        text = line[:200].decode("utf-8", "replace").strip()
        if not text:
            return
        self._garbage += 1
        if not self._has_complained:
            self._has_complained = True
            self._log(f"The agent wrote what is no message of the protocol: {text}")
        if self._garbage >= _GARBAGE:
            self.give_up(f"the agent does not speak the Agent Client Protocol, it writes '{text[:80]}'")


def _message(line: bytes) -> Message | None:
    """The message, as far as the connection can deal with it, or None."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("id"), int | str | None):
        return None
    if not isinstance(message.get("error"), dict | None):
        message["error"] = {"message": str(message["error"])}
    return message if "id" in message or isinstance(message.get("method"), str) else None
