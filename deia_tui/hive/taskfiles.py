"""Takes tasks out of files: notices those that appear under hive/tasks, claims the complete ones into `_active`, puts
them into the queue, and refuses what is no task. What the queue does not take now waits where it lies.

Claimed first, queued then: a file in `_active` that the store does not know was claimed by a supervisor that ended in
between, and is taken in at the next start.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from watchfiles import awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.ids import is_bot_id
from deia_tui.core.taskfiles import read_task
from deia_tui.core.tasks import ENDED, URGENT
from deia_tui.core.work import NO_WORK
from deia_tui.hive.notice import Notice
from deia_tui.hive.pauses import note_pauses, paused_in
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.taskfolder import ACTIVE, Found, Look, TaskFolder
from deia_tui.store.store import Store
from deia_tui.store.threads import in_thread

UNFINISHED_S = 0.1
"""How soon a file that is being written is looked at again."""
WAITING_S = 0.5
"""How soon it is seen that a bot takes work again."""
STEP_MS = 40
"""So long nothing must change before changes are told; 25 looks a second cost 0.1 % of a core."""
AT_ONCE = 250
FOLDERS_AT_ONCE = 4
_LATER = (429, 503)

Entries = Sequence[tuple[str, int]]


@dataclass(slots=True)
class _Shut:
    """The queue of a bot takes nothing of this priority, or less urgent; `seen`: everybody was told so."""

    priority: int
    until: float
    seen: bool = False


@dataclass(frozen=True, slots=True)
class _Waits:
    """A file whose task the queue does not take now."""

    inode: int
    to: str
    priority: int


@dataclass(slots=True)
class _Survey:
    """What lies there: `odd` are sentences about what is in the way."""

    folders: list[tuple[TaskFolder, Entries]] = field(default_factory=list)
    watched: dict[str, int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    odd: list[str] = field(default_factory=list)


class TaskFiles:
    def __init__(
        self, around: Surroundings, store: Store, submit: Callable[[cmd.AddTask], Awaitable[cmd.Outcome]]
    ) -> None:
        """`submit` puts a task into the queue."""
        self._folder = around.folder
        self._record = around.record
        self._clock = around.clock
        self._store = store
        self._submit = submit
        self._files = around.settings.tasks
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()
        """Other folders must be watched than are."""
        self._watched: dict[str, int] = {}
        self._shut: dict[str, _Shut] = {}
        self._waiting: dict[str, _Waits] = {}
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
            await note_pauses(self._record, await in_thread(lambda _: paused_in(self._folder.controls)))

    async def tend(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._take_in())

    def _note(self, recorded: Sequence[Recorded]) -> None:
        if any(isinstance(entry.event, ev.BotLaunched) for entry in recorded):
            self._woken.set()

    # Noticing

    async def _watch(self) -> None:
        """Changes are only a hint that something is to be seen; where nobody can watch there is the rescan."""
        loop = asyncio.get_running_loop()
        while True:
            self._moved.clear()
            if self._watched:
                changes = awatch(
                    *self._watched,
                    watch_filter=None,
                    debounce=4 * STEP_MS,
                    step=STEP_MS,
                    stop_event=self._moved,
                    recursive=False,
                )
                loop.call_soon(self._woken.set)  # what came before the watch began
                with suppress(OSError, WatchfilesRustInternalError):
                    async with aclosing(changes):
                        async for _ in changes:
                            self._woken.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._files.rescan_s):
                    await self._moved.wait()

    async def _take_in(self) -> None:
        recovered = False
        while True:
            self._woken.clear()
            again, trouble = False, ""
            try:
                survey = await in_thread(lambda _: self._survey())
                self._follow(survey.watched)
                await note_pauses(self._record, survey.paused)
                if not recovered:
                    await self._recover(survey)
                    recovered = True
                again = await self._take_all(survey)
                await self._odd.say("; ".join(survey.odd))
            except StoreError:
                self._store_fails = True
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                trouble = f"task files cannot be claimed: {where}{error.strerror or error}"
            await self._trouble.say(trouble)
            if self._store_fails:
                self._store_fails = False
                await asyncio.sleep(STORE_RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s(again=again)):
                    await self._woken.wait()

    def _patience_s(self, *, again: bool) -> float:
        return UNFINISHED_S if again else WAITING_S if self._waiting else self._files.rescan_s

    def _follow(self, folders: dict[str, int]) -> None:
        if folders != self._watched:
            self._watched = folders
            self._moved.set()

    def _survey(self) -> _Survey:
        """What lies in the folders; those of known bots are made. Runs in a thread of its own."""
        tasks, known = self._folder.tasks, frozenset(self._record.state.bots)
        survey = _Survey(paused=paused_in(self._folder.controls))
        tasks.mkdir(mode=0o700, parents=True, exist_ok=True)
        for bot_id in known:
            with suppress(FileExistsError):
                (tasks / bot_id).mkdir(mode=0o700)
        with os.scandir(tasks) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        for path in (tasks, self._folder.controls):
            survey.watched[str(path)] = path.stat().st_ino
        survey.folders.append((self._open(""), self._open("").names()))
        for name, is_folder in found:
            if not is_bot_id(name):
                continue
            if not is_folder:
                survey.odd.append(f"hive/tasks/{name} is no folder")
            elif name in known:
                survey.watched[str(tasks / name)] = (tasks / name).stat().st_ino
                survey.folders.append((self._open(name), self._open(name).names()))
            elif waiting := len(self._open(name).names()):
                survey.odd.append(f"{waiting} in hive/tasks/{name}, and there is no such bot")
        return survey

    def _open(self, bot_id: str) -> TaskFolder:
        return TaskFolder(self._folder.tasks, bot_id, max_bytes=int(self._files.max_file_kb * 1024))

    # What the queue takes

    async def _take_all(self, survey: _Survey) -> bool:
        """Everything that is complete and that the queue takes; is something unfinished?"""
        slots = asyncio.Semaphore(FOLDERS_AT_ONCE)
        waiting: dict[str, _Waits] = {}

        async def take(folder: TaskFolder, entries: Entries) -> bool:
            async with slots:
                return await self._take_folder(folder, entries, waiting)

        unfinished = await asyncio.gather(*(take(folder, entries) for folder, entries in survey.folders if entries))
        self._waiting = waiting
        return any(unfinished)

    async def _take_folder(self, folder: TaskFolder, entries: Entries, waiting: dict[str, _Waits]) -> bool:
        new: list[tuple[str, int]] = []
        for name, inode in entries:
            former = self._waiting.get(folder.source(name))
            if former is not None and former.inode == inode and self._is_shut(former.to, former.priority):
                waiting[folder.source(name)] = former
            else:
                new.append((name, inode))
        unfinished = False
        for chunk in _chunks(new):
            look = await self._look(folder, [name for name, _ in chunk])
            unfinished = unfinished or look.unfinished
            by_bot = sorted(look.found, key=lambda found: (found.task.to, found.task.priority))
            groups = [(to, list(group)) for to, group in groupby(by_bot, key=lambda found: found.task.to)]
            await asyncio.gather(*(self._hand_in(folder, to, found, waiting) for to, found in groups))
        return unfinished

    async def _look(self, folder: TaskFolder, names: Sequence[str], *, within: str = "") -> Look:
        known = frozenset(self._record.state.bots)

        def read(name: str, data: bytes) -> cmd.AddTask:
            return read_task(name, data, known=known, folder=folder.bot_id)

        return await in_thread(lambda give_up: folder.look(names, read, give_up, within=within))

    async def _hand_in(self, folder: TaskFolder, to: str, found: list[Found], waiting: dict[str, _Waits]) -> None:
        """Tasks for one bot go one by one, the most urgent first, since it takes only so many."""
        for part in [found] if not to else ([one] for one in found):
            if to and self._is_shut(to, part[0].task.priority):
                self._wait(folder, part[0], waiting)
                continue
            claimed = await self._claim(folder, part)
            await asyncio.gather(*(self._add(folder, one, name, waiting) for one, name in claimed))

    async def _claim(self, folder: TaskFolder, found: Sequence[Found]) -> list[tuple[Found, str]]:
        sources = await self._store.numbered_files([folder.source(one.name) for one in found])
        taken = {source.rpartition("/")[2] for source in sources}

        def claim(give_up: Callable[[], bool]) -> list[tuple[Found, str]]:
            names = ((one, folder.claim(one, taken)) for one in found if not give_up())
            return [(one, name) for one, name in names if name is not None]

        return await in_thread(claim)

    async def _add(self, folder: TaskFolder, found: Found, name: str, waiting: dict[str, _Waits]) -> None:
        """Into the queue; back to where it lay, or to the refused ones, if the queue does not take it."""
        source = folder.source(name)
        try:
            await self._submit(replace(found.task, source=source))
        except CommandRejected as refusal:
            if refusal.status not in _LATER:
                reason = str(refusal)
                await in_thread(lambda _: folder.refuse(name, reason, within=ACTIVE))
                return
            until = self._clock.now() + (refusal.retry_after_s or self._files.rescan_s)
            self._shut[found.task.to] = _Shut(found.task.priority, until)
            self._wait(folder, found, waiting)
        except StoreError:
            self._store_fails = True
        else:
            if found.task.task_id and source not in await self._store.states_of_files([source]):
                await in_thread(lambda _: folder.archive(name))  # somebody gave us this very task before
            return
        await in_thread(lambda _: folder.give_back(name, found.name))

    def _wait(self, folder: TaskFolder, found: Found, waiting: dict[str, _Waits]) -> None:
        waiting[folder.source(found.name)] = _Waits(found.mark[1], found.task.to, found.task.priority)

    def _is_shut(self, to: str, priority: int) -> bool:
        """Is it known that the queue would not take this?"""
        shut = self._shut.get(to)
        if shut is None:
            return False
        refuses = self._record.snapshot.work.bots.get(to, NO_WORK).refuses
        shut.seen = shut.seen or refuses
        over = self._clock.now() >= shut.until
        if (over and shut.priority == URGENT) or (not refuses and (over or shut.seen)):
            del self._shut[to]
            return False
        return priority >= shut.priority

    # What was claimed before

    async def _recover(self, survey: _Survey) -> None:
        for folder, _ in survey.folders:
            names = await in_thread(lambda _, folder=folder: folder.names(ACTIVE))  # type: ignore[misc]
            for chunk in _chunks(names):
                await self._recover_some(folder, [name for name, _ in chunk])

    async def _recover_some(self, folder: TaskFolder, names: Sequence[str]) -> None:
        states = await self._store.states_of_files([folder.source(name) for name in names])
        over = [name for name in names if states.get(folder.source(name)) in ENDED]
        for name in over:
            await in_thread(lambda _, name=name: folder.archive(name))  # type: ignore[misc]
        look = await self._look(folder, [name for name in names if folder.source(name) not in states], within=ACTIVE)
        await asyncio.gather(*(self._add(folder, found, found.name, {}) for found in look.found))


def _chunks(entries: Entries) -> Iterator[Entries]:
    return (entries[start : start + AT_ONCE] for start in range(0, len(entries), AT_ONCE))
