"""One folder of task files on disk: what lies in it that can be claimed, and moving it to `_active`, `_archive` and
`_refused`. Everything goes by directory descriptors and follows no link; nothing here waits for anybody.

A file is complete when nobody has it open for writing, which the kernel tells: exactly then it grants a read lease.
"""

import contextlib
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deia_tui.core.commands import AddTask
from deia_tui.core.errors import CommandRejected
from deia_tui.hive.files.openfiles import open_for_writing

ACTIVE, ARCHIVE, REFUSED = "_active", "_archive", "_refused"
ENDINGS = (".md", ".json")
GRACE_S = 2.0
"""So long a file may be empty, or have a second name, before it is refused: some programs write in steps."""
_MAX_NAME = 255
_NO_LEASES = (22, 37, 95)  # EINVAL, ENOLCK, EOPNOTSUPP
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Reader = Callable[[str, bytes], AddTask]
"""What makes a task of a file's name and contents, or raises CommandRejected."""


@dataclass(frozen=True, slots=True)
class Found:
    """A complete file, and the task in it. `mark` is the file it was and its state when it was read."""

    name: str
    mark: tuple[int, int, int, int]
    task: AddTask


@dataclass(slots=True)
class Look:
    """What was seen; `refused` are names with reasons. What is `unfinished` is to be looked at again soon."""

    found: list[Found] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unfinished: bool = False


class TaskFolder:
    """Its methods raise OSError. `bot_id` is "" for the folder of the work that anybody may do."""

    def __init__(self, tasks: Path, bot_id: str, *, max_bytes: int) -> None:
        self.bot_id = bot_id
        self._path = tasks / bot_id
        self._max_bytes = max_bytes

    def source(self, name: str) -> str:
        """Where the file of a task came from, relative to hive/tasks."""
        return f"{self.bot_id}/{name}" if self.bot_id else name

    def names(self) -> list[tuple[str, int]]:
        """(name, inode) of what may be a task, in the order of names. Editors' and hidden files are none."""
        with self._opened() as folder, os.scandir(folder) as entries:
            return sorted((entry.name, entry.inode()) for entry in entries if _may_be_task(entry.name))

    def claimed(self) -> list[str]:
        """The names in `_active`."""
        with self._opened(ACTIVE) as active:
            return sorted(filter(_may_be_task, os.listdir(active)))

    def look(self, names: Iterable[str], read: Reader, give_up: Callable[[], bool], *, within: str = "") -> Look:
        """Read what is complete; what can be no task is moved to `_refused`."""
        look = Look()
        with self._opened(within) as folder:
            for name in names:
                if give_up():
                    break
                try:
                    found = self._inspect(folder, name, read)
                except CommandRejected as refusal:
                    self.refuse(name, str(refusal), within=within)
                    look.refused.append((name, str(refusal)))
                except FileNotFoundError:
                    continue
                else:
                    if found is None:
                        look.unfinished = True
                    else:
                        look.found.append(found)
        return look

    def claim(
        self, files: Iterable[Found], taken: Collection[str], give_up: Callable[[], bool]
    ) -> list[tuple[Found, str]]:
        """Move files to `_active`; with their names there, which no task ever had (`taken`: those the store knows).
        Left out is what is not as it was when it was read. What is moved stays so if the power fails."""
        with self._opened() as folder, self._opened(ACTIVE) as active, self._opened(ARCHIVE) as archive:
            claimed = []
            for found in files:
                if give_up():
                    break
                name = _free(found.name, (active, archive), taken)
                if _move_unchanged(found, name, folder, active):
                    claimed.append((found, name))
            os.fsync(active)
        return claimed

    def give_back(self, name: str, original: str) -> None:
        """What was claimed waits in the folder again."""
        with self._opened() as folder:
            self._move(ACTIVE, name, "", _free(original, (folder,), ()))

    def archive(self, name: str) -> None:
        """Nothing, where it is in the archive already."""
        with contextlib.suppress(FileNotFoundError), self._opened(ARCHIVE) as archive:
            self._move(ACTIVE, name, ARCHIVE, _free(name, (archive,), ()))

    def refuse(self, name: str, reason: str, *, within: str = "") -> None:
        with self._opened(REFUSED) as refused:
            new = _free(name, (refused,), ())
            note = f"{_cut(new, _MAX_NAME - 7)}.reason"
            fd = os.open(
                note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=refused
            )
            try:
                os.write(fd, f"{reason}\n".encode("utf-8", "replace"))
            finally:
                os.close(fd)
            try:
                self._move(within, name, REFUSED, new)
            except FileNotFoundError:
                os.unlink(note, dir_fd=refused)

    def _inspect(self, folder: int, name: str, read: Reader) -> Found | None:
        """None while it is not finished. Raises CommandRejected, and FileNotFoundError once it is gone."""
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        _check(name, info, self._max_bytes)
        if not info.st_size or info.st_nlink > 1:
            if time.time() - info.st_ctime < GRACE_S:
                return None
            if info.st_nlink > 1:
                raise CommandRejected("It has another name as well (a hard link): copy it instead.", status=422)
        fd = _open_to_read(folder, name)
        try:
            info = os.fstat(fd)
            _check(name, info, self._max_bytes)
            if not _is_complete(fd):
                return None
            data = os.read(fd, self._max_bytes + 1)
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if _mark(info) != _mark(after) or len(data) != after.st_size:
            return None
        return Found(name, _mark(after), read(name, data))

    def _move(self, within: str, name: str, to: str, new: str) -> None:
        with self._opened(within) as source, self._opened(to) as target:
            os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)

    @contextlib.contextmanager
    def _opened(self, within: str = "") -> Iterator[int]:
        """The descriptor of the folder, or of one in it, which is made where there is none."""
        fd = os.open(self._path, _FOLDER)
        try:
            if within:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(within, 0o700, dir_fd=fd)
                inner = os.open(within, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _move_unchanged(found: Found, name: str, folder: int, active: int) -> bool:
    """False when it is not there any more, or is being changed."""
    try:
        fd = os.open(found.name, _READ, dir_fd=folder)
    except OSError:
        return False
    try:
        if _mark(os.fstat(fd)) != found.mark or not _is_complete(fd):
            return False
        os.rename(found.name, name, src_dir_fd=folder, dst_dir_fd=active)
    finally:
        os.close(fd)
    return True


def _may_be_task(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _check(name: str, info: os.stat_result, max_bytes: int) -> None:
    if (kind := stat.S_IFMT(info.st_mode)) != stat.S_IFREG:
        raise CommandRejected(f"It is {_KINDS.get(kind, 'no file')}: put a file of its own here.", status=422)
    if info.st_uid != os.geteuid():
        raise CommandRejected("It belongs to another user: copy it as the user the hive runs as.", status=422)
    if info.st_size > max_bytes:
        limit = f"{max_bytes / 1024:.0f} KiB"
        raise CommandRejected(f"It is larger than {limit}: name the files with the rest in it instead.", status=422)
    if not name.isprintable():
        raise CommandRejected("Its name has characters that cannot be shown: rename it.", status=422)


def _open_to_read(folder: int, name: str) -> int:
    try:
        return os.open(name, _READ, dir_fd=folder)
    except PermissionError:
        raise CommandRejected("It cannot be read: let its owner read it (chmod u+r).", status=422) from None


def _is_complete(fd: int) -> bool:
    """Has nobody this file open for writing? Where the lease is granted it is held until `fd` is closed."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # whoever opens it meanwhile must not end us with a SIGIO
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LEASES:
            raise
        info = os.fstat(fd)
        return (info.st_dev, info.st_ino) not in open_for_writing()
    return True


def _mark(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def _free(name: str, folders: Iterable[int], taken: Collection[str]) -> str:
    """`name`, or with a number where that is in use."""
    stem, dot, ending = name.rpartition(".")
    number, new = 1, name
    while new in taken or any(_exists(new, folder) for folder in folders):
        number += 1
        tail = f"-{number}{dot}{ending}"
        new = _cut(stem, _MAX_NAME - len(tail.encode())) + tail
    return new


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _cut(name: str, size: int) -> str:
    """The first `size` bytes of it, no character halved."""
    return os.fsencode(name)[:size].decode("utf-8", "ignore")
