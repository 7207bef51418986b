"""What reaches a keeper: wishes of humans, reports of its run. Taken in the order in which they arrive."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotSpec
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.core.frames import Frame
from deia_tui.engine.protocol import Ended, NotPlaced, Placed


@dataclass(frozen=True, slots=True)
class Wish:
    """A human's input; `done` gets the refusal, if it is one. A Launch brings the spec to run."""

    input: lc.Launch | lc.Stop | lc.Kill | lc.Restart
    done: asyncio.Future[None]
    spec: BotSpec | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """`done` gets the message's id once it is stored."""

    command: SendMessage
    done: asyncio.Future[str]


@dataclass(frozen=True, slots=True)
class Frames:
    """`done` is set once they are committed."""

    run: int
    frames: Sequence[Frame]
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Probed:
    """`error` is None when `/health` answered."""

    run: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The bot will never take this message."""

    message_id: str
    reason: str


Mail = Wish | Send | Frames | Probed | Undeliverable | Placed | NotPlaced | Ended | lc.Ready | lc.Tick

Result = TypeVar("Result")


async def answer(done: asyncio.Future[Result], work: Awaitable[Result]) -> None:
    """Give the asker the result, or the reason why there is none."""
    try:
        result = await work
    except CommandRejected as refusal:
        if not done.done():
            done.set_exception(refusal)
    else:
        if not done.done():
            done.set_result(result)
