"""Takes tasks back from their bots: what is not begun, from one that cannot begin it now; everything, from one that
shows no sign of life; and what is nobody's any more."""

import asyncio
import time
from contextlib import suppress

from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.work.attempts import failed, has_begun, put_back
from deia_tui.core.work.availability import keeps_tasks, unavailable
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import Task, TaskState
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.work.lessons import Lessons
from deia_tui.hive.work.seats import Seats


class Recall:
    """What becomes of a message that is taken back, the dispatcher makes of its end."""

    def __init__(self, around: Surroundings, roster: Roster, queue: TaskQueue, seats: Seats, lessons: Lessons) -> None:
        self._around = around
        self._record = around.record
        self._roster = roster
        self._queue = queue
        self._seats = seats
        self._lessons = lessons
        self._policy = around.settings.task_policy()
        self.has_strays = False
        """Does a bot have something of a task that is not its own any more?"""
        self._told: set[str] = set()
        """Messages whose answers bots were told to end, when they had begun them."""
        self._telling: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """Take back what must not stay where it is. Raises StoreError."""
        await self._strays()
        now, at, state = self._around.clock.now(), time.time(), self._record.state
        for bot_id in self._queue.bots_with_tasks():
            tasks, keeper, bot = self._queue.with_bot(bot_id), self._roster.find(bot_id), state.bots.get(bot_id)
            if keeper is None or bot is None:
                await self._put_back(tasks, f"there is no {bot_id} any more")
                continue
            errands = keeper.errands()
            await self._put_back([one for one in tasks if one.message_id not in errands], f"{bot_id} does not have it")
            if not self._seats.is_alive(keeper, now):
                await self._end_leases(keeper)
            elif not keeps_tasks(bot, state.pauses, at):
                waiting = [task.message_id for task in tasks if task.state is TaskState.SCHEDULED]
                if waiting:
                    await keeper.withdraw(waiting, f"taken back: {unavailable(bot, state.pauses, at)}")

    async def one(self, task: Task, reason: str) -> bool:
        """Take it back: True if its bot had not begun it, else its turn is interrupted if nobody wants it any more."""
        keeper = self._roster.find(task.bot_id)
        if keeper is None or task.message_id in await keeper.withdraw([task.message_id], reason):
            return True
        if self._queue.of_message(task.message_id) is None:
            keeper.disown([task.message_id])
            self.has_strays = True
            self._interrupt(keeper, task.message_id, is_begun=has_begun(task))
        return False

    async def _strays(self) -> None:
        """What bots have of tasks that are theirs no more: nobody could take it back when it was cancelled, as it may
        have been handed over, or the last supervisor ended before it could."""
        busy = [(keeper, errands) for keeper in self._roster if (errands := keeper.errands())]
        self._told &= {one for _, errands in busy for one in errands}
        self.has_strays = False
        for keeper, errands in busy:
            strays = {one for one in errands if self._queue.of_message(one) is None} - self._told
            keeper.disown(strays)
            taken = await keeper.withdraw(strays, "cancelled") if strays else frozenset()
            self.has_strays = self.has_strays or strays != taken
            bot = self._record.state.bots.get(keeper.bot_id)
            if bot is not None and bot.message_id in strays - taken:
                self._interrupt(keeper, bot.message_id, is_begun=True)

    async def _put_back(self, tasks: list[Task], reason: str) -> None:
        at = time.time()
        if tasks:
            await self._record.add(*(put_back(task, at, reason, self._policy) for task in tasks))

    async def _end_leases(self, keeper: Keeper) -> None:
        """What it has begun may be what it died of; it is told to stop, should it live."""
        await keeper.withdraw([task.message_id for task in self._queue.with_bot(keeper.bot_id)], "no sign of life")
        at, why = time.time(), f"no sign of life of {keeper.bot_id} for {self._seats.lease_s:.0f} s"
        left = self._queue.with_bot(keeper.bot_id)
        for task in left:
            if not has_begun(task):
                await self._put_back([task], why)
                continue
            end = failed(task, at, why, self._policy)
            await self._record.add(end, *self._lessons.of(task, end))
        for task in left:
            self._interrupt(keeper, task.message_id, is_begun=has_begun(task))

    def _interrupt(self, keeper: Keeper, message_id: str, *, is_begun: bool) -> None:
        """Nobody wants this answer any more; whether the bot hears of it changes nothing."""
        if is_begun:
            self._told.add(message_id)

        async def interrupt() -> None:
            with suppress(CommandRejected, BotUnreachable):
                await keeper.interrupt(message_id)

        telling = asyncio.create_task(interrupt())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
