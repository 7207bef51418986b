"""Reads what the selected bot said and did: everything at first, then what is new by sequence number; a few looks at
once, so that an answer begins without delay, and paced when it goes on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deia_tui.core.client import ChatTurn, HiveClient, Recorded
from deia_tui.core.errors import DeiaError
from deia_tui.core.state import Snapshot

FIRST_PAGE, BATCH = 500, 1000
"""Events to begin with; and more than BATCH between two looks: the panes start over from the end."""

HURRIED = 6
"""So many looks may follow one another without a pause; each pause of `pace_s` gives one back."""
_AFTER_AN_ERROR_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bot's conversation and its newest events; `news` is what came after `turns` were read."""

    bot_id: str | None
    turns: Sequence[ChatTurn] = ()
    recorded: Sequence[Recorded] = ()
    news: Sequence[Recorded] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    bot_id: str
    recorded: Sequence[Recorded]


class Feed:
    """`select` and `wake` may be called as often as one likes: one look is under way at most."""

    def __init__(
        self,
        client: HiveClient,
        show: Callable[[Opened | Continued], None],
        complain: Callable[[str], None],
        *,
        pace_s: float,
    ) -> None:
        self._client = client
        self._show = show
        self._pace_s = pace_s
        self._complain = complain
        self._wanted: str | None = None
        self._shown: str | None = None
        self._seen = 0
        self._newest = 0
        self._due = asyncio.Event()
        self._hurried = 0.0
        self._looked_at = 0.0

    def select(self, bot_id: str | None) -> None:
        self._wanted = bot_id
        self._due.set()

    def wake(self, snapshot: Snapshot) -> None:
        """Perhaps the selected bot said something."""
        self._newest = max(self._newest, snapshot.said.get(self._shown or "", 0))
        if self._newest > self._seen:
            self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._look()
            except DeiaError as error:
                self._complain(str(error))
                await asyncio.sleep(_AFTER_AN_ERROR_S)
                self._due.set()

    async def _look(self) -> None:
        if self._wanted != self._shown:
            await self._open()
            await asyncio.sleep(min(0.1, self._pace_s))
        elif self._shown is not None and self._newest > self._seen:
            await self._continue(self._shown)
            await self._pause()

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time()
        self._hurried = max(0.0, self._hurried - (now - self._looked_at) / self._pace_s) + 1.0
        self._looked_at = now
        if self._hurried > HURRIED:
            await asyncio.sleep((self._hurried - HURRIED) * self._pace_s)

    async def _open(self) -> None:
        bot_id = self._wanted
        if bot_id is None:
            self._shown = None
            self._show(Opened(bot_id=None))
            return
        before = self._client.snapshot().seq
        turns = await self._client.chat(bot_id)
        recorded = await self._client.events(bot_id=bot_id, newest=True, limit=FIRST_PAGE)
        self._shown = bot_id
        self._newest = 0
        self._seen = max(before, recorded[-1].seq if recorded else 0)
        news = [row for row in recorded if row.seq > before]
        self._show(Opened(bot_id=bot_id, turns=turns, recorded=recorded, news=news))
        self.wake(self._client.snapshot())

    async def _continue(self, bot_id: str) -> None:
        newest = self._newest
        recorded = await self._client.events(bot_id=bot_id, after=self._seen, limit=BATCH)
        if len(recorded) >= BATCH:
            await self._open()
            return
        self._seen = max(newest, recorded[-1].seq if recorded else 0)
        if recorded and bot_id == self._wanted:
            self._show(Continued(bot_id=bot_id, recorded=recorded))
