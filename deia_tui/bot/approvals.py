"""What the agent waits for leave to do: asked of a human through the hive, denied when nobody answers in time. The bot
counts that time itself, so that it ends with or without a supervisor."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from deia_tui.bot.agents.protocol import Decision
from deia_tui.bot.spool import Spool
from deia_tui.core.codec import encode
from deia_tui.core.errors import CommandRejected
from deia_tui.core.turns import OptionKind, Outcome, PermissionOption, PermissionRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    outcome: OptionKind
    by: str
    note: str


class Approvals:
    """The open requests of one bot; `timeout_s` is how long each may wait."""

    def __init__(self, spool: Spool, timeout_s: float) -> None:
        self._spool = spool
        self._timeout_s = timeout_s
        self._open: dict[str, tuple[PermissionRequest, asyncio.Future[Answer | None]]] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def ask(
        self, message_id: str, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]
    ) -> Decision:
        """The option that was chosen, or none if the turn ends first."""
        request = PermissionRequest(
            request_id=uuid.uuid4().hex, tool=tool, title=title, input=input, options=tuple(options)
        )
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._open[request.request_id] = request, answered
        self._spool.add(
            {
                "type": "asked",
                "message_id": message_id,
                "request": encode(request),
                "expires_at": time.time() + self._timeout_s,
            }
        )
        answer: Answer | None = None
        outcome: Outcome = "cancelled"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await answered
            outcome = answer.outcome if answer else "cancelled"
        except TimeoutError:
            outcome = "expired"
        finally:
            del self._open[request.request_id]
            by, note = (answer.by, answer.note) if answer else ("", "")
            self._spool.add(
                {"type": "answered", "request_id": request.request_id, "outcome": outcome, "by": by, "note": note}
            )
        if outcome == "expired":
            return Decision(option=_denial(options), note=f"Nobody answered within {self._timeout_s:.0f} s.")
        if answer is None:
            return Decision(option=None)
        return Decision(option=_option(options, answer.outcome), note=answer.note)

    def answer(self, request_id: str, answer: Answer) -> None:
        """Raises CommandRejected (404) when nobody waits for it (any more)."""
        if request_id not in self._open or self._open[request_id][1].done():
            raise CommandRejected("This request is not open: it was answered, or its turn is over.", status=404)
        request, answered = self._open[request_id]
        if _option(request.options, answer.outcome) is None:
            offered = ", ".join(dict.fromkeys(option.kind for option in request.options))
            raise CommandRejected(f"The agent offers no '{answer.outcome}' here, only {offered}.", status=422)
        answered.set_result(answer)

    def cancel(self) -> None:
        """The turn ends: nobody has to answer any more."""
        for _, answered in self._open.values():
            with suppress(asyncio.InvalidStateError):
                answered.set_result(None)


def _option(options: Sequence[PermissionOption], kind: OptionKind) -> PermissionOption | None:
    return next((option for option in options if option.kind == kind), None)


def _denial(options: Sequence[PermissionOption]) -> PermissionOption | None:
    return _option(options, "reject_once") or _option(options, "reject_always")
