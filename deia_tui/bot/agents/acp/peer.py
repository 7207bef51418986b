"""The other end of an ACP connection, once its program runs: what it is asked, and what it reports and asks in a turn.
Every way in which it can stop answering becomes AgentFailed with one sentence."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from acp import RequestError, schema
from acp.connection import Connection
from pydantic import BaseModel, ValidationError

from deia_tui.bot.agents.acp.requests import Requests
from deia_tui.bot.agents.acp.tokens import Ledger
from deia_tui.bot.agents.acp.updates import Updates
from deia_tui.bot.agents.acp.wire import Wire
from deia_tui.bot.agents.companion import Companion
from deia_tui.bot.agents.protocol import AgentFailed

Answer = TypeVar("Answer", bound=BaseModel)


class Peer:
    def __init__(self, companion: Companion, log: Callable[[str], None]) -> None:
        self._companion = companion
        self._wire = Wire(companion, log)
        self._connection = Connection(self._hear, self._wire)
        self.ledger = Ledger()
        self.model = ""
        """What it said it uses."""
        self._session = ""
        self._updates: Updates | None = None
        self._requests: Requests | None = None

    @property
    def over(self) -> bool:
        return self._wire.over.is_set() or not self._companion.running

    @property
    def in_turn(self) -> bool:
        return self._updates is not None

    async def ended(self) -> str:
        """Wait until nothing more can be asked; returns why."""
        await self._wire.over.wait()
        return self._companion.how or self._wire.why

    def give_up(self, why: str) -> None:
        self._wire.give_up(why)

    async def call_raw(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Raises RequestError, and AgentFailed when there will be no answer."""
        try:
            result = await self._connection.send_request(method, params)
        except ConnectionError as error:
            await self._wire.over.wait()
            raise AgentFailed(self._wire.why) from error
        return result if isinstance(result, dict) else {}

    async def call(self, method: str, request: BaseModel, answer: type[Answer]) -> Answer:
        """The same; raises ValidationError as well, for an answer that is none."""
        params = request.model_dump(mode="json", by_alias=True, exclude_none=True)
        return answer.model_validate(await self.call_raw(method, params))

    def begin(self, session: str, updates: Updates, requests: Requests) -> None:
        """From now on, what it reports and asks belongs to this turn."""
        self._session, self._updates, self._requests = session, updates, requests

    def finish(self) -> None:
        self._updates = self._requests = None

    async def cancel(self, session: str) -> None:
        """End the turn: requests for leave are answered first, without which some agents wait for ever."""
        if self._requests:
            await self._requests.cancelled()
        with suppress(ConnectionError):
            await self._connection.send_notification("session/cancel", {"sessionId": session})

    async def close(self) -> None:
        self._wire.give_up("the agent was ended")
        await self._connection.close()

    async def _hear(self, method: str, params: Any, is_notification: bool) -> Any:
        match method:
            case "session/update":
                self._hear_update(params)
                return None
            case "session/request_permission":
                return await self._hear_request(params)
            case _ if is_notification:
                return None
            case _:
                raise RequestError.method_not_found(method)

    def _hear_update(self, params: Any) -> None:
        """Of what comes outside a turn, only what an earlier conversation has cost is of interest."""
        try:
            notification = schema.SessionNotification.model_validate(_with_name(params, "update"))
        except ValidationError:
            return  # one of a newer version of the protocol
        if self._updates and notification.session_id == self._session:
            self._updates.take(notification.update)
        elif not self._session and isinstance(notification.update, schema.UsageUpdate):
            self.ledger.added(notification.update.cost)

    async def _hear_request(self, params: Any) -> schema.RequestPermissionResponse:
        request = schema.RequestPermissionRequest.model_validate(_with_name(params, "toolCall"))
        if self._requests is None or request.session_id != self._session:
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        return await self._requests.ask(request)


def _with_name(params: Any, key: str) -> Any:
    """Newer agents tell the name of a tool in a field that our version of the protocol does not have."""
    call = params.get(key) if isinstance(params, dict) else None
    if isinstance(call, dict) and isinstance(call.get("name"), str):
        call.setdefault("_meta", {"name": {"toolName": call["name"]}})
    return params
