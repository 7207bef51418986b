"""One process of Claude Code, from its start to its end: what it is told, and what is known of it until it ends."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from deia_tui.bot.agents.claude.usage import Ledger
from deia_tui.bot.agents.companion import Companion
from deia_tui.bot.agents.protocol import AgentFailed


@dataclass(slots=True)
class Process:
    """One process, from its start to its end; `quiet` is cleared while it is in a turn that nobody asked for."""

    companion: Companion
    started: asyncio.Future[None]
    ledger: Ledger = field(default_factory=Ledger)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    garbage: int = 0
    """Lines that could not be understood, and of these those since the last that could."""
    garbage_now: int = 0

    def do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def post(self, message: Mapping[str, Any]) -> None:
        """In the order of the calls. What the process does not take is answered by its end, which is seen anyway."""
        self.do(self._write(json.dumps(message).encode()))

    async def _write(self, line: bytes) -> None:
        with suppress(AgentFailed):
            await self.companion.write(line)

    def request(self, what: str) -> None:
        """Whose answer carries the same name."""
        self.post({"type": "control_request", "request_id": what, "request": {"subtype": what}})

    def allow(self, request_id: str, given: Mapping[str, Any]) -> None:
        """To use a tool with this input."""
        self._answer(request_id, {"behavior": "allow", "updatedInput": given})

    def deny(self, request_id: str, message: str) -> None:
        self._answer(request_id, {"behavior": "deny", "message": message})

    def refuse(self, request_id: str, error: str) -> None:
        """To understand a request."""
        self._respond({"subtype": "error", "request_id": request_id, "error": error})

    def _answer(self, request_id: str, answer: Mapping[str, Any]) -> None:
        self._respond({"subtype": "success", "request_id": request_id, "response": answer})

    def _respond(self, response: Mapping[str, Any]) -> None:
        self.post({"type": "control_response", "response": response})

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.companion.close()
