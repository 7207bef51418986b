"""Where bots of a real hive work: the folder that was declared, or a worktree that is there before they are."""

import os
import signal
from pathlib import Path

import pytest

from deia_tui.core.bots import BotState
from deia_tui.core.commands import KillBot, LaunchBots, StopBot
from deia_tui.core.errors import CommandRejected
from tests.hive.conftest import HiveInTest
from tests.hive.test_worktrees import git, repository

TREE = """
[bots.TREE]
agent = "shell"
workdir = "repo"
worktree = true
"""


async def folder_of(lab: HiveInTest, bot_id: str) -> Path:
    answer, _ = await lab.ask(bot_id, "pwd")
    return Path(answer.strip())


@pytest.fixture
def repo(lab: HiveInTest) -> Path:
    return repository(lab.folder.root / "repo")


async def test_a_bot_works_in_the_folder_it_was_declared_with(lab: HiveInTest, repo: Path) -> None:
    lab.configure('[bots.A]\nagent = "shell"\nworkdir = "repo/src"\n')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="A"))
        assert await folder_of(lab, "A") == repo / "src"


async def test_a_bot_works_in_its_worktree_again_after_a_crash_and_after_a_new_supervisor(
    lab: HiveInTest, repo: Path
) -> None:
    lab.configure(TREE)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="TREE"))
        place = lab.folder.workspace("TREE")
        assert await folder_of(lab, "TREE") == place
        assert lab.bot("TREE").spec.workdir == str(repo), "what was declared stays declared"
        await lab.ask("TREE", "touch draft")
        os.kill(lab.bot("TREE").pid or 0, signal.SIGKILL)
        await lab.until(lambda: lab.bot("TREE").run == 2 and lab.bot("TREE").state is BotState.RUNNING)
        assert await folder_of(lab, "TREE") == place
    async with lab.supervised() as hive:
        await lab.until(lambda: lab.bot("TREE").state is BotState.RUNNING)
        answer, _ = await lab.ask("TREE", "git status --short --branch")
        assert answer == "## TREE\n?? draft\n"


@pytest.mark.parametrize("end", [StopBot(bot_id="TREE"), KillBot(bot_id="TREE")])
async def test_a_worktree_goes_with_a_stop_and_stays_with_work_in_it(
    lab: HiveInTest, repo: Path, end: StopBot | KillBot
) -> None:
    lab.configure(TREE + 'worktree_at_stop = "remove"\n')
    place = lab.folder.workspace("TREE")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="TREE"))
        await hive.submit(end)
        await lab.until(lambda: not place.exists())
        await hive.submit(LaunchBots(what="TREE"))
        await lab.ask("TREE", "touch draft")
        await hive.submit(end)
        await lab.until(lambda: any(alert.kind == "worktree" for alert in lab.state.alerts))
        assert (place / "draft").exists()
        [alert] = [alert for alert in lab.state.alerts if alert.kind == "worktree"]
        assert alert.text == "its worktree is kept: 1 file is not committed."
        git(place, "rm", "--force", "--quiet", "-r", "--ignore-unmatch", "draft")
        (place / "draft").unlink()
        await hive.submit(LaunchBots(what="TREE"))
        await lab.until(
            lambda: not any(alert.kind == "worktree" and alert.cleared_at is None for alert in lab.state.alerts)
        )
    assert not place.exists(), "the supervisor stops its bots when it ends, and waits for the worktree to go"


async def test_what_git_refuses_is_the_reason_the_bot_does_not_come_up(lab: HiveInTest, repo: Path) -> None:
    lab.configure(TREE)
    async with lab.supervised() as hive:
        lab.folder.workspace("TREE").mkdir(parents=True)
        (lab.folder.workspace("TREE") / "notes").write_text("")
        with pytest.raises(CommandRejected, match="holds files that are no worktree: move them away"):
            await hive.submit(LaunchBots(what="TREE"))
        assert lab.bot("TREE").state is BotState.FATAL
        (lab.folder.workspace("TREE") / "notes").unlink()
        await hive.submit(LaunchBots(what="TREE"))


async def test_a_stop_does_not_wait_for_git(lab: HiveInTest, repo: Path, tmp_path: Path) -> None:
    """And a bot that was taken back while git made its worktree does not come up later."""
    go = tmp_path / "go"
    waiting = tmp_path / "waiting"
    waiting.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked; while [ ! -e {go} ]; do sleep 0.01; done; cat\n")
    waiting.chmod(0o700)
    git(repo, "config", "filter.wait.smudge", str(waiting))
    (repo / ".git" / "info" / "attributes").write_text("README filter=wait\n")
    lab.configure(TREE + '[bots.OTHER]\nagent = "shell"\n')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="TREE", wait=False))
        await lab.until((tmp_path / "asked").exists)
        await hive.submit(LaunchBots(what="OTHER"))
        await hive.submit(StopBot(bot_id="TREE"))
        assert lab.bot("TREE").state is BotState.STOPPED
        go.touch()
        await hive.submit(LaunchBots(what="TREE"))
        assert lab.bot("TREE").run == 2
        assert await folder_of(lab, "TREE") == lab.folder.workspace("TREE")
