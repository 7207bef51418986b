"""Takes tasks out of files: notices those that appear under hive/tasks, claims the complete ones into `_active`, puts
them into the queue, and refuses what is no task. What the queue does not take now waits where it lies.

Claimed first, queued then: a file in `_active` that the store does not know was claimed by a supervisor that ended in
between, and is taken in at the next start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import ParamSpec, TypeVar

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.alerts import Raise
from deia_tui.core.client import Recorded
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.text import clean, shorten
from deia_tui.core.work.taskfiles import read_task
from deia_tui.core.work.tasks import ENDED
from deia_tui.core.work.view import NO_WORK
from deia_tui.hive.files.folderwatch import FolderWatch
from deia_tui.hive.files.pauses import note_pauses, paused_in
from deia_tui.hive.files.survey import Entries, Survey, survey
from deia_tui.hive.files.taskfolder import ACTIVE, REFUSED, Found, Look, TaskFolder
from deia_tui.hive.files.waitingfiles import WaitingFiles
from deia_tui.hive.notice import Notice
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.surroundings import Surroundings
from deia_tui.store.store import Store
from deia_tui.store.threads import in_thread

UNFINISHED_S = 0.1
"""How soon a file that is being written is looked at again."""
WAITING_S = 0.5
"""How soon it is seen that a bot takes work again."""
AT_ONCE = 250
FOLDERS_AT_ONCE = 4
Given = ParamSpec("Given")
Result = TypeVar("Result")
_LATER = frozenset({429, 503})
"""Refusals that say nothing against the task."""


class TaskFiles:
    def __init__(
        self, around: Surroundings, store: Store, submit: Callable[[cmd.AddTask], Awaitable[cmd.Outcome]]
    ) -> None:
        """`submit` puts a task into the queue."""
        self._folder = around.folder
        self._record = around.record
        self._store = store
        self._submit = submit
        self._settings = around.settings.tasks
        self._woken = asyncio.Event()
        self._watch = FolderWatch(self._woken.set)
        self._waiting = WaitingFiles(around.clock, self._refuses)
        self._store_fails = False
        self._odd = Notice(
            self._record, "task-folders", "info", action="launch the bot, or move the files away", over="all in order"
        )
        self._trouble = Notice(
            self._record,
            "task-files",
            "critical",
            action="mend the folder; files stay where they are until then",
            over="task files can be claimed again",
        )
        self._record.listen(self._note)

    async def begin(self) -> None:
        """Which bots are paused must be known before anybody hands out work."""
        with suppress(OSError, StoreError):  # told by the first look
            await note_pauses(self._record, await _aside(paused_in, self._folder.controls))

    async def tend(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.tend())
            group.create_task(self._take_in())

    def _note(self, recorded: Sequence[Recorded]) -> None:
        if any(isinstance(entry.event, ev.BotLaunched) for entry in recorded):
            self._woken.set()

    def _refuses(self, bot_id: str) -> bool:
        return self._record.snapshot.work.bots.get(bot_id, NO_WORK).refuses

    def _open(self, bot_id: str) -> TaskFolder:
        return TaskFolder(self._folder.tasks, bot_id, max_bytes=int(self._settings.max_file_kb * 1024))

    # Looking, again and again

    async def _take_in(self) -> None:
        recovered = False
        while True:
            self._woken.clear()
            unfinished, trouble = False, ""
            try:
                seen = await self._survey()
                if not recovered:
                    await self._recover(seen)
                    recovered = True
                unfinished = await self._take_all(seen)
            except StoreError:
                self._store_fails = True
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                trouble = f"task files cannot be claimed: {where}{error.strerror or error}"
            await self._trouble.say(trouble)
            await self._rest(unfinished=unfinished)

    async def _survey(self) -> Survey:
        known = frozenset(self._record.state.bots)
        seen = await _aside(survey, self._folder, known, self._open)
        self._watch.follow(seen.watched)
        await note_pauses(self._record, seen.paused)
        await self._odd.say("; ".join(seen.odd))
        return seen

    async def _rest(self, *, unfinished: bool) -> None:
        """Until there is something to see, or it is time to look anyway."""
        if self._store_fails:
            self._store_fails = False
            await asyncio.sleep(STORE_RETRY_S)
        patience_s = UNFINISHED_S if unfinished else WAITING_S if self._waiting else self._settings.rescan_s
        with suppress(TimeoutError):
            async with asyncio.timeout(min(patience_s, self._settings.rescan_s)):
                await self._woken.wait()

    # What is there, and what the queue takes of it

    async def _take_all(self, seen: Survey) -> bool:
        """Everything that is complete and that the queue takes; is something unfinished?"""
        self._waiting.keep({folder.source(name) for folder, entries in seen.folders for name, _ in entries})
        slots = asyncio.Semaphore(FOLDERS_AT_ONCE)

        async def take(folder: TaskFolder, entries: Entries) -> bool:
            async with slots:
                return await self._take_folder(folder, entries)

        return any(await asyncio.gather(*(take(folder, entries) for folder, entries in seen.folders if entries)))

    async def _take_folder(self, folder: TaskFolder, entries: Entries) -> bool:
        unfinished = False
        for part in _chunks(self._waiting.in_order(entries, folder.source)):
            names = [name for name, inode in part if not self._waiting.waits(folder.source(name), inode)]
            look = await self._look(folder, names) if names else Look()
            unfinished = unfinished or look.unfinished
            found = sorted(look.found, key=lambda one: (one.task.to, one.task.priority))
            by_bot = [list(group) for _, group in groupby(found, key=lambda one: one.task.to)]
            await asyncio.gather(*(self._hand_in(folder, group) for group in by_bot))
        return unfinished

    async def _look(self, folder: TaskFolder, names: Sequence[str], *, within: str = "") -> Look:
        known = frozenset(self._record.state.bots)

        def read(name: str, data: bytes) -> cmd.AddTask:
            return read_task(name, data, known=known, folder=folder.bot_id)

        look = await in_thread(lambda give_up: folder.look(names, read, give_up, within=within))
        if look.refused:
            await self._tell_refused(folder, look.refused)
        return look

    async def _tell_refused(self, folder: TaskFolder, refused: Sequence[tuple[str, str]]) -> None:
        name, reason = refused[-1]
        more = f" (and {len(refused) - 1} others)" if len(refused) > 1 else ""
        text = f"{shorten(clean(name), 80)} was refused{more}: {reason}"
        wish = Raise(None, "task-refused", "info", text, f"see hive/tasks/{folder.source(REFUSED)}")
        with suppress(StoreError):
            await self._record.alert([wish])

    async def _hand_in(self, folder: TaskFolder, found: Sequence[Found]) -> None:
        """Those for one bot go one by one, the most urgent first, since it takes only so many."""
        if not found[0].task.to:
            await self._claim_and_add(folder, found)
            return
        for one in found:
            if self._waiting.is_closed(one.task.to, one.task.priority):
                self._wait(folder, one)
            else:
                await self._claim_and_add(folder, [one])

    async def _claim_and_add(self, folder: TaskFolder, found: Sequence[Found]) -> None:
        known = await self._store.numbered_files([folder.source(one.name) for one in found])
        taken = {source.rpartition("/")[2] for source in known}
        claimed = await in_thread(lambda give_up: folder.claim(found, taken, give_up))
        await asyncio.gather(*(self._add(folder, one, name) for one, name in claimed))

    async def _add(self, folder: TaskFolder, found: Found, name: str) -> None:
        """Into the queue; back to where it lay, or to the refused ones, if the queue does not take it."""
        task, source = found.task, folder.source(name)
        try:
            await self._submit(replace(task, source=source))
        except CommandRejected as refusal:
            if refusal.status not in _LATER:
                await _aside(folder.refuse, name, str(refusal), within=ACTIVE)
                await self._tell_refused(folder, [(name, str(refusal))])
                return
            self._waiting.close(task.to, task.priority, refusal.retry_after_s or self._settings.rescan_s)
            self._wait(folder, found)
        except StoreError:
            self._store_fails = True
        else:
            if task.task_id and source not in await self._store.states_of_files([source]):
                await _aside(folder.archive, name)  # somebody gave us this very task before
            return
        await _aside(folder.give_back, name, found.name)

    def _wait(self, folder: TaskFolder, found: Found) -> None:
        self._waiting.put(folder.source(found.name), found.mark[1], found.task.to, found.task.priority)

    # What was claimed before

    async def _recover(self, seen: Survey) -> None:
        for folder, _ in seen.folders:
            for names in _chunks(await _aside(folder.claimed)):
                await self._recover_some(folder, names)

    async def _recover_some(self, folder: TaskFolder, names: Sequence[str]) -> None:
        states = await self._store.states_of_files([folder.source(name) for name in names])
        for name in names:
            if states.get(folder.source(name)) in ENDED:
                await _aside(folder.archive, name)
        look = await self._look(folder, [name for name in names if folder.source(name) not in states], within=ACTIVE)
        await asyncio.gather(*(self._add(folder, found, found.name) for found in look.found))


async def _aside(work: Callable[Given, Result], *given: Given.args, **more: Given.kwargs) -> Result:
    """In a thread of its own."""
    return await in_thread(lambda _: work(*given, **more))


def _chunks(all_of_them: Sequence[Result]) -> Iterator[Sequence[Result]]:
    return (all_of_them[start : start + AT_ONCE] for start in range(0, len(all_of_them), AT_ONCE))
