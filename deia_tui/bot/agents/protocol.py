"""What a bot needs of an agent, whichever program is behind it; the vocabulary is that of `core/turns.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from deia_tui.core.turns import Failure, PermissionOption, PlanEntry, StopReason, ToolCall, Usage

Status = Literal["answered", "failed", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """How a turn ended; `error` is one sentence unless it was answered, `failure` is set if it failed.

    `retry_after_s` is how long the provider wants to be left alone.
    """

    status: Status
    error: str = ""
    failure: Failure | None = None
    retry_after_s: float | None = None
    stop_reason: StopReason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The agent takes prompts. `session` is what its conversation can be resumed by, "" where there is no such thing;
    `resumed`: it is the one that was asked for; if it is not, `note` says why in one sentence."""

    session: str = ""
    resumed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to a request for leave: the option that was chosen, None when the turn is cancelled. `note` is what a
    human wants the agent to know."""

    option: PermissionOption | None
    note: str = ""

    @property
    def allows(self) -> bool:
        return self.option is not None and self.option.kind in ("allow_once", "allow_always")


class Emit(Protocol):
    """Where a program puts what it writes during a turn; never waits, never fails."""

    def output(self, data: bytes) -> None:
        """A piece of the answer: UTF-8, cut anywhere."""

    def warn(self, data: bytes) -> None:
        """A piece of the lines the agent wrote beside its answer."""

    def remark(self, sentence: str) -> None:
        """What the operator should know of how this is relayed."""

    def drop(self, count: int) -> None:
        """So many bytes of what the agent wrote come no more."""


class Turn(Emit, Protocol):
    """Where an agent puts what it does during a turn. Texts may be of any size: the bot shortens them."""

    def thought(self, text: str) -> None:
        """A piece of what it thinks."""

    def tool(self, call: ToolCall) -> None:
        """All that is known of a tool call by now; of its `duration_s` the bot takes care."""

    def plan(self, entries: Sequence[PlanEntry]) -> None:
        """Its whole plan."""

    def usage(self, usage: Usage) -> None:
        """What was used since the last report."""

    def degraded(self, reason: str) -> None:
        """It has trouble and goes on."""

    def session(self, session: str) -> None:
        """From now on the conversation can be resumed by this: for agents that learn it in a turn only."""

    async def ask(self, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]) -> Decision:
        """Leave to do something, from the bot's policy or from a human; denied when nobody answers in time."""


class Agent(Protocol):
    """One turn at a time; all methods are called from the bot's event loop.

    A program that is kept between turns is watched by the bot: when it ended by itself (`running` is False), or does
    not end a turn soon after `cancel`, the bot calls `close`, at which `prompt` has to return, and `open` again with
    the last session.
    """

    @property
    def running(self) -> bool:
        """Can a prompt be taken? Without a program that is kept, always."""

    async def ended(self) -> str:
        """Wait for the end of the program that is kept; returns how it ended ("SIGKILL"). Without one, never."""

    async def open(self, session: str) -> Opened:
        """Be able to take prompts, in the conversation `session` if that can be. Raises ConfigError with a sentence for
        the operator when it will not work before something is changed, AgentFailed when it may work the next time."""

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        """Answer one message; what goes wrong is a result, not an exception."""

    def cancel(self) -> None:
        """End the turn under way, which returns `interrupted` within 2 s; without one, nothing."""

    async def close(self) -> None:
        """End the program that is kept, within 2 s. Whatever it started is the bot's to end."""


class AgentFailed(Exception):
    """An agent program that does not do what it should: one sentence."""
