"""Task files, from the folder they are dropped into to their answers: on real bots and a real store."""

import json
import os
from pathlib import Path

import yaml

from deia_tui.core.client import TaskDetail
from deia_tui.core.commands import AddTask, CancelTask, LaunchBots, StopBot
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest

AGENTS = """
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.slow]
kind = "command"
argv = ["sleep", "60"]
[agents.broken]
kind = "command"
argv = ["false"]
[tasks]
rescan_s = 0.5
max_tries = 1
"""


def drop(folder: Path, name: str, text: str) -> None:
    """As a careful program does: written beside, renamed into place."""
    folder.mkdir(exist_ok=True)
    (folder / f".{name}.tmp").write_text(text)
    (folder / f".{name}.tmp").rename(folder / name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def details(hive: Hive) -> list[TaskDetail]:
    return [await hive.task(task.task_id) for task in await hive.tasks()]


async def test_a_file_is_done_answered_and_archived(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    tasks, name = lab.folder.tasks, "2026-01-31-0930-Q33N-BOT-001-TASK-say-hello.md"
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo", count=2))
        drop(tasks, name, "**Priority:** P1\n\nhello")
        await lab.until(lambda: names(tasks / "_archive") == [name])
        await lab.until(lambda: names(lab.folder.responses))
        [response] = lab.folder.responses.glob("*.md")
        assert response.name.endswith("-BOT-001-Q33N-RESPONSE-say-hello-complete.md")
        text = response.read_text()
        assert "**Status:** ✓ SUCCESS\n" in text
        assert "## Output\n\n**Priority:** P1\n\nhello\n" in text
        await lab.until(lambda: hive.snapshot().work.waiting == 0)
        [detail] = await details(hive)
        task = detail.task
        assert (task.sender, task.to, task.priority, task.source) == ("Q33N", "BOT-001", 1, name)
        assert names(tasks / "_active") == []


async def test_a_file_that_failed_is_answered_with_its_error(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="broken"))
        drop(lab.folder.tasks / "BOT-001", "x.md", "impossible")
        await lab.until(lambda: names(lab.folder.tasks / "BOT-001" / "_archive") == ["x.md"])
        [response] = lab.folder.responses.glob("*-BOT-001-HUMAN-RESPONSE-x-failed.md")
        assert "**Status:** ✗ FAILED\n" in response.read_text()
        assert "## Error\n\n" in response.read_text()


async def test_tasks_that_came_from_no_file_are_answered_too(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        [task_id] = await hive.submit(AddTask(text="never mind"))
        await hive.submit(CancelTask(task_id=task_id))
        await lab.until(lambda: list(lab.folder.responses.glob("*-HIVE-HUMAN-RESPONSE-never-mind-failed.md")))


async def test_what_was_claimed_before_a_crash_is_taken_in_once(lab: HiveInTest) -> None:
    active = lab.folder.tasks / "_active"
    active.mkdir(mode=0o700)
    (active / "lost.md").write_text("nobody knows it")
    (active / "bad.md").write_bytes(b"\xff")
    for _ in range(2):
        async with lab.supervised() as hive:
            await lab.until(lambda: hive.snapshot().work.waiting == 1)
            assert [detail.task.source for detail in await details(hive)] == ["lost.md"]
            await lab.until(lambda: names(lab.folder.tasks / "_refused") == ["bad.md", "bad.md.reason"])
    async with lab.supervised() as hive:
        [detail] = await details(hive)
        assert names(active) == ["lost.md"]
        await hive.submit(CancelTask(task_id=detail.task.task_id))
        await lab.until(lambda: names(lab.folder.tasks / "_archive") == ["lost.md"])
    (lab.folder.tasks / "_archive" / "lost.md").rename(active / "lost.md")  # the move was lost with a crash
    async with lab.supervised() as hive:
        await lab.until(lambda: names(lab.folder.tasks / "_archive") == ["lost.md"])
        assert len(await details(hive)) == 1


async def test_the_same_file_again_is_a_new_task_unless_it_names_its_id(lab: HiveInTest) -> None:
    tasks = lab.folder.tasks
    async with lab.supervised() as hive:
        for count in (1, 2):
            drop(tasks, "again.md", "do it")
            await lab.until(lambda count=count: hive.snapshot().work.waiting == count)  # type: ignore[misc]
        assert sorted(detail.task.source for detail in await details(hive)) == ["again-2.md", "again.md"]
        for _ in range(2):
            drop(tasks, "once.md", "---\ntask_id: once\n---\ndo it")
            await lab.until(lambda: not (tasks / "once.md").exists())
        await lab.until(lambda: names(tasks / "_archive") == ["once-2.md"])
        drop(tasks, "other.md", "---\ntask_id: once\n---\ndo something else")
        await lab.until(lambda: names(tasks / "_refused") == ["other.md", "other.md.reason"])
        assert "once" in (tasks / "_refused" / "other.md.reason").read_text()
        await lab.until(lambda: any("other.md was refused: Task id 'once'" in alert.text for alert in lab.state.alerts))
        assert hive.snapshot().work.waiting == 3


async def test_a_folder_of_a_bot_that_does_not_exist_yet_waits_for_it(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    (folder := lab.folder.tasks / "BOT-001").mkdir()
    drop(folder, "x.md", "hello")
    (lab.folder.tasks / "BOT-002").touch()

    def said() -> list[str]:
        return [alert.text for alert in lab.state.alerts if alert.kind == "task-folders" and alert.cleared_at is None]

    async with lab.supervised() as hive:
        await lab.until(said)
        first, second = said()[0].split("; ")
        assert first == "hive/tasks/BOT-001 has 1 task file for a bot that does not exist"
        assert second == "hive/tasks/BOT-002 is no folder"
        assert names(folder) == ["x.md"]
        await hive.submit(LaunchBots(what="echo"))
        await lab.until(lambda: names(folder / "_archive") == ["x.md"])
        (lab.folder.tasks / "BOT-002").unlink()
        await lab.until(lambda: not said())


async def test_a_pause_file_keeps_a_bot_from_new_tasks(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    pause = lab.folder.controls / "BOT-001-PAUSE"
    pause.touch()
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo", count=2))
        await lab.until(lambda: lab.bot().paused)
        drop(lab.folder.tasks / "BOT-001", "x.md", "hello")
        drop(lab.folder.tasks, "y.md", "hello")
        await lab.until(lambda: names(lab.folder.tasks / "_archive") == ["y.md"])
        assert names(lab.folder.tasks / "BOT-001" / "_archive") == []
    async with lab.supervised() as hive:
        assert lab.bot().paused
        assert not lab.bot("BOT-002").paused
        pause.unlink()
        await lab.until(lambda: not lab.bot().paused)


async def test_json_tasks_are_read_as_well(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        row = {"task_id": "J-7", "status": "queued", "content": "do it", "priority": "P3"}
        drop(lab.folder.tasks, "2026-01-31-0930-Q33N-ALL_AGENTS-TASK-J-7.json", json.dumps(row))
        await lab.until(lambda: hive.snapshot().work.waiting == 1)
        task = (await hive.task("J-7")).task
        assert (task.sender, task.to, task.priority, task.text) == ("Q33N", "", 3, "do it")


async def test_what_a_bot_cannot_take_yet_stays_in_its_folder(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    (folder := lab.folder.tasks / "BOT-001").mkdir()
    for number in range(30):
        (folder / f"{number:02}.md").write_text(f"number {number}")
    pause = lab.folder.controls / "BOT-001-PAUSE"
    pause.touch()
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        await lab.until(lambda: hive.snapshot().work.waiting == 10)
        drop(folder, "99-P0.md", "urgent")
        await lab.until(lambda: "99-P0.md" in names(folder / "_active"))
        assert names(folder / "_active") == [*(f"{number:02}.md" for number in range(10)), "99-P0.md"]
        assert len(list(folder.glob("*.md"))) == 20
        pause.unlink()
        await lab.until(lambda: len(names(folder / "_archive")) == 31, timeout_s=60)
    rows = (lab.folder.logs / "backpressure.jsonl").read_text().splitlines()
    refusals = [row for row in map(json.loads, rows) if row["event"] == "refused"]
    assert 1 <= len(refusals) <= 10, "a closed gate is not knocked at again and again"


async def test_heartbeats_tell_what_bots_do(lab: HiveInTest) -> None:
    lab.configure(AGENTS)

    def beat() -> dict[str, object]:
        path = lab.folder.heartbeats / "BOT-001.yaml"
        found: dict[str, object] = yaml.safe_load(path.read_text()) if path.exists() else {}
        return found

    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="slow"))
        await lab.until(lambda: beat().get("status") == "idle")
        assert (beat()["agent_id"], beat()["role"], beat()["current_task"]) == ("BOT-001", "slow", None)
        [task_id] = await hive.submit(AddTask(text="x"))
        await lab.until(lambda: beat()["status"] == "busy" and beat()["current_task"] == task_id)
        await hive.submit(StopBot(bot_id="BOT-001"))
        await lab.until(lambda: beat()["status"] == "offline")


async def test_many_files_at_once_are_all_claimed(lab: HiveInTest) -> None:
    count = 600
    for number in range(count):
        (lab.folder.tasks / f"{number:04}-P{number % 4}-x.md").write_text(f"number {number}")
    async with lab.supervised() as hive:
        await lab.until(lambda: hive.snapshot().work.waiting == count)
        assert len(names(lab.folder.tasks / "_active")) == count
        first = await hive.tasks(states=[TaskState.QUEUED], limit=count)
        assert [task.priority for task in first] == sorted(task.priority for task in first)


async def test_responses_that_cannot_be_written_are_owed(lab: HiveInTest) -> None:
    responses = lab.folder.responses

    def alerts() -> list[str]:
        return [alert.text for alert in lab.state.alerts if alert.kind == "responses" and alert.cleared_at is None]

    async with lab.supervised() as hive:
        responses.rmdir()
        responses.touch()
        [task_id] = await hive.submit(AddTask(text="x"))
        await hive.submit(CancelTask(task_id=task_id))
        await lab.until(alerts)
        assert (await hive.task(task_id)).task.state is TaskState.CANCELLED
    responses.unlink()
    async with lab.supervised() as hive:
        await lab.until(lambda: names(responses) and not alerts())
        assert (await hive.task(task_id)).task.response == names(responses)[0]


async def test_a_folder_that_is_removed_is_made_and_watched_anew(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    tasks = lab.folder.tasks
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        await lab.until(lambda: (tasks / "BOT-001").exists())
        (tasks / "BOT-001").rmdir()
        tasks.rename(tasks.with_name("moved"))
        await lab.until(lambda: (tasks / "BOT-001").exists())
        drop(tasks / "BOT-001", "x.md", "hello")
        await lab.until(lambda: names(tasks / "BOT-001" / "_archive") == ["x.md"])
        assert os.stat(tasks).st_mode & 0o777 == 0o700


async def test_what_a_killed_supervisor_began_to_answer_is_swept_away(lab: HiveInTest) -> None:
    draft = lab.folder.responses / ".2026-01-31-0930-BOT-001-HUMAN-RESPONSE-hello-complete.md.4711.tmp"
    theirs = lab.folder.responses / ".notes.tmp"
    for path in (draft, theirs):
        path.write_text("half of i")
    async with lab.supervised():
        await lab.until(lambda: not draft.exists())
        assert theirs.exists()
