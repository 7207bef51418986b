"""The permissions an ACP agent asks for during a turn, and how each is answered: by an option, or by `cancelled`."""

import asyncio
from contextlib import suppress

from acp import schema

from deia_tui.bot.agents.acp.updates import Updates
from deia_tui.bot.agents.protocol import Decision, Turn
from deia_tui.core.turns import PermissionOption

_MAX_OPEN = 32
"""Who asks for more at the same time is answered `cancelled`."""
_ANSWERED_S = 0.5

CANCELLED = schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))


class Requests:
    def __init__(self, turn: Turn, updates: Updates) -> None:
        self._turn = turn
        self._updates = updates
        self._open: set[asyncio.Task[Decision]] = set()
        self._are_answered = asyncio.Event()
        self._is_cancelled = False

    async def ask(self, request: schema.RequestPermissionRequest) -> schema.RequestPermissionResponse:
        if self._is_cancelled or len(self._open) >= _MAX_OPEN:
            return CANCELLED
        asking = asyncio.create_task(self._ask(request))
        self._open.add(asking)
        try:
            await asyncio.wait([asking])
            decision = Decision(option=None) if asking.cancelled() else asking.result()
        finally:
            asking.cancel()
            self._open.discard(asking)
        if decision.option is None:
            return CANCELLED
        if decision.note and not decision.allows:
            self._turn.remark(f"The agent is not told why, its protocol has no words for that: {decision.note}")
        chosen = schema.AllowedOutcome(outcome="selected", option_id=decision.option.option_id)
        return schema.RequestPermissionResponse(outcome=chosen)

    def cancel(self) -> None:
        """The turn is over: nobody has to answer any more."""
        self._is_cancelled = True
        for asking in self._open:
            asking.cancel()

    async def cancelled(self) -> None:
        """The same, and wait until the agent has been answered."""
        self.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERED_S):
                while self._open:
                    await asyncio.sleep(0)

    async def _ask(self, request: schema.RequestPermissionRequest) -> Decision:
        call = self._updates.tool_call(request.tool_call)
        options = [
            PermissionOption(option_id=option.option_id, name=option.name, kind=option.kind)
            for option in request.options
        ]
        return await self._turn.ask(tool=call.tool, title=call.title, input=call.input, options=options)
