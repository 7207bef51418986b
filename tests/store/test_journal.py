import json
import os
import stat
import threading
from pathlib import Path

import pytest

from deia_tui import segments
from deia_tui.bot.output_log import SHARE as OUTPUT_SHARE
from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.state import BotView, HiveState, Snapshot
from deia_tui.folder import Folder
from deia_tui.store import projections
from deia_tui.store.journal import SHARES, Journal, share_of, tidy

from . import scenes
from .limits import no_file_beyond

END = b"the end"


def journal_of(folder: Folder, problems: list[str] | None = None, version: int = 0) -> Journal:
    on_problem = (problems if problems is not None else []).append
    return Journal(folder, state=HiveState(), registry_version=version, on_problem=on_problem)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def recorded(*events: ev.Event) -> list[Recorded]:
    return [Recorded(seq, event) for seq, event in enumerate(events, start=1)]


def test_every_line_is_json_and_in_order(folder: Folder) -> None:
    journal = journal_of(folder)
    for number in range(3000):
        journal.add(recorded(scenes.asked("A", f"m{number}", "é")))
    journal.close()
    path = folder.logs / "A-activity.jsonl"
    assert [row["context"]["message_id"] for row in rows(path)] == [f"m{number}" for number in range(3000)]  # type: ignore[index]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_registry_is_counted_on(folder: Folder) -> None:
    journal = journal_of(folder, version=40)
    journal.add(recorded(*scenes.started("A"), scenes.exited("A")))
    journal.close()
    changes = [(row["action"], row["version"]) for row in rows(folder.logs / "registry-changes.jsonl")]
    assert changes == [("registered", 41), ("unregistered", 42)]
    assert journal.registry_version == 42


def test_a_line_after_a_torn_one_is_whole(folder: Folder) -> None:
    path = folder.logs / "A-activity.jsonl"
    path.write_bytes(b'{"whole":1}\n{"timestamp":"2025-10-0')
    journal = journal_of(folder)
    journal.add(recorded(scenes.asked("A", "m"), scenes.asked("A", "n")))
    journal.close()
    lines = path.read_bytes().split(b"\n")
    assert lines[1] == b'{"timestamp":"2025-10-0'
    assert [json.loads(lines[place])["bot_id"] for place in (2, 3)] == ["A", "A"]
    assert lines[4:] == [b""]


def test_what_cannot_be_written_is_kept_and_told_once(folder: Folder) -> None:
    path = folder.logs / "A-activity.jsonl"
    path.mkdir()
    problems: list[str] = []
    journal = journal_of(folder, problems)
    journal.add(recorded(scenes.asked("A", "m1"), scenes.asked("B", "b")))
    journal.add(recorded(scenes.asked("A", "m2")))
    journal.close()
    assert [row["context"]["message_id"] for row in rows(folder.logs / "B-activity.jsonl")] == ["b"]  # type: ignore[index]
    (problem,) = problems
    assert "A-activity.jsonl" in problem


def test_kept_lines_come_before_the_next_one(folder: Folder) -> None:
    path = folder.logs / "A-activity.jsonl"
    path.mkdir()
    told = []

    def mend(problem: str) -> None:
        if problem:
            path.rmdir()
        told.append(bool(problem))

    journal = Journal(folder, state=HiveState(), registry_version=0, on_problem=mend)
    for number in range(3):
        journal.add(recorded(scenes.asked("A", f"m{number}")))
    journal.close()
    assert told == [True, False], "trouble, and that it is over"
    assert [row["context"]["message_id"] for row in rows(path)] == ["m0", "m1", "m2"]  # type: ignore[index]


def test_half_a_line_is_taken_back(folder: Folder) -> None:
    path = folder.logs / "A-activity.jsonl"
    path.write_bytes(b'{"whole":1}\n')
    problems: list[str] = []
    with no_file_beyond(50):
        journal = journal_of(folder, problems)
        journal.add(recorded(scenes.asked("A", "m1")))
        journal.close()
    assert path.read_bytes() == b'{"whole":1}\n'
    assert len(problems) == 1


def test_a_disk_that_hangs_blocks_nobody(folder: Folder) -> None:
    path = folder.logs / "A-activity.jsonl"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)  # nobody reads: the pipe takes 64 KiB, then its writer waits
    problems: list[str] = []
    journal = journal_of(folder, problems)
    many = recorded(*[scenes.asked("A", "m")] * 500)
    while not problems:
        journal.add(many)
    assert problems == ["The disk does not take log lines fast enough: some are left out."]
    reader = threading.Thread(target=drain, args=(pipe,))
    reader.start()
    journal.close()
    os.write(pipe, END)
    reader.join()
    os.close(pipe)


def drain(pipe: int) -> None:
    tail = b""
    while not tail.endswith(END):
        tail = tail[-len(END) :] + os.read(pipe, 65536)


def test_resources_once_a_minute(folder: Folder) -> None:
    journal = journal_of(folder)
    bots = {"A": BotView(bot_id="A", spec=scenes.spec("A"))}
    for second in range(0, 180, 20):
        journal.add_samples(scenes.AT + second, bots, {"A": (1.0, 2.0, 1, 1)}, total_memory_mb=1000.0)
    journal.close()
    stamps = [str(row["timestamp"])[14:19] for row in rows(folder.logs / "A-resources.jsonl")]
    assert stamps == ["53:20", "54:20", "55:20"]


def test_four_writers_and_a_full_journal(folder: Folder) -> None:
    """No line is lost or torn while journals are set aside and gzipped."""
    for name in ("A-activity.jsonl", "bot-messaging.jsonl"):
        with (folder.logs / name).open("wb") as file:
            file.truncate(segments.full_at(share_of(name)) - 100_000)
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
    journal = journal_of(folder)

    def say(voice: int) -> None:
        for number in range(500):
            journal.add(recorded(scenes.asked("A", f"{voice}-{number}")))
            tidy(folder.logs)

    voices = [threading.Thread(target=say, args=(voice,)) for voice in range(4)]
    for thread in voices:
        thread.start()
    for thread in voices:
        thread.join()
    journal.close()
    for name in ("A-activity.jsonl", "bot-messaging.jsonl"):
        log = folder.logs / name
        (full,) = segments.older(log)
        assert full.stat().st_size > segments.full_at(share_of(name)) > log.stat().st_size
        lines = [*full.read_bytes().lstrip(b"\0\n").splitlines(), *log.read_bytes().splitlines()]
        ids = [row.get("message_id") or row["context"]["message_id"] for row in map(json.loads, lines)]
        assert sorted(ids) == sorted(f"{voice}-{number}" for voice in range(4) for number in range(500))


def test_all_segments_of_a_bot_are_at_most_100_mb() -> None:
    assert sum(SHARES.values()) + OUTPUT_SHARE == 100_000_000
    assert [share_of(f"X-{kind}.jsonl") for kind in SHARES] == list(SHARES.values())
    assert share_of("circuit-breaker.jsonl") == share_of("metrics-2026-01-01.jsonl") == 100_000_000


def test_the_oldest_days_of_metrics_go(folder: Folder) -> None:
    for day in (1, 2, 3):
        with (folder.logs / f"metrics-2026-01-0{day}.jsonl").open("wb") as file:
            file.truncate(45_000_000)
    tidy(folder.logs)
    assert sorted(os.listdir(folder.logs)) == ["metrics-2026-01-02.jsonl", "metrics-2026-01-03.jsonl"]


def test_metrics_every_five_minutes(folder: Folder) -> None:
    journal = journal_of(folder)
    bots = {"A": BotView(bot_id="A", spec=scenes.spec("A"), state=BotState.RUNNING, since=scenes.AT)}
    for second in range(0, 1000, 10):
        journal.add_samples(scenes.AT + second, bots, {}, total_memory_mb=1000.0)
    journal.close()
    assert [row["bot_id"] for row in rows(folder.logs / "metrics-2025-10-09.jsonl")] == [
        "A"
    ] * 2  # the first window began by the clock of today


async def test_projections_are_whole_files(folder: Folder) -> None:
    state = HiveState(bots={"A": BotView(bot_id="A", spec=scenes.spec("A"), pid=5, port=8001)})
    await projections.write(folder, Snapshot(seq=12, state=state), registry_version=3, now=scenes.AT)
    registry, board = json.loads(folder.registry.read_bytes()), json.loads(folder.status_board.read_bytes())
    assert (registry["version"], list(registry["bots"])) == (3, ["A"])
    assert (board["rev"], list(board["bots"])) == (12, ["A"])
    assert not [name for name in os.listdir(folder.deia) if name.endswith(".tmp")]


async def test_a_projection_that_cannot_be_written_says_so(folder: Folder) -> None:
    folder.registry.mkdir()
    with pytest.raises(StoreError, match=r"registry\.json"):
        await projections.write(folder, Snapshot(), registry_version=0, now=scenes.AT)
