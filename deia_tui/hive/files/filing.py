"""Writes down how tasks ended: the response file in hive/responses, then the task's own file goes to the archive, then
`TaskFiled`. It commits that itself, though the Dispatcher is the writer of tasks: a task takes it only once it has
ended and is not filed, so it can cross nothing.

What is owed is what the store says, so nothing is forgotten by a crash: a response whose `TaskFiled` was lost is found
again, since its name and its text follow from the task alone.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.ids import is_bot_id
from deia_tui.core.work.responses import modified_files, response_name, response_text
from deia_tui.core.work.tasks import Task, TaskState
from deia_tui.folder import Folder
from deia_tui.hive.files.taskfolder import TaskFolder
from deia_tui.hive.notice import Notice
from deia_tui.hive.record import STORE_RETRY_S, Record
from deia_tui.store.store import Store
from deia_tui.store.threads import in_thread

AT_ONCE = 100
RETRY_S = 5.0
_ENDS = (ev.TaskDone, ev.TaskDied, ev.TaskCancelled)


class Filing:
    def __init__(self, folder: Folder, store: Store, record: Record) -> None:
        self._folder = folder
        self._store = store
        self._record = record
        self._ended = asyncio.Event()
        self._notice = Notice(
            record,
            "responses",
            "critical",
            action="mend hive/responses or free space; the tasks are done, their answers are kept and written then",
            over="responses can be written again",
        )
        record.listen(self._note)

    async def tend(self) -> None:
        """Until cancelled."""
        await in_thread(lambda _: _forget_drafts(self._folder.responses))
        while True:
            self._ended.clear()
            try:
                trouble = await self._file_all()
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)
                continue
            await self._notice.say(trouble)
            if trouble:
                await asyncio.sleep(RETRY_S)
            else:
                await self._ended.wait()

    def _note(self, recorded: Sequence[Recorded]) -> None:
        if any(isinstance(entry.event, _ENDS) for entry in recorded):
            self._ended.set()

    async def _file_all(self) -> str:
        """Until nothing is owed; what keeps us from that, or ""."""
        while owed := await self._store.unanswered(limit=AT_ONCE):
            filed, trouble = await self._file(owed)
            if filed:
                await self._record.add(*filed)
            if trouble:
                return trouble
        return ""

    async def _file(self, owed: Sequence[Task]) -> tuple[list[ev.Event], str]:
        texts = [(task, await self._text(task)) for task in owed]

        def write(give_up: Callable[[], bool]) -> tuple[list[ev.Event], str]:
            filed: list[ev.Event] = []
            for task, text in texts:
                if give_up():
                    break
                try:
                    name = write_new(self._folder.responses, _name(task), text.encode("utf-8", "replace"))
                    self._archive(task.source)
                except OSError as error:
                    where = f"{error.filename}: " if error.filename else ""
                    return filed, f"answers of tasks cannot be written: {where}{error.strerror or error}"
                filed.append(ev.TaskFiled(at=time.time(), task_id=task.task_id, response=name))
            return filed, ""

        return await in_thread(write)

    async def _text(self, task: Task) -> str:
        turn = await self._store.turn(task.message_id) if task.message_id else None
        answer, modified = (turn.answer, modified_files(turn.parts)) if turn else ("", [])
        attempts = () if task.state is TaskState.DONE else await self._store.attempts(task.task_id)
        return response_text(task, answer, modified, attempts)

    def _archive(self, source: str) -> None:
        folder, _, name = source.rpartition("/")
        if name and (not folder or is_bot_id(folder)):
            TaskFolder(self._folder.tasks, folder, max_bytes=0).archive(name)


def _name(task: Task) -> str:
    return response_name(task, datetime.fromtimestamp(task.ended_at or task.since))


def write_new(folder: Path, name: str, data: bytes) -> str:
    """Write a file nobody sees before it is whole, with a number in its name where that is in use by something else;
    the name it has. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{name}.{os.getpid()}.tmp"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        stem, dot, ending = name.rpartition(".")
        number, new = 1, name
        while True:
            try:
                os.link(draft, folder / new, follow_symlinks=False)
            except FileExistsError:
                if _says(folder / new, data):
                    return new
            else:
                return new
            number += 1
            new = f"{stem}-{number}{dot}{ending}"
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _forget_drafts(folder: Path) -> None:
    """What a supervisor that was killed had begun to write."""
    with contextlib.suppress(OSError):
        for draft in folder.glob(".*-RESPONSE-*.tmp"):
            draft.unlink()


def _says(path: Path, data: bytes) -> bool:
    """Is it what we would write, from before a crash?"""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        return os.fstat(fd).st_size == len(data) and file.read(len(data) + 1) == data
