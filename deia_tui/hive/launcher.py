"""Lets at most so many bots start at the same time; the rest wait their turn, and may be withdrawn.

A bot that works in a git worktree of its own is placed once that is there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from deia_tui.core.errors import ConfigError
from deia_tui.engine.protocol import Engine, NotPlaced, Placement
from deia_tui.hive.worktrees import Worktrees


class Launcher:
    def __init__(
        self, engine: Engine, worktrees: Worktrees, *, slots: int, listen: Callable[[NotPlaced], None]
    ) -> None:
        """`listen` hears of runs that cannot be placed."""
        self._engine = engine
        self._worktrees = worktrees
        self._listen = listen
        self._slots = slots
        self._starting: set[str] = set()
        self._waiting: OrderedDict[str, Placement] = OrderedDict()
        self._preparing: dict[str, asyncio.Task[None]] = {}

    def request(self, placement: Placement) -> None:
        """Start this run as soon as there is a slot."""
        self._waiting[placement.spec.bot_id] = placement
        self._fill()

    def withdraw(self, bot_id: str) -> bool:
        """Take back a request that waits; False when the run was already placed."""
        preparing = self._preparing.pop(bot_id, None)
        if preparing is not None:
            preparing.cancel()
        return preparing is not None or self._waiting.pop(bot_id, None) is not None

    def has_waiting(self, bot_id: str) -> bool:
        return bot_id in self._waiting or bot_id in self._preparing

    def release(self, bot_id: str) -> None:
        """The bot has started, or will not."""
        self._starting.discard(bot_id)
        self._fill()

    async def close(self) -> None:
        """Nothing is placed any more; a bot whose worktree is not there yet is not waited for."""
        for preparing in self._preparing.values():
            preparing.cancel()
        await self._worktrees.close()

    def _fill(self) -> None:
        while self._waiting and len(self._starting) < self._slots:
            bot_id, placement = self._waiting.popitem(last=False)
            self._starting.add(bot_id)
            if placement.spec.worktree:
                self._preparing[bot_id] = asyncio.create_task(self._prepare(placement), name=f"prepare {bot_id}")
            else:
                self._engine.place(placement)

    async def _prepare(self, placement: Placement) -> None:
        """Place it in its worktree, unless it is withdrawn meanwhile."""
        bot_id = placement.spec.bot_id
        try:
            folder = await self._worktrees.prepare(placement.spec)
        except ConfigError as error:
            self._listen(NotPlaced(bot_id, placement.run, str(error)))
        else:
            self._engine.place(replace(placement, folder=folder))
        del self._preparing[bot_id]
