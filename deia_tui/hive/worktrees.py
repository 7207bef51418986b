"""Gives a bot that wants one a git worktree of its own, and takes it away again when nothing would be lost.

It lies in `.deia/run/work/ID`, on a branch named after the bot; a branch of that name that is not ours is left alone.
"""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.bots import BotSpec
from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.folder import Folder
from deia_tui.hive.git import CHECKOUT_S, Git
from deia_tui.store.threads import in_thread

_AT_ONCE = 4
_PATIENCE_S = 10.0
"""How long the end of the supervisor waits for worktrees to go."""
_MOST_BRANCHES = 100
_UNFINISHED = ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG")

Result = TypeVar("Result")
Tell = Callable[[Iterable[Raise | Clear]], Awaitable[None]]


class Worktrees:
    """`tell` raises what an operator should know and no launch fails of."""

    def __init__(self, folder: Folder, env: Mapping[str, str], tell: Tell) -> None:
        self._folder = folder
        self._tell = tell
        self._stop = os.eventfd(0)
        self._git = Git(at=folder.root, env=env, stop=self._stop)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="git")
        self._locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._leaving: dict[str, asyncio.Task[None]] = {}

    async def prepare(self, spec: BotSpec) -> str:
        """The folder to work in, once it is there. Raises ConfigError."""
        if spec.bot_id in self._leaving:
            await asyncio.wait([self._leaving[spec.bot_id]])
        folder, lacks = await self._in_thread(self._make_ready, spec)
        if lacks:
            await self._say(Raise(spec.bot_id, "worktree", "warning", lacks, "or let the bot do it"))
        return str(folder)

    def leave(self, spec: BotSpec) -> None:
        """The bot is off: its worktree goes, in the background, if it may."""
        if spec.worktree and spec.worktree_at_stop == "remove":
            task = self._leaving[spec.bot_id] = asyncio.create_task(self._leave(spec), name=f"leave {spec.bot_id}")
            task.add_done_callback(lambda _: self._leaving.pop(spec.bot_id, None))

    async def close(self) -> None:
        """Once what was left is gone, if that does not take long; a git that is still at work is ended."""
        if leaving := list(self._leaving.values()):
            await asyncio.wait(leaving, timeout=_PATIENCE_S)
        os.eventfd_write(self._stop, 1)
        await asyncio.gather(*leaving, return_exceptions=True)
        await in_thread(lambda _: self._threads.shutdown())
        os.close(self._stop)

    async def _leave(self, spec: BotSpec) -> None:
        try:
            kept = await self._in_thread(self._remove, spec)
        except ConfigError as error:
            kept = str(error)
        if kept:
            path = self._folder.workspace(spec.bot_id)
            await self._say(Raise(spec.bot_id, "worktree", "info", f"its worktree is kept: {kept}", f"see to {path}"))

    async def _say(self, wish: Raise) -> None:
        with suppress(StoreError):  # on a full disk there is worse to tell
            await self._tell([wish])

    async def _in_thread(self, work: Callable[[BotSpec], Result], spec: BotSpec) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, spec)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise ConfigError(f"The worktree of {spec.bot_id} is out of reach: {error.strerror}{where}.") from error

    # In a thread of ours

    def _make_ready(self, spec: BotSpec) -> tuple[Path, str]:
        """The folder, and what an operator should know it lacks."""
        source = self._git.within(Path(spec.workdir or self._folder.root))
        common = source.common()
        with self._locks[common]:
            work = self._git.within(self._folder.workspace(spec.bot_id))
            if not self._is_there(work, source, common):
                if not source.says("rev-parse", "--quiet", "--verify", "HEAD^{commit}"):
                    raise ConfigError(f"The repository in {source.at} has no commit yet: make one, then launch again.")
                self._hide_hive()
                self._add(work.at, source, spec.bot_id)
        inner = work.at / source.tell("rev-parse", "--show-prefix")
        modules = (work.at / ".gitmodules").exists() and work.ask("submodule", "status").out
        lacks = any(line.startswith("-") for line in modules.splitlines()) if modules else False
        hint = f"submodules are empty in its worktree: 'git submodule update --init' in {work.at} fills them"
        return inner if inner.is_dir() else work.at, hint if lacks else ""

    def _is_there(self, work: Git, source: Git, common: Path) -> bool:
        """Is the worktree there and whole? Raises ConfigError for what is there instead."""
        path = work.at
        if not path.is_dir() or not any(path.iterdir()):
            return False
        if not (path / ".git").is_file():
            raise ConfigError(f"{path} holds files that are no worktree: move them away, then launch again.")
        if not work.says("rev-parse", "--git-dir"):
            source.ask("worktree", "repair", str(path))  # one of the two was moved
        if not work.says("rev-parse", "--git-dir"):
            raise ConfigError(f"{path} is a worktree of a repository that is gone: move it away, then launch again.")
        if (theirs := work.common()) != common:
            raise ConfigError(f"{path} is a worktree of {theirs}, not of {source.at}: move it away, then launch again.")
        if _was_never_finished(work.own()):
            source.tell("worktree", "remove", "--force", "--force", str(path))
            return False
        return True

    def _add(self, path: Path, source: Git, bot_id: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        branch = self._branch_for(path, source, bot_id)
        for entry in source.entries():
            if entry.gone and (entry.path == path or entry.branch == branch):
                source.tell("worktree", "remove", "--force", "--force", str(entry.path))
            elif entry.branch == branch:
                raise ConfigError(
                    f"Branch {branch}, on which {bot_id} works, is checked out in {entry.path}: "
                    "switch that to another one, then launch again."
                )
        source.tell("config", "--local", _mark(branch), str(path))
        begun = source.says("show-ref", "--quiet", "--verify", f"refs/heads/{branch}")
        merged = begun and source.says("merge-base", "--is-ancestor", f"refs/heads/{branch}", "HEAD")
        where = [str(path), branch] if begun and not merged else ["-B", branch, str(path), "HEAD"]
        source.tell("worktree", "add", *where, timeout_s=CHECKOUT_S)

    def _branch_for(self, path: Path, source: Git, bot_id: str) -> str:
        """The first name that is free, or marked as this bot's."""
        for number in range(1, _MOST_BRANCHES):
            branch = bot_id if number == 1 else f"{bot_id}-{number}"
            if not source.says("show-ref", "--quiet", "--verify", f"refs/heads/{branch}"):
                return branch
            if source.ask("config", "--local", "--get", _mark(branch)).out.strip() == str(path):
                return branch
        raise ConfigError(f"All branches {bot_id} to {branch} are taken in {source.at}: delete some.")

    def _hide_hive(self) -> None:
        """Where the hive lies in a repository, that must not take it for part of itself."""
        git, deia = self._git, self._folder.deia
        if not git.says("rev-parse", "--is-inside-work-tree") or git.says("check-ignore", "--quiet", ".deia/run/work"):
            return
        pattern = "/" + git.tell("rev-parse", "--show-prefix") + deia.name + "/"
        exclude = (git.at / git.tell("rev-parse", "--git-path", "info/exclude")).resolve()
        try:
            exclude.parent.mkdir(exist_ok=True)
            so_far = exclude.read_bytes() if exclude.exists() else b""
            torn = bool(so_far) and not so_far.endswith(b"\n")
            with exclude.open("a") as file:
                file.write("\n" * torn + pattern + "\n")
        except OSError as error:
            raise ConfigError(f"Cannot write {exclude} ({error.strerror}): add {pattern} to .gitignore.") from error

    def _remove(self, spec: BotSpec) -> str:
        """Take the worktree away; returns why it is kept, or ""."""
        work = self._git.within(self._folder.workspace(spec.bot_id))
        if not (work.at / ".git").is_file():
            return ""
        common = work.common()
        with self._locks[common]:
            if kept := _would_be_lost(work):
                return kept
            self._git.within(common).tell("worktree", "remove", str(work.at))
        return ""


def why_not(spec: BotSpec, root: Path) -> str:
    """Why this bot cannot have a worktree, in one sentence, or "": what can be seen without asking git."""
    source = Path(spec.workdir or root)
    if (
        not spec.worktree
        or any((folder / ".git").exists() for folder in (source, *source.parents))
        or (source / "HEAD").is_file()
    ):
        return ""
    return (
        f"{spec.bot_id} wants a git worktree, and {source} is in no git repository: run 'git init' there, "
        "name a repository as workdir, or set worktree = false."
    )


def _would_be_lost(work: Git) -> str:
    """Why the worktree must stay, or "". Files that git ignores do not count."""
    status = work.tell("status", "--porcelain", "--untracked-files=all", "--ignore-submodules=none")
    if files := status.splitlines():
        return f"{len(files)} {'file is' if len(files) == 1 else 'files are'} not committed."
    if any((work.own() / name).exists() for name in _UNFINISHED):
        return "a merge, rebase or bisection is not finished."
    on_branch = work.says("symbolic-ref", "--quiet", "HEAD")
    if not on_branch and not work.tell("for-each-ref", "--count=1", "--contains=HEAD", "refs/heads", "refs/tags"):
        return "its last commits are on no branch."
    return ""


def _was_never_finished(own: Path) -> bool:
    """git was killed while it made it, so nobody has worked there: it locks what it makes, with this word."""
    try:
        return (own / "locked").read_text().startswith("initializing")
    except OSError:
        return False


def _mark(branch: str) -> str:
    """Where the repository says whose branch it is; it forgets that with the branch."""
    return f"branch.{branch}.deiaWorktree"
