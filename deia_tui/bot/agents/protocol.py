"""What a bot needs of an agent, whichever program is behind it."""

from dataclasses import dataclass
from typing import Literal, Protocol

Status = Literal["answered", "failed", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """How a turn ended; `error` is one sentence unless it was answered.

    `refused` marks a failure that says nothing about the agent's health.
    """

    status: Status
    error: str = ""
    refused: bool = False


class Emit(Protocol):
    """Where an agent puts what it says during a turn; never waits, never fails."""

    def output(self, data: bytes) -> None:
        """A piece of the answer: UTF-8, cut anywhere."""

    def warn(self, data: bytes) -> None:
        """A piece of the lines the agent wrote beside its answer."""

    def remark(self, sentence: str) -> None:
        """What the operator should know of how this is relayed."""

    def drop(self, count: int) -> None:
        """So many bytes of what the agent wrote come no more."""


class Agent(Protocol):
    """One turn at a time; all methods are called from the bot's event loop."""

    async def start(self) -> None:
        """Be able to take prompts, or raise ConfigError with a sentence for the operator."""

    async def prompt(self, text: str, emit: Emit) -> TurnResult:
        """Answer one message; what goes wrong is a result, not an exception."""

    def cancel(self) -> None:
        """End the turn under way, which returns `interrupted` within 2 s; without one, nothing."""
