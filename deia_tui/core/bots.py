"""What a bot is: the agent it drives, how it was declared, how a run of it ended."""

import signal
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from deia_tui.core.turns import PermissionPolicy


class BotState(StrEnum):
    """Where a bot is in its life (supervisord's words)."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXITED = "exited"
    FATAL = "fatal"


LIVE = frozenset({BotState.STARTING, BotState.RUNNING, BotState.STOPPING})
"""A process exists, or is being made."""
OFF = frozenset({BotState.STOPPED, BotState.EXITED, BotState.FATAL})
"""Nothing happens until a human says so."""


class Activity(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    ASKING = "asking"


class Health(StrEnum):
    OK = "ok"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class RestartPolicy(StrEnum):
    """Which exits are followed by a restart (OTP's words): every one, abnormal ones, none."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent program: `name` as declared in hive.toml, `kind` chooses the adapter: shell, command, acp, claude or one
    that another package brings.

    Its environment is not here: specs are stored, and the values may be secrets.

    `prompt` and `output` are for commands: `jsonl` picks the answer out of JSON lines by `fields`, (what, path) pairs.
    `mode` is the ACP session mode to ask for. `provider` names whose API it uses, for all bots that must wait when it
    is overloaded; "" for none. A command's turn may take `timeout_s`. A turn in which nothing happens for
    `idle_timeout_s` has failed, or for `timeout_s` if that is longer and a tool is at work; a permission that nobody
    gives in `approval_timeout_s` is denied. `options` is JSON for other adapters.
    """

    name: str
    kind: str
    argv: tuple[str, ...] = ()
    model: str = ""
    mode: str = ""
    provider: str = ""
    prompt: Literal["stdin", "argument", "file"] = "stdin"
    output: Literal["text", "jsonl"] = "text"
    fields: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 600.0
    idle_timeout_s: float = 300.0
    approval_timeout_s: float = 300.0
    permissions: PermissionPolicy = PermissionPolicy()
    options: str = "{}"


def idle_timeout_of(kind: str, timeout_s: float) -> float:
    """Where nobody says otherwise. A program that runs once a message may be silent until it is done."""
    return timeout_s if kind in ("shell", "command") else 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpec:
    """A bot as declared: everything needed to run it, and nothing that changes while it runs.

    `memory_mb` is the alert limit, above `memory_max_mb` the whole process tree is killed; `nice` is added to the bot's
    and its agent's niceness;
    `work_grace_s` is how long a graceful stop lets the current work go on before it is interrupted.
    `workdir` is absolute, or "" for a folder of the bot's own under `.deia/run/work/`. With `worktree` the bot works in
    a git worktree of its own of the repository there, which is removed when it is stopped if `worktree_at_stop` says so
    and nothing in it is uncommitted. `budget_usd` is what it may spend a day (UTC).
    """

    bot_id: str
    agent: AgentSpec
    template: str | None = None
    workdir: str = ""
    worktree: bool = False
    worktree_at_stop: Literal["keep", "remove"] = "keep"
    budget_usd: float | None = None
    memory_mb: float = 500.0
    memory_max_mb: float | None = None
    nice: int = 0
    restart: RestartPolicy = RestartPolicy.PERMANENT
    work_grace_s: float = 8.0


StopReason = Literal["stopped", "drained", "all stopped", "all drained", "not needed"]
"""Why a graceful stop ends a bot: it alone or with all others, after the current work or after all of it; or scaling
has no work for it."""
NOT_NEEDED: StopReason = "not needed"
DRAINS: frozenset[str] = frozenset({"drained", "all drained", NOT_NEEDED})
WITH_ALL: frozenset[str] = frozenset({"all stopped", "all drained"})
DRAIN_SIGNAL = signal.SIGUSR1
"""Tells a bot to end after all work it has accepted, as SIGTERM tells it to end soon."""
REBOOTED = "rebooted"
"""The reason of an exit that nobody saw because the machine went down."""
_WANTED: frozenset[str] = frozenset({*get_args(StopReason), "restarted", "killed", REBOOTED})
"""Reasons of exits that say nothing against the bot."""
CANNOT_START = 78
"""Exit code (EX_CONFIG of sysexits.h) of a bot whose operator must change something first: it is not started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How a run ended: exactly one of `code` and `signal` (a name like SIGKILL), or neither when nobody saw it.

    `at` is unix seconds; `reason` is why it was ended (a StopReason, `killed`, `hung`, `rebooted`, …; `oom`: by its
    host, for want of memory) or "".
    """

    at: float
    code: int | None = None
    signal: str | None = None
    reason: str = ""

    @property
    def clean(self) -> bool:
        return self.code == 0

    @property
    def expected(self) -> bool:
        """It was clean, or nothing the bot could help."""
        return self.clean or self.reason in _WANTED

    def __str__(self) -> str:
        if self.signal:
            return self.signal
        return "exit unknown" if self.code is None else f"exit {self.code}"


def spec_to_json(spec: BotSpec) -> dict[str, Any]:
    return asdict(spec)


def spec_from_json(data: dict[str, Any]) -> BotSpec:
    """Raises KeyError, TypeError or ValueError where `data` is no spec."""
    agent = dict(data["agent"])
    agent["argv"] = tuple(agent.get("argv", ()))
    agent["fields"] = tuple((what, path) for what, path in agent.get("fields", ()))
    policy = agent.pop("permissions", {})
    lists = {name: tuple(policy.get(name, ())) for name in ("allow", "deny")}
    agent["permissions"] = PermissionPolicy(**{**policy, **lists})
    agent.pop("env", None)  # version 0.1 stored it
    agent.setdefault("idle_timeout_s", idle_timeout_of(agent["kind"], agent.get("timeout_s", 600.0)))
    restart = RestartPolicy(data.get("restart", RestartPolicy.PERMANENT))
    return BotSpec(**{**data, "agent": AgentSpec(**agent), "restart": restart})
