"""The agent for every program that speaks the Agent Client Protocol (https://agentclientprotocol.com) on stdin and
stdout. It keeps the program between turns and tells when it is lost; to start it again is the bot's affair."""

import asyncio

from acp import RequestError, schema
from pydantic import ValidationError

from deia_tui.bot.agents.acp import failures
from deia_tui.bot.agents.acp.peer import Peer
from deia_tui.bot.agents.acp.requests import Requests
from deia_tui.bot.agents.acp.session import enter, short_name
from deia_tui.bot.agents.acp.updates import Updates
from deia_tui.bot.agents.companion import Companion
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.program import NotStarted
from deia_tui.bot.agents.protocol import AgentFailed, Opened, Turn, TurnResult
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Failure

OPEN_S = 30.0
"""How long an agent may take to answer what comes before the first prompt, each time."""
_INTERRUPTED = TurnResult(status="interrupted", error="interrupted", stop_reason="cancelled")


class Acp:
    def __init__(self, means: Means, *, patience_s: float = OPEN_S) -> None:
        self._means = means
        self._patience_s = patience_s
        self._companion: Companion | None = None
        self._peer: Peer | None = None
        self._session = ""
        self._cancelling: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._peer is not None and not self._peer.over

    async def ended(self) -> str:
        assert self._peer, "there is a program to wait for once it was opened"
        return await self._peer.ended()

    async def open(self, session: str) -> Opened:
        spec, place = self._means.spec, self._means.place
        argv = _command_line(spec)
        place.prepare()
        try:
            self._companion = await Companion.start(argv, place, self._means.children, self._means.log)
        except NotStarted as error:
            raise ConfigError(f"Agent '{spec.name}' cannot start: {error}.") from error
        try:
            self._peer = Peer(self._companion, self._means.log)
            opened = await enter(self._peer, self._means, session, patience_s=self._patience_s)
        except BaseException:
            await self.close()
            raise
        self._session = opened.session
        return opened

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        peer, companion = self._peer, self._companion
        assert peer and companion, "it was opened"
        updates = Updates(turn, peer.ledger, peer.model)
        requests = Requests(turn, updates)
        self._cancelling = None
        peer.begin(self._session, updates, requests)
        try:
            with companion.turn(turn.warn):
                result = await _ask(peer, self._session, text, updates)
        finally:
            requests.cancel()
            peer.finish()
            if self._cancelling:
                self._cancelling.cancel()
        return _INTERRUPTED if self._cancelling else result

    def cancel(self) -> None:
        if self._peer and self._peer.in_turn and not self._cancelling:
            self._cancelling = asyncio.create_task(self._peer.cancel(self._session))

    async def close(self) -> None:
        peer, companion = self._peer, self._companion
        self._peer = self._companion = None
        if peer:
            await peer.close()
        if companion:
            await companion.close()


async def _ask(peer: Peer, session: str, text: str, updates: Updates) -> TurnResult:
    block = schema.TextContentBlock(type="text", text=text)
    request = schema.PromptRequest(session_id=session, prompt=[block])
    response: schema.PromptResponse | None = None
    try:
        response = await peer.call("session/prompt", request, schema.PromptResponse)
    except RequestError as error:
        result, is_lost = failures.of_error(error)
        if is_lost:
            peer.give_up(f"it lost the process behind it: {result.error}")
    except AgentFailed as error:
        result = TurnResult(status="failed", error=str(error), failure=Failure.OUTAGE)
    except ValidationError:
        why = "the agent answered a prompt with what is no answer to one"
        result = TurnResult(status="failed", error=why, failure=Failure.ERROR)
    has_used = updates.finish(response)
    return _ended(response, updates, has_used=has_used) if response else result


def _command_line(spec: AgentSpec) -> tuple[str, ...]:
    """With the model in it, if that is where the program wants it."""
    if not spec.argv:
        raise ConfigError(f"Agent '{spec.name}' has no argv: declare its command line in hive.toml.")
    if not spec.model and any("{model}" in word for word in spec.argv):
        raise ConfigError(f"Agent '{spec.name}' needs a model for its command line: name one in hive.toml.")
    return tuple(word.replace("{model}", short_name(spec.model)) for word in spec.argv)


def _ended(response: schema.PromptResponse, updates: Updates, *, has_used: bool) -> TurnResult:
    reason = response.stop_reason
    match reason:
        case "cancelled":
            return TurnResult(status="interrupted", error="the agent cancelled the turn", stop_reason=reason)
        case "refusal":
            return TurnResult(
                status="failed", error="the model refused to answer", failure=Failure.REQUEST, stop_reason=reason
            )
        case "end_turn" if not has_used and not updates.used_tools:
            failed = failures.of_answer(updates.text, response.field_meta)
            return failed or TurnResult(status="answered", stop_reason=reason)
        case _:
            return TurnResult(status="answered", stop_reason=reason)


def acp(means: Means) -> Acp:
    return Acp(means)
