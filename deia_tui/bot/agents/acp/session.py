"""How a conversation with an ACP agent begins: who it is, the old session or a new one, the model and the mode."""

import asyncio
from dataclasses import dataclass
from typing import Any

from acp import PROTOCOL_VERSION, RequestError, schema
from pydantic import ValidationError

from deia_tui.bot.agents.acp import failures
from deia_tui.bot.agents.acp.peer import Peer
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.protocol import AgentFailed, Opened
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Failure

_UNKNOWN = ("default", "auto")
"""What an agent calls its model that does not tell it."""
_ABOUT_US = schema.Implementation(name="deia-tui", version="1")


async def enter(peer: Peer, means: Means, session: str, *, patience_s: float) -> Opened:
    """In the conversation `session`, or a new one. Raises ConfigError or AgentFailed."""
    entry = _Entry(peer, means, patience_s)
    try:
        capabilities = await entry.introduce()
        opened, offer = await entry.enter(session, capabilities)
        peer.model = await entry.choose_model(opened.session, offer)
        await entry.choose_mode(opened.session, offer)
    except RequestError as error:
        raise entry.refusal(error) from error
    except ValidationError as error:
        raise AgentFailed(f"{entry.name} answers with what is no answer in its protocol.") from error
    return opened


def short_name(model: str) -> str:
    """`anthropic/claude-opus-latest` is, to an agent of one provider, what follows the last slash."""
    return model.rsplit("/", 1)[-1]


class _Entry:
    """The steps of it, each of which may take `patience_s`."""

    def __init__(self, peer: Peer, means: Means, patience_s: float) -> None:
        self.name = f"Agent '{means.spec.name}'"
        self._peer = peer
        self._means = means
        self._patience_s = patience_s

    async def introduce(self) -> schema.AgentCapabilities:
        request = schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(),
            client_info=_ABOUT_US,
        )
        answer = await self._call("initialize", request.model_dump(mode="json", by_alias=True, exclude_none=True))
        response = schema.InitializeResponse.model_validate(answer)
        if response.protocol_version != PROTOCOL_VERSION:
            raise ConfigError(
                f"{self.name} speaks version {response.protocol_version} of the Agent Client Protocol, and not "
                f"{PROTOCOL_VERSION}: install a version of '{self._means.spec.argv[0]}' that does."
            )
        return response.agent_capabilities or schema.AgentCapabilities()

    async def enter(self, session: str, capabilities: schema.AgentCapabilities) -> tuple[Opened, dict[str, Any]]:
        note = ""
        if session:
            method = _way_back(capabilities)
            if method is None:
                note = "This agent cannot go on with an earlier conversation: a new one begins."
            else:
                try:
                    offer = await self._call(method, {"sessionId": session, **self._where})
                    return Opened(session=session, resumed=True), offer
                except RequestError as error:
                    if error.code == failures.AUTH_REQUIRED:
                        raise
                    note = f"The conversation cannot be resumed ({failures.sentence_of(error)}): a new one begins."
        offer = await self._call("session/new", self._where)
        return Opened(session=schema.NewSessionResponse.model_validate(offer).session_id, note=note), offer

    async def choose_model(self, session: str, offer: dict[str, Any]) -> str:
        """As a session's option, or by the older way of a method of its own; returns what is used, "" for who knows."""
        wanted = self._means.spec.model
        option, models = _option(offer, "model"), _models(offer)
        if not wanted:
            current = option.current if option else models.current
            return "" if current in _UNKNOWN else current
        if any("{model}" in word for word in self._means.spec.argv):
            return wanted  # it was told when it was started
        if option:
            await self._set_option(session, option, self._offered("model", (wanted, short_name(wanted)), option.values))
        elif models.values:
            model = self._offered("model", (wanted, short_name(wanted)), models.values)
            await self._call("session/set_model", {"sessionId": session, "modelId": model})
        else:
            self._means.log(f"{self.name} lets nobody choose its model: '{wanted}' was not passed on.")
        return wanted

    async def choose_mode(self, session: str, offer: dict[str, Any]) -> None:
        wanted = self._means.spec.mode
        if not wanted:
            return
        if modes := schema.LoadSessionResponse.model_validate(offer).modes:
            mode = self._offered("mode", (wanted,), [each.id for each in modes.available_modes])
            await self._call("session/set_mode", {"sessionId": session, "modeId": mode})
        elif option := _option(offer, "mode"):
            await self._set_option(session, option, self._offered("mode", (wanted,), option.values))
        else:
            raise ConfigError(f"{self.name} has no modes: remove mode = '{wanted}' from its declaration.")

    def refusal(self, error: RequestError) -> ConfigError | AgentFailed:
        result, _ = failures.of_error(error)
        if result.failure is Failure.AUTHENTICATION:
            program = self._means.spec.argv[0]
            return ConfigError(
                f"{self.name} is not logged in ({result.error}): log in with '{program}', or set its key."
            )
        return AgentFailed(f"{self.name} cannot begin: {result.error}.")

    @property
    def _where(self) -> dict[str, Any]:
        return {"cwd": str(self._means.place.folder.absolute()), "mcpServers": []}

    def _offered(self, what: str, wanted: tuple[str, ...], offered: list[str]) -> str:
        for value in wanted:
            if value in offered:
                return value
        raise ConfigError(f"{self.name} offers no {what} '{wanted[0]}', only {', '.join(offered)[:300]}.")

    async def _set_option(self, session: str, option: "_Option", value: str) -> None:
        params = {"sessionId": session, "configId": option.option_id, "value": value}
        await self._call("session/set_config_option", params)

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._peer.call_raw(method, params)
        except TimeoutError:
            raise AgentFailed(f"{self.name} did not answer '{method}' within {self._patience_s:g} s.") from None
        except AgentFailed as error:
            raise AgentFailed(f"{self.name} cannot begin: {error}.") from error


def _way_back(capabilities: schema.AgentCapabilities) -> str | None:
    """The method by which an earlier session is entered; the second replays it, which nobody listens to."""
    if capabilities.session_capabilities and capabilities.session_capabilities.resume is not None:
        return "session/resume"
    return "session/load" if capabilities.load_session else None


@dataclass(frozen=True, slots=True)
class _Option:
    option_id: str
    values: list[str]
    current: str = ""


def _option(offer: dict[str, Any], category: str) -> _Option | None:
    """A choice the session offers."""
    for option in schema.LoadSessionResponse.model_validate(offer).config_options or ():
        if isinstance(option, schema.SessionConfigOptionSelect) and category in (option.category, option.id):
            values = [value for each in option.options for value in _values(each)]
            return _Option(option.id, values, option.current_value)
    return None


def _values(option: schema.SessionConfigSelectOption | schema.SessionConfigSelectGroup) -> list[str]:
    if isinstance(option, schema.SessionConfigSelectGroup):
        return [each.value for each in option.options]
    return [option.value]


def _models(offer: dict[str, Any]) -> _Option:
    """Not in the protocol any more, and still what some agents offer."""
    models = offer.get("models")
    if not isinstance(models, dict) or not isinstance(listed := models.get("availableModels"), list):
        return _Option("models", [])
    values = [str(each.get("modelId")) for each in listed if isinstance(each, dict)]
    return _Option("models", values, str(models.get("currentModelId", "")))
