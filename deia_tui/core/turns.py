"""What an agent does in a turn, in the words of the Agent Client Protocol (https://agentclientprotocol.com): the same
for every agent program, in the bot, in the store and on the screen."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

StopReason = Literal["", "end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]
"""Why the agent ended its turn; "" where it does not tell."""


class Failure(StrEnum):
    """What kind of failure a turn ended in, as far as different things follow from it."""

    AUTHENTICATION = "authentication"
    """401, 403, not logged in: nothing works before a human acts."""
    OVERLOAD = "overload"
    """429, 529: the provider wants everybody to wait."""
    OUTAGE = "outage"
    """5xx, a stalled or cut stream, an agent that died: it may work the next time."""
    REQUEST = "request"
    """400, a refusal, a command that does not exist: this message is at fault, the agent is well."""
    BUDGET = "budget"
    """What may be spent is spent: the bot's budget of the day, which cuts the turn, or the credit with its provider."""
    ERROR = "error"
    """The agent says that it failed, and not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one or more requests to a model since the last report; `cost_usd` is what the agent says they cost.

    `input_tokens` does not contain those read from or written to the provider's cache.
    """

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None


ToolKind = Literal["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"]
ToolStatus = Literal["pending", "in_progress", "completed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A change of one file; `old` is "" for a new one."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool the agent uses, as far as it is known by now. `tool` is the tool's name, `title` one line of what it does,
    `input` and `output` are text, shortened by the bot; `duration_s` counts from its start and is set once it ended."""

    call_id: str
    tool: str
    title: str
    kind: ToolKind = "other"
    status: ToolStatus = "pending"
    input: str = ""
    output: str = ""
    diffs: tuple[Diff, ...] = ()
    duration_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Has its end not been told?"""
        return self.status in ("pending", "in_progress")

    def closed(self) -> "ToolCall":
        """As an open one stands once its turn is over."""
        return replace(self, status="failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    content: str
    status: Literal["pending", "in_progress", "completed"] = "pending"
    priority: Literal["high", "medium", "low"] = "medium"


OptionKind = Literal["allow_once", "allow_always", "reject_once", "reject_always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionOption:
    """One of the answers an agent would take; chosen by `kind`, told to the agent as `option_id`."""

    option_id: str
    name: str
    kind: OptionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequest:
    """What an agent wants to do and does not without leave. `input` is text, shortened by the bot."""

    request_id: str
    tool: str
    title: str
    input: str
    options: tuple[PermissionOption, ...]


Outcome = Literal["allow_once", "allow_always", "reject_once", "reject_always", "cancelled", "expired"]
"""How a request ended: by an answer, with its turn, or because nobody answered in time, which denies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionPolicy:
    """What becomes of a request before a human is asked: the first of `deny`, `allow`, `default` that fits.

    A rule is the name of a tool, alone or with a pattern for its input: `Read`, `Bash(git status*)`, `mcp__*`.
    """

    default: Literal["ask", "allow", "deny"] = "ask"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
