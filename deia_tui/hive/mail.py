"""What reaches a keeper: wishes of humans, reports of its run. Taken in the order in which they arrive, but that wishes
need not wait for a store that takes no report."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotSpec
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.core.frames import Frame
from deia_tui.engine.protocol import Ended, NotPlaced, Placed


@dataclass(frozen=True, slots=True)
class Wish:
    """A human's input, or that of scaling; `done` gets the refusal, if it is one. A Launch brings the spec to run.
    `also` is committed with it, all or none."""

    input: lc.Launch | lc.Stop | lc.Kill | lc.Restart
    done: asyncio.Future[None]
    spec: BotSpec | None = None
    also: ev.Event | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """What a message is sent for: `event` is committed with it, all or none; the lowest `priority` goes first."""

    event: ev.TaskAssigned | ev.LetterHanded
    priority: int

    @property
    def task_id(self) -> str:
        return self.event.task_id if isinstance(self.event, ev.TaskAssigned) else ""

    @property
    def letter_id(self) -> str:
        return self.event.letter_id if isinstance(self.event, ev.LetterHanded) else ""


@dataclass(frozen=True, slots=True)
class Send:
    """`done` gets the message's id once it is stored."""

    command: SendMessage
    done: asyncio.Future[str]
    errand: Errand | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take back what no run has been given yet; `done` gets the ids of those messages."""

    message_ids: frozenset[str]
    reason: str
    done: asyncio.Future[frozenset[str]]


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


Mail = Wish | Send | Withdraw | Frames | Probed | Undeliverable | Placed | NotPlaced | Ended | lc.Ready | lc.Tick


class Inbox:
    def __init__(self) -> None:
        self._mail: asyncio.Queue[Mail] = asyncio.Queue()
        self._held: deque[Mail] = deque()

    def put(self, mail: Mail) -> None:
        self._mail.put_nowait(mail)

    async def get(self, wait_s: float | None) -> Mail | None:
        """The next; None when there is none in time."""
        if self._held:
            return self._held.popleft()
        try:
            async with asyncio.timeout(wait_s):
                return await self._mail.get()
        except TimeoutError:
            return None

    async def get_wish(self, wait_s: float) -> Wish | Send | None:
        """The next that a human wants, before the reports that came earlier; None when there is none in time."""
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                while True:
                    mail = await self._mail.get()
                    if isinstance(mail, Wish | Send):
                        return mail
                    self._held.append(mail)
        except TimeoutError:
            return None


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
