"""Watches over the scheduler: what is odd in its choices becomes an alert, whom it recommends anew is logged, and what
a human wants forgotten is. Who is chosen asks the dispatcher, what is learned tells it."""

import asyncio
import contextlib
import time

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.scheduling.oddities import alarms
from deia_tui.core.scheduling.scheduler import Scheduler
from deia_tui.core.scheduling.standings import Standings
from deia_tui.core.work.tasks import TaskType
from deia_tui.hive.record import Record

LOOK_EVERY_S = 30.0


class Scheduling:
    def __init__(self, record: Record, scheduler: Scheduler) -> None:
        self._record = record
        self._scheduler = scheduler
        self._recommended: dict[TaskType, str] = {}

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            standings = self.standings()
            with contextlib.suppress(StoreError):  # told again when the store can take it
                await self._record.alert(alarms(standings.oddities, self._record.state))
            self._recommend(standings)
            await asyncio.sleep(LOOK_EVERY_S)

    def standings(self) -> Standings:
        """What the scheduler has learned by now."""
        return self._scheduler.standings(self._record.state.bots, now=time.time())

    async def forget(self, command: cmd.ForgetPerformance) -> cmd.Outcome:
        """Raises CommandRejected for a bot that nobody knows."""
        bot_id = command.bot_id
        if bot_id not in self._record.state.bots and not self._scheduler.get_bot_stats(bot_id).parts:
            raise CommandRejected(f"There is no bot '{bot_id[:40]}', and nothing to forget of it.", status=404)
        await self._record.add(self._scheduler.reset_bot_history(bot_id, at=time.time()))
        return []

    def _recommend(self, standings: Standings) -> None:
        """Log who seems best at a type of task, where that is another bot than before."""
        for one in standings.recommendations:
            if self._recommended.get(one.task_type) == one.bot_id:
                continue
            self._recommended[one.task_type] = one.bot_id
            generated = ev.RecommendationGenerated(
                at=time.time(),
                task_type=one.task_type,
                bot_id=one.bot_id,
                confidence=one.confidence,
                reason=one.reason,
                candidates=one.candidates,
            )
            self._record.remark(generated)
