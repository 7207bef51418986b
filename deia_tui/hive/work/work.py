"""The parts of a hive that deal with work, put together: who queues and hands out tasks, who carries messages between
bots, who looks after task files, who starts bots for the load."""

import time

from deia_tui.core import commands as cmd
from deia_tui.core.client import TaskDetail
from deia_tui.core.errors import CommandRejected
from deia_tui.core.scheduling.scheduler import Scheduler
from deia_tui.core.work.waits import why_waiting
from deia_tui.hive.chores import Chores
from deia_tui.hive.files.filing import Filing
from deia_tui.hive.files.taskfiles import TaskFiles
from deia_tui.hive.letters.messenger import Messenger
from deia_tui.hive.recruiter import Recruiter
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.work.dispatcher import Dispatcher
from deia_tui.hive.work.scaling import Scaling
from deia_tui.hive.work.scheduling import Scheduling
from deia_tui.hive.work.strain import StrainWatch
from deia_tui.store.store import Store
from deia_tui.store.workqueries import OpenWork


class Work:
    def __init__(
        self, around: Surroundings, roster: Roster, recruiter: Recruiter, store: Store, found: OpenWork
    ) -> None:
        """`found` is what had not ended when the last supervisor did."""
        self._store = store
        self._record = around.record
        self._strain = StrainWatch(around, store)
        self._scaling = Scaling(around, roster, recruiter)
        self.scheduler = Scheduler(around.settings.scheduling_policy(), found.performance)
        self.dispatcher = Dispatcher(around, roster, store, found, self.scheduler)
        self.scheduling = Scheduling(around.record, self.scheduler)
        self.messenger = Messenger(around, roster, store, found.letters)
        self._files = TaskFiles(around, store, self.submit)
        self._filing = Filing(around.folder, store, around.record)

    async def begin(self, chores: Chores) -> None:
        """Every bot has its keeper: work may go on."""
        await self._files.begin()
        chores.begin("task files", self._files.tend)
        chores.begin("filing", self._filing.tend)
        chores.begin("dispatcher", self.dispatcher.dispatch)
        chores.begin("messenger", self.messenger.tend)
        chores.begin("scheduling", self.scheduling.watch)
        chores.begin("strain", self._strain.watch)
        chores.begin("scaling", self._scaling.scale)

    def end(self) -> None:
        """Bots are about to be left or stopped: none is started any more."""
        self._scaling.end()

    async def submit(self, command: cmd.WorkCommand) -> cmd.Outcome:
        match command:
            case cmd.AddTask() | cmd.CancelTask() | cmd.RetryTask() | cmd.ChangeTask():
                return await self.dispatcher.submit(command)
            case cmd.SendLetter():
                return [await self.messenger.letterbox.send_message(command)]
            case cmd.ReadLetter():
                await self.messenger.letterbox.mark_as_read(command)
                return []
            case cmd.ForgetPerformance():
                return await self.scheduling.forget(command)

    async def task(self, task_id: str) -> TaskDetail:
        """Raises CommandRejected (404) for one that nobody knows."""
        task = await self._store.task(task_id)
        if task is None:
            raise CommandRejected(f"There is no task '{task_id[:40]}'.", status=404)
        attempts = await self._store.attempts(task_id)
        needs = await self._store.states_of(task.after)
        answer = await self._store.turn(task.message_id) if task.message_id else None
        unmet = {need: str(needs.get(need, "unknown")) for need in sorted(self.dispatcher.queue.unmet(task_id))}
        snapshot, now = self._record.snapshot, time.time()
        considered = self.dispatcher.consider(task)
        return TaskDetail(
            task=task,
            attempts=attempts,
            needs=tuple(needs.items()),
            waits_for=why_waiting(task, snapshot.state, snapshot.work, now, unmet),
            choice=considered.candidates if considered else (),
            reasons=considered.reasons if considered else (),
            answer=answer,
        )
