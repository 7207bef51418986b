"""The seam between the supervisor and whatever makes bot processes: place, end and watch runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deia_tui.core.bots import BotSpec, ExitRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An order to start one run. `nonce` marks its processes, `token` opens its service, `env` is its agent's;
    `session` is the conversation to go on with, `grants` what a human allowed for always, `folder` where it works if
    that is not for its spec to say."""

    spec: BotSpec
    run: int
    nonce: str
    token: str
    env: dict[str, str]
    session: str = ""
    grants: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A run that exists; `spec` where the node can tell it."""

    bot_id: str
    run: int
    nonce: str
    token: str
    pid: int
    start_ticks: int
    port: int
    spec: BotSpec | None = None


@dataclass(frozen=True, slots=True)
class NotPlaced:
    bot_id: str
    run: int
    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A run ended; repeated by the engine until `forget`."""

    bot_id: str
    run: int
    exit: ExitRecord
    stderr_tail: tuple[str, ...]

    @property
    def seen(self) -> bool:
        """Does anybody know how it ended?"""
        return self.exit.code is not None or self.exit.signal is not None


@dataclass(frozen=True, slots=True)
class Sampled:
    """`bots`: id → (CPU in % of one core, resident memory in MB, processes, threads), summed over the tree."""

    at: float
    bots: dict[str, tuple[float, float, int, int]]


@dataclass(frozen=True, slots=True)
class NodeLost:
    """The process that owns the bots is gone; the bots may live."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class NodeFound:
    """A node serves: these runs live, these ended and were not forgotten yet."""

    pid: int
    runs: Sequence[Placed]
    ended: Sequence[Ended]


EngineEvent = Placed | NotPlaced | Ended | Sampled | NodeLost | NodeFound


class Engine(Protocol):
    """Requests return at once; what becomes of them arrives as events, in order, in the loop that called `open`."""

    async def open(self, listen: Callable[[EngineEvent], None]) -> NodeFound:
        """Find or start the node. Raises ConfigError when that is impossible here."""

    def place(self, placement: Placement) -> None: ...

    def signal(self, bot_id: str, run: int, signum: int) -> None: ...

    def kill(self, bot_id: str, run: int) -> None:
        """SIGKILL to everything the run started."""

    def forget(self, bot_id: str, run: int) -> None:
        """The exit is committed."""

    def is_lost(self, bot_id: str, run: int) -> bool:
        """Is it certain, now, that no node has this run, starts it, or has told its end?"""

    async def close(self, *, retire: bool) -> None:
        """Let go of the node; with `retire` it ends as soon as it has no bots."""
