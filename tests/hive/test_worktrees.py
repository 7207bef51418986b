"""Worktrees with real git: made, found again, taken away, and every refusal one sentence."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.bots import AgentSpec, BotSpec
from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.hive.launching import agent_environment
from deia_tui.hive.worktrees import Worktrees, why_not
from deia_tui.identity import identify

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")


def git(at: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", at, *IDENTITY, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(at: Path) -> Path:
    """With one commit of two files, one of them in a folder."""
    (at / "src").mkdir(parents=True)
    git(at, "init", "--quiet")
    (at / "README").write_text("hello\n")
    (at / "src" / "code").write_text("1\n")
    commit(at, "first")
    return at


def commit(at: Path, what: str) -> None:
    git(at, "add", "--all")
    git(at, "commit", "--quiet", "--allow-empty", "-m", what)


def spec(
    bot_id: str = "BOT-001", workdir: Path | None = None, *, at_stop: Literal["keep", "remove"] = "keep"
) -> BotSpec:
    shell = AgentSpec(name="shell", kind="shell")
    return BotSpec(bot_id=bot_id, agent=shell, workdir=str(workdir or ""), worktree=True, worktree_at_stop=at_stop)


@dataclass
class Lab:
    hive: Path
    repo: Path
    said: list[str] = field(default_factory=list)

    @property
    def work(self) -> Path:
        return Folder(self.hive).workspace("BOT-001")

    async def tell(self, wishes: Iterable[Raise | Clear]) -> None:
        self.said += [wish.text for wish in wishes if isinstance(wish, Raise)]

    @contextlib.asynccontextmanager
    async def worktrees(self, **env: str) -> AsyncIterator[Worktrees]:
        worktrees = Worktrees(Folder(self.hive), {**agent_environment(os.environ), **env}, self.tell)
        try:
            yield worktrees
        finally:
            await worktrees.close()

    async def prepare(self, spec: BotSpec) -> Path:
        async with self.worktrees() as worktrees:
            return Path(await worktrees.prepare(spec))

    async def leave(self, spec: BotSpec) -> None:
        async with self.worktrees() as worktrees:
            worktrees.leave(spec)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    hive = tmp_path / "hive"
    Folder(hive).create()
    return Lab(hive, repository(tmp_path / "repo"))


async def test_a_bot_works_on_a_branch_of_its_own_name(lab: Lab) -> None:
    assert await lab.prepare(spec(workdir=lab.repo)) == lab.work
    assert git(lab.work, "branch", "--show-current") == "BOT-001"
    assert (lab.work / "README").read_text() == "hello\n"
    assert git(lab.repo, "branch", "--show-current") == "main", "the repository itself is as it was"
    assert git(lab.repo, "status", "--porcelain") == ""


async def test_it_is_the_same_one_after_a_restart_with_what_is_in_it(lab: Lab) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    (lab.work / "draft").write_text("half")
    commit(lab.repo, "the world goes on")
    assert await lab.prepare(spec(workdir=lab.repo)) == lab.work
    assert (lab.work / "draft").read_text() == "half"


async def test_a_folder_within_the_repository_is_the_same_folder_within_the_worktree(lab: Lab) -> None:
    assert await lab.prepare(spec(workdir=lab.repo / "src")) == lab.work / "src"
    (lab.repo / "new").mkdir()
    assert await lab.prepare(spec("BOT-002", lab.repo / "new")) == Folder(lab.hive).workspace("BOT-002"), "untracked"


async def test_a_hive_in_a_repository_is_hidden_from_it(tmp_path: Path) -> None:
    hive = repository(tmp_path / "both" / "sub").parent
    shutil.move(hive / "sub" / ".git", hive)
    commit(hive, "moved up")
    lab = Lab(hive / "sub", hive)
    Folder(lab.hive).create()
    (hive / ".git" / "info" / "exclude").write_text("*.tmp")
    Folder(lab.hive).hive_toml.write_text("")
    assert ".deia" in git(hive, "status", "--porcelain")
    for _ in range(2):
        assert await lab.prepare(spec()) == lab.work / "sub"
        git(hive, "worktree", "remove", "--force", str(lab.work))
    assert git(hive, "status", "--porcelain") == ""
    assert (hive / ".git" / "info" / "exclude").read_text() == "*.tmp\n/sub/.deia/\n"


async def test_many_bots_on_one_repository_at_once(lab: Lab) -> None:
    specs = [spec(f"BOT-{number:03}", lab.repo) for number in range(1, 9)]
    async with lab.worktrees() as worktrees:
        places = await asyncio.gather(*(worktrees.prepare(each) for each in [*specs, *specs]))
    assert [Path(place).name for place in places[:8]] == [each.bot_id for each in specs]
    assert places[:8] == places[8:]
    assert [git(Path(place), "branch", "--show-current") for place in places[:8]] == [s.bot_id for s in specs]


# Branches


async def test_a_branch_of_somebody_else_is_left_alone(lab: Lab) -> None:
    git(lab.repo, "branch", "BOT-001")
    commit(lab.repo, "second")
    await lab.prepare(spec(workdir=lab.repo))
    assert git(lab.work, "branch", "--show-current") == "BOT-001-2"
    assert git(lab.repo, "rev-parse", "BOT-001") != git(lab.repo, "rev-parse", "main")


async def test_the_branch_goes_on_where_it_has_commits_of_its_own_and_begins_anew_where_not(lab: Lab) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    commit(lab.work, "of the bot")
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    assert not lab.work.exists()
    commit(lab.repo, "the world goes on")
    await lab.prepare(spec(workdir=lab.repo))
    assert git(lab.work, "log", "-1", "--format=%s") == "of the bot"
    git(lab.repo, "merge", "--quiet", "BOT-001")
    commit(lab.repo, "after the merge")
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    await lab.prepare(spec(workdir=lab.repo))
    assert git(lab.work, "branch", "--show-current") == "BOT-001"
    assert git(lab.work, "log", "-1", "--format=%s") == "after the merge"


async def test_another_hive_does_not_go_on_with_the_branch(lab: Lab, tmp_path: Path) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    other = Lab(tmp_path / "other", lab.repo)
    Folder(other.hive).create()
    await other.prepare(spec(workdir=lab.repo))
    assert git(other.work, "branch", "--show-current") == "BOT-001-2"


# Leaving


def dirty(lab: Lab) -> None:
    (lab.work / "README").write_text("changed")


def untracked(lab: Lab) -> None:
    git(lab.repo, "config", "status.showUntrackedFiles", "no")
    (lab.work / "new").write_text("")


def staged(lab: Lab) -> None:
    git(lab.work, "rm", "--quiet", "--cached", "README")
    (lab.work / "README").unlink()


def detached(lab: Lab) -> None:
    git(lab.work, "checkout", "--quiet", "--detach")
    commit(lab.work, "on no branch")


def rebasing(lab: Lab) -> None:
    for name in ("one", "two"):
        (lab.work / name).write_text("")
        commit(lab.work, name)
    env = {**os.environ, "GIT_SEQUENCE_EDITOR": "sed -i 1s/^pick/edit/"}
    subprocess.run(
        ["git", "-C", lab.work, *IDENTITY, "rebase", "-qi", "HEAD~2"], env=env, check=True, capture_output=True
    )


@pytest.mark.parametrize(
    ("unfinished", "why"),
    [
        (dirty, "1 file is not committed"),
        (untracked, "1 file is not committed"),
        (staged, "1 file is not committed"),
        (detached, "its last commits are on no branch"),
        (rebasing, "a merge, rebase or bisection is not finished"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_a_worktree_stays_when_something_would_be_lost(
    lab: Lab, unfinished: Callable[[Lab], None], why: str
) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    unfinished(lab)
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    assert (lab.work / ".git").exists()
    [said] = lab.said
    assert said == f"its worktree is kept: {why}."


async def test_committed_work_stays_on_the_branch_when_the_worktree_goes(lab: Lab) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    commit(lab.work, "done")
    (lab.repo / ".git" / "info" / "exclude").write_text("*.o\n")
    (lab.work / "code.o").write_text("")
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    assert not lab.work.exists()
    assert git(lab.repo, "log", "-1", "--format=%s", "BOT-001") == "done"
    assert lab.said == []


async def test_it_is_kept_unless_told_otherwise(lab: Lab) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    await lab.leave(spec(workdir=lab.repo))
    assert lab.work.exists()


async def test_a_bot_launched_again_at_once_waits_for_the_old_worktree_to_go(lab: Lab) -> None:
    mine = spec(workdir=lab.repo, at_stop="remove")
    async with lab.worktrees() as worktrees:
        for _ in range(3):
            place = Path(await worktrees.prepare(mine))
            assert (place / "README").exists()
            worktrees.leave(mine)


# What people do to them


async def test_a_worktree_deleted_by_hand_is_made_anew_on_its_branch(lab: Lab) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    commit(lab.work, "of the bot")
    shutil.rmtree(lab.work)
    await lab.prepare(spec(workdir=lab.repo))
    assert git(lab.work, "branch", "--show-current") == "BOT-001"
    assert git(lab.work, "log", "-1", "--format=%s") == "of the bot"


async def test_a_worktree_of_the_operator_s_that_is_out_of_reach_is_not_pruned(lab: Lab, tmp_path: Path) -> None:
    git(lab.repo, "worktree", "add", str(tmp_path / "usb"), "-b", "mine")
    (tmp_path / "usb").rename(tmp_path / "unplugged")
    await lab.prepare(spec(workdir=lab.repo))
    (tmp_path / "unplugged").rename(tmp_path / "usb")
    assert git(tmp_path / "usb", "branch", "--show-current") == "mine"


async def test_a_repository_that_was_moved_keeps_its_worktrees(lab: Lab, tmp_path: Path) -> None:
    await lab.prepare(spec(workdir=lab.repo))
    (lab.work / "draft").write_text("half")
    moved = lab.repo.rename(tmp_path / "moved")
    assert await lab.prepare(spec(workdir=moved)) == lab.work
    assert git(lab.work, "status", "--porcelain") == "?? draft"


async def test_a_repository_that_was_moved_with_its_hive_keeps_its_worktrees(tmp_path: Path) -> None:
    old = Lab(repository(tmp_path / "old"), tmp_path / "old")
    Folder(old.hive).create()
    await old.prepare(spec())
    (old.work / "draft").write_text("half")
    new = Lab(old.hive.rename(tmp_path / "new"), tmp_path / "new")
    assert await new.prepare(spec()) == new.work
    assert git(new.work, "status", "--porcelain") == "?? draft"


async def test_one_that_was_never_finished_is_made_anew(lab: Lab) -> None:
    """As a power cut amid 'git worktree add' leaves it."""
    await lab.prepare(spec(workdir=lab.repo))
    (lab.work / "README").unlink()
    (lab.repo / ".git" / "worktrees" / "BOT-001" / "locked").write_text("initializing\n")
    await lab.prepare(spec(workdir=lab.repo))
    assert (lab.work / "README").exists()


async def test_a_bare_repository_will_do(lab: Lab, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(lab.repo), "bare")
    assert await lab.prepare(spec(workdir=tmp_path / "bare")) == lab.work
    assert (lab.work / "README").exists()


async def test_submodules_are_told_of(lab: Lab, tmp_path: Path) -> None:
    git(lab.repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository(tmp_path / "dep")))
    commit(lab.repo, "with dep")
    await lab.prepare(spec(workdir=lab.repo))
    [said] = lab.said
    assert said.startswith("submodules are empty in its worktree: 'git submodule update --init'")
    git(lab.work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    await lab.prepare(spec(workdir=lab.repo))
    assert len(lab.said) == 1
    await lab.leave(spec(workdir=lab.repo, at_stop="remove"))
    assert "submodules cannot be moved or removed" in lab.said[1], "git removes no worktree that has them"


# Refusals


def nowhere(lab: Lab) -> BotSpec:
    return spec(workdir=lab.hive)


def without_commit(lab: Lab) -> BotSpec:
    (lab.hive / "empty").mkdir()
    git(lab.hive / "empty", "init", "--quiet")
    return spec(workdir=lab.hive / "empty")


def checked_out(lab: Lab) -> BotSpec:
    git(lab.repo, "branch", "BOT-001")
    git(lab.repo, "config", "branch.BOT-001.deiaWorktree", str(lab.work))
    git(lab.repo, "checkout", "--quiet", "BOT-001")
    return spec(workdir=lab.repo)


def in_the_way(lab: Lab) -> BotSpec:
    lab.work.mkdir(parents=True)
    (lab.work / "notes").write_text("")
    return spec(workdir=lab.repo)


def of_another(lab: Lab) -> BotSpec:
    lab.work.parent.mkdir(parents=True)
    git(repository(lab.hive / "other"), "worktree", "add", "--quiet", "-b", "x", str(lab.work))
    return spec(workdir=lab.repo)


def orphaned(lab: Lab) -> BotSpec:
    of_another(lab)
    shutil.rmtree(lab.hive / "other")
    return spec(workdir=lab.repo)


def blocked(lab: Lab) -> BotSpec:
    lab.work.parent.write_text("")
    return spec(workdir=lab.repo)


def locked(lab: Lab) -> BotSpec:
    (lab.repo / ".git" / "config.lock").write_text("")
    return spec(workdir=lab.repo)


def ref_locked(lab: Lab) -> BotSpec:
    (lab.repo / ".git" / "refs" / "heads" / "BOT-001.lock").write_text("")
    return spec(workdir=lab.repo)


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (nowhere, "{hive} is in no git repository: run 'git init' there, or name one as workdir."),
        (without_commit, "The repository in {hive}/empty has no commit yet: make one, then launch again."),
        (checked_out, "Branch BOT-001, on which BOT-001 works, is checked out in {repo}: switch that to another one"),
        (in_the_way, "{work} holds files that are no worktree: move them away, then launch again."),
        (of_another, "{work} is a worktree of {hive}/other/.git, not of {repo}: move it away, then launch again."),
        (orphaned, "{work} is a worktree of a repository that is gone: move it away, then launch again."),
        (blocked, "The worktree of BOT-001 is out of reach: "),
        (locked, "Another git works in {repo}, or was killed there: if none runs, remove .git/config.lock."),
        (ref_locked, "Another git works in {repo}, or was killed there: if none runs, remove {repo}/.git/refs/heads/"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_what_cannot_be_is_one_sentence(lab: Lab, trouble: Callable[[Lab], BotSpec], sentence: str) -> None:
    wanted = trouble(lab)
    with pytest.raises(ConfigError) as refusal:
        await lab.prepare(wanted)
    assert str(refusal.value).startswith(sentence.format(hive=lab.hive, repo=lab.repo, work=lab.work))
    assert "\n" not in str(refusal.value)


async def test_a_full_disk_is_one_sentence_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    """As git says it; what it writes it writes through a program of ours here, which says that there is no room."""
    filters = tmp_path / "full"
    filters.write_text("#!/bin/sh\necho 'error: No space left on device' >&2; exit 1\n")
    filters.chmod(0o700)
    git(lab.repo, "config", "filter.full.smudge", str(filters))
    git(lab.repo, "config", "filter.full.required", "true")
    (lab.repo / ".git" / "info" / "attributes").write_text("README filter=full\n")
    with pytest.raises(ConfigError) as refusal:
        await lab.prepare(spec(workdir=lab.repo))
    assert str(refusal.value) == f"No space is left for a worktree of {lab.repo}: free some, then launch again."
    assert not lab.work.exists()


async def test_git_that_hangs_is_ended_with_everything_it_started_when_the_supervisor_leaves(
    lab: Lab, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    hanging = tmp_path / "hang"
    hanging.write_text(f"#!/bin/sh\necho $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000\n")
    hanging.chmod(0o700)
    git(lab.repo, "config", "filter.hang.smudge", str(hanging))
    (lab.repo / ".git" / "info" / "attributes").write_text("README filter=hang\n")
    async with lab.worktrees() as worktrees:
        preparing = asyncio.create_task(worktrees.prepare(spec(workdir=lab.repo)))
        async with asyncio.timeout(30):
            while not pid_file.exists():
                await asyncio.sleep(0.01)
    with pytest.raises(ConfigError, match="git does not answer"):
        await preparing
    async with asyncio.timeout(30):
        while identify(int(pid_file.read_text())):
            await asyncio.sleep(0.01)


async def test_no_hook_and_no_variable_of_the_supervisor_has_a_say(lab: Lab, tmp_path: Path) -> None:
    hook = lab.repo / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o700)
    os.environ["GIT_DIR"] = str(tmp_path / "nowhere")
    try:
        await lab.prepare(spec(workdir=lab.repo))
    finally:
        del os.environ["GIT_DIR"]
    assert not (tmp_path / "hooked").exists()


async def test_without_git_there_is_a_sentence(lab: Lab) -> None:
    async with lab.worktrees(PATH="/nowhere") as worktrees:
        with pytest.raises(ConfigError, match=r"^git is not installed: install it, or set worktree = false\.$"):
            await worktrees.prepare(spec(workdir=lab.repo))


def test_what_can_be_seen_without_git_is_seen_before_a_launch(lab: Lab) -> None:
    assert why_not(spec(workdir=lab.repo / "src"), lab.hive) == ""
    assert why_not(spec(), lab.repo) == ""
    assert why_not(spec(), lab.hive).startswith(f"BOT-001 wants a git worktree, and {lab.hive} is in no git")
