"""The company a keeper gives a run while it lives: listens to it, hands it messages, asks how it is."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from deia_tui.core import lifecycle as lc
from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.frames import Frame
from deia_tui.hive.clock import Clock
from deia_tui.hive.link import Link
from deia_tui.hive.mail import Frames, Mail, Probed, Undeliverable
from deia_tui.hive.outbox import Next, Outbox
from deia_tui.settings import LivenessSection

ADOPT_RETRY_S = 0.2


class Attendance:
    """Of one run, from its port being known to its end. Everything it learns goes to the keeper by `put`."""

    def __init__(
        self,
        clock: Clock,
        put: Callable[[Mail], None],
        *,
        run: int,
        port: int,
        token: str,
        after: int,
    ) -> None:
        self._clock = clock
        self._put = put
        self._run = run
        self.link = Link(port=port, token=token, after=after, take=self._take)
        self.serves = False
        self._is_adopted = False
        self._tasks: list[asyncio.Task[None]] = []
        self._delivering: asyncio.Task[None] | None = None
        self._begin(self.link.follow())

    def serve(self, outbox: Outbox, next_one: Next, liveness: LivenessSection) -> None:
        """It is up: hand over what waits, as `next_one` tells, and look after it."""
        self.serves = True
        self._delivering = self._begin(self._deliver(outbox, next_one))
        self._begin(self._probe(liveness))

    def withhold(self) -> None:
        """Hand over nothing more: what waits is for the next run."""
        if self._delivering is not None:
            self._delivering.cancel()

    def await_health(self, liveness: LivenessSection) -> None:
        """For a run that said `ready` to somebody else, long ago: ask it instead."""
        self._is_adopted = True
        self._begin(self._until_healthy(liveness.timeout_s))

    def interrupt(self) -> None:
        """End the turn under way; a bot that does not hear it ends it some other way."""
        self._begin(self._interrupt())

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(work))
        return self._tasks[-1]

    async def _deliver(self, outbox: Outbox, next_one: Next) -> None:
        while self._is_adopted:  # by somebody else it was given what nobody has written down yet
            try:
                await self.link.catch_up()
                break
            except (CommandRejected, BotUnreachable):
                await asyncio.sleep(ADOPT_RETRY_S)
        await outbox.deliver(self.link, next_one, lambda *refused: self._put(Undeliverable(*refused)))

    async def _interrupt(self) -> None:
        with contextlib.suppress(CommandRejected, BotUnreachable):
            await self.link.post("/interrupt")

    async def _take(self, frames: Sequence[Frame]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(Frames(self._run, frames, done))
        await done

    async def _probe(self, liveness: LivenessSection) -> None:
        await asyncio.sleep(random.uniform(0, liveness.period_s))
        while True:
            self._put(Probed(self._run, await self._ask(liveness.timeout_s)))
            await asyncio.sleep(liveness.period_s)

    async def _until_healthy(self, timeout_s: float) -> None:
        while await self._ask(timeout_s) is not None:
            await asyncio.sleep(ADOPT_RETRY_S)
        self._put(lc.Ready(self._run))

    async def _ask(self, timeout_s: float) -> str | None:
        """What is wrong with it, or None. An answer we had no time to read is asked for again."""
        while True:
            lapses = self._clock.lapses
            try:
                await self.link.probe(timeout_s)
            except BotUnreachable as error:
                self._clock.now()  # notices a lapse that has just ended
                if self._clock.lapses == lapses:
                    return str(error)
            else:
                return None
