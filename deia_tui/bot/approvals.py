"""What the agent waits for leave to do: answered by the bot's policy, or by a human through the hive, and denied when
nobody answers in time. The bot counts that time itself, so that it ends with or without a supervisor."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from deia_tui.bot.agents.protocol import Decision
from deia_tui.bot.shortening import INPUT, brief, line
from deia_tui.bot.spool import Spool
from deia_tui.core.codec import encode
from deia_tui.core.errors import CommandRejected
from deia_tui.core.frames import Frame
from deia_tui.core.permissions import POLICY, Ruling, grant_for, rule_on
from deia_tui.core.state import MAX_GRANTS
from deia_tui.core.turns import OptionKind, Outcome, PermissionOption, PermissionPolicy, PermissionRequest

_OPTIONS = 20
"""So many answers of those that an agent offers are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    outcome: OptionKind
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class _Open:
    request: PermissionRequest
    answered: asyncio.Future[Answer | None]


class Approvals:
    """The open requests of one bot; `timeout_s` is how long each may wait, `grants` what a human allowed for always.

    `log` gets the whole of what is shortened for whoever answers.
    """

    def __init__(
        self,
        spool: Spool,
        log: Callable[[str], None],
        timeout_s: float,
        policy: PermissionPolicy,
        grants: Sequence[str],
    ) -> None:
        self._spool = spool
        self._log = log
        self._timeout_s = timeout_s
        self._policy = policy
        self._grants = list(grants)
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def ask(
        self, message_id: str, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]
    ) -> Decision:
        """The option that was chosen, or none if the turn ends first."""
        request = PermissionRequest(
            request_id=uuid.uuid4().hex,
            tool=line(tool, 100),
            title=line(title),
            input=brief(input, INPUT),
            options=tuple(map(_shown, options[:_OPTIONS])),
        )
        if len(input) > INPUT:
            self._log(f"{tool} asks for leave: {input}")
        ruling = rule_on(self._policy, self._grants, tool, input)
        if option := _by(ruling, options):
            return self._rule(message_id, request, ruling, option)
        asked = _asked(message_id, request, time.time() + self._timeout_s)
        return await self._ask(asked, request, options, grant_for(tool, input))

    def answer(self, request_id: str, answer: Answer) -> None:
        """Raises CommandRejected (404) when nobody waits for it (any more)."""
        waiting = self._open.get(request_id)
        if waiting is None or waiting.answered.done():
            raise CommandRejected("This request is not open: it was answered, or its turn is over.", status=404)
        if _option(waiting.request.options, answer.outcome) is None:
            offered = ", ".join(dict.fromkeys(option.kind for option in waiting.request.options))
            raise CommandRejected(f"The agent offers no '{answer.outcome}' here, only {offered}.", status=422)
        waiting.answered.set_result(answer)

    def cancel(self) -> None:
        """The turn ends: nobody has to answer any more."""
        for waiting in self._open.values():
            with suppress(asyncio.InvalidStateError):
                waiting.answered.set_result(None)

    def _rule(self, message_id: str, request: PermissionRequest, ruling: Ruling, option: PermissionOption) -> Decision:
        """Without asking anybody, but on record."""
        why = f"{ruling.verdict} = {ruling.rule}" if ruling.rule else f"default = {ruling.verdict}"
        answered = _answered(request, option.kind, by=POLICY, note=why)
        now = round(time.time(), 4)  # as frames are stamped: it must not be later than its own frame
        self._spool.add(_asked(message_id, request, now), answered)
        return Decision(option=option, note="" if ruling.verdict == "allow" else f"Not allowed to this bot: {why}.")

    async def _ask(
        self, asked: Frame, request: PermissionRequest, options: Sequence[PermissionOption], grant: str
    ) -> Decision:
        waiting = _Open(request, asyncio.get_running_loop().create_future())
        self._open[request.request_id] = waiting
        self._spool.add(asked)
        answer: Answer | None = None
        outcome: Outcome = "cancelled"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await waiting.answered
            outcome = answer.outcome if answer else "cancelled"
        except TimeoutError:
            outcome = "expired"
        finally:
            del self._open[request.request_id]
            by, note = (answer.by, answer.note) if answer else ("", "")
            added = self._grant(grant) if outcome == "allow_always" else ""
            self._spool.add(_answered(request, outcome, by=by, note=note, grant=added))
        if outcome == "expired":
            denial = _option(options, "reject_once", "reject_always")
            return Decision(option=denial, note=f"Nobody answered within {self._timeout_s:g} s.")
        if answer is None:
            return Decision(option=None)
        return Decision(option=_option(options, answer.outcome), note=answer.note)

    def _grant(self, rule: str) -> str:
        if rule and rule not in self._grants:
            self._grants = [*self._grants, rule][-MAX_GRANTS:]
        return rule


def _asked(message_id: str, request: PermissionRequest, expires_at: float) -> Frame:
    return {"type": "asked", "message_id": message_id, "request": encode(request), "expires_at": expires_at}


def _answered(request: PermissionRequest, outcome: Outcome, *, by: str, note: str, grant: str = "") -> Frame:
    answered = {"type": "answered", "request_id": request.request_id, "outcome": outcome, "by": by, "note": note}
    return {**answered, "grant": grant}


def _shown(option: PermissionOption) -> PermissionOption:
    """The agent is told its own words again, whatever they are."""
    return replace(option, option_id=line(option.option_id, 100), name=line(option.name, 100))


def _option(options: Sequence[PermissionOption], *kinds: OptionKind) -> PermissionOption | None:
    """The first that is offered."""
    return next((option for kind in kinds for option in options if option.kind == kind), None)


def _by(ruling: Ruling, options: Sequence[PermissionOption]) -> PermissionOption | None:
    """The answer of the policy; None where a human has to give it."""
    match ruling.verdict:
        case "allow":
            return _option(options, "allow_once", "allow_always")
        case "deny":
            return _option(options, "reject_once", "reject_always")
        case "ask":
            return None
