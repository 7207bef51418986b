"""Task files that are not what they should be, that come by the thousand, or whose answers cannot be written."""

import os
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive
from tests.hives import until

RESCAN_S = 0.3
SETTINGS = f"[agents.echo]\nkind = 'command'\nargv = ['cat']\n[tasks]\nrescan_s = {RESCAN_S}\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def drop(folder: Path, name: str, text: str) -> None:
    (folder / f".{name}.tmp").write_text(text)
    (folder / f".{name}.tmp").rename(folder / name)


def sources(hive: FaultyHive) -> list[str]:
    return [source for (source,) in hive.query("SELECT source FROM tasks ORDER BY source")]


def open_alerts(hive: FaultyHive, kind: str) -> list[str]:
    rows = hive.query("SELECT text FROM alerts WHERE kind = ? AND cleared_at IS NULL", kind)
    return [text for (text,) in rows]


@pytest.mark.fault(37)
def test_a_file_that_is_written_slowly_is_claimed_when_it_is_whole(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(SETTINGS)
    hive.serve()
    hive.launch("echo", 1)
    tasks = hive.folder.tasks
    began = time.monotonic()
    with (tasks / "slow.md").open("w") as file:
        file.write("one half, ")
        file.flush()
        drop(tasks, "quick.md", "this one is whole")
        until(lambda: names(tasks / "_archive") == ["quick.md"], "the other file")
        until(lambda: time.monotonic() - began > 4 * RESCAN_S, "a pause longer than the rescan")
        assert sources(hive) == ["quick.md"]
        assert (tasks / "slow.md").exists()
        file.write("the other half")
        file.flush()
        closed = time.monotonic()
    until(lambda: not (tasks / "slow.md").exists(), "the claim", pause=0.002)
    measured(f"claimed {(time.monotonic() - closed) * 1000:.0f} ms after it was closed")
    until(lambda: names(tasks / "_archive") == ["quick.md", "slow.md"], "its end")
    [(text,)] = hive.query("SELECT text FROM task_texts JOIN tasks USING (task_id) WHERE source = 'slow.md'")
    assert text == "one half, the other half"


@pytest.mark.fault(38)
def test_hostile_files_are_refused_and_hold_nobody_up(hive: FaultyHive) -> None:
    hive.configure(SETTINGS)
    hive.serve()
    hive.launch("echo", 1)
    tasks, secret = hive.folder.tasks, hive.root / "secret"
    secret.write_text("nobody's business")
    os.mkfifo(tasks / "a-pipe.md")
    (tasks / "b-link.md").symlink_to(secret)
    (tasks / "c-folder.md").mkdir()
    drop(tasks, "d-id.md", "---\ntask_id: ../../../etc/passwd\n---\nhello")
    drop(tasks, "e-after.md", "---\nafter: [../x]\n---\nhello")
    drop(tasks, "f-large.md", "x" * 1_100_000)
    drop(tasks, "g-text.md", "a\0b")
    drop(tasks, "h-to.md", "---\nto: ../../..\n---\nhello")
    drop(tasks / "BOT-001", "i-fine.md", "hello")
    until(lambda: names(tasks / "BOT-001" / "_archive") == ["i-fine.md"], "the one that is a task")
    until(lambda: len(names(tasks / "_refused")) == 16, "reasons for the others")
    reasons = {path.stem: path.read_text() for path in sorted((tasks / "_refused").glob("*.reason"))}
    words = ("pipe", "link", "folder", "name a task", "name a task", "1024 KiB", "NUL", "no such bot")
    for (name, reason), word in zip(reasons.items(), words, strict=True):
        assert word in reason, name
        assert reason.count("\n") == 1
        assert reason.endswith(".\n")
    assert sources(hive) == ["BOT-001/i-fine.md"]
    assert secret.read_text() == "nobody's business"
    assert [name for name in names(tasks) if name.endswith(".md")] == []


def test_a_thousand_files_and_a_supervisor_that_is_killed_over_them(hive: FaultyHive) -> None:
    hive.configure(SETTINGS)
    supervisor = hive.serve()
    tasks, count = hive.folder.tasks, 1000
    for number in range(count):
        drop(tasks, f"{number:04}.md", f"number {number}")
    until(lambda: len(sources(hive)) > 0, "the first of them", pause=0.002)
    hive.kill_nine(supervisor)
    hive.serve()
    until(lambda: len(sources(hive)) == count, "all of them")
    assert len(set(sources(hive))) == count
    until(lambda: len(names(tasks / "_active")) == count, "no file left over")
    assert names(tasks / "_refused") == []


def test_answers_wait_for_a_folder_they_can_be_written_to(hive: FaultyHive) -> None:
    hive.configure(SETTINGS)
    supervisor = hive.serve()
    hive.launch("echo", 1)
    responses = hive.folder.responses
    responses.rename(responses.with_name("away"))
    responses.touch()
    drop(hive.folder.tasks, "x.md", "hello")
    until(lambda: open_alerts(hive, "responses"), "an alert")
    assert hive.query("SELECT state, response FROM tasks") == [("done", "")]
    hive.kill_nine(supervisor)
    responses.unlink()
    hive.serve()
    until(lambda: names(responses), "the answer")
    until(lambda: not open_alerts(hive, "responses"), "the end of the alert")
    [answer] = names(responses)
    assert hive.query("SELECT state, response FROM tasks") == [("done", answer)]
    assert names(hive.folder.tasks / "_archive") == ["x.md"]
