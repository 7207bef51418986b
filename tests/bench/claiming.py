"""How soon a task file is claimed once it is complete, and how a hive takes 10,000 of them at once."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ..hives import TrialHive, until
from .figures import Figure, p95
from .subject import served_hive

ROUNDS = 40
FILES = 10_000
WANTED_S = 0.2


def claim() -> Iterator[Figure]:
    with served_hive() as hive:
        tasks = hive.folder.tasks
        renamed = [_until_claimed(tasks / f"renamed-{number}.md", slowly=False) for number in range(ROUNDS)]
        written = [_until_claimed(tasks / f"written-{number}.md", slowly=True) for number in range(ROUNDS)]
    for what, times in (("renamed into place", renamed), ("closed by its writer", written)):
        figure = f"task file {what} → claimed (p95)"
        yield Figure(what=figure, measured=1000 * p95(times), unit="ms", at_most=1000 * WANTED_S, digits=0)


def _until_claimed(path: Path, *, slowly: bool) -> float:
    """From its completion on. Each begins at another moment of the supervisor's looks."""
    with (path if slowly else path.with_name(f".{path.name}")).open("w") as file:
        file.write("do it")
        file.flush()
        time.sleep(0.15 + hash(path.name) % 100 / 1000)
    if not slowly:
        path.with_name(f".{path.name}").rename(path)
    began = time.perf_counter()
    until(lambda: not path.exists(), "the claim", pause=0.001)
    return time.perf_counter() - began


def many_files() -> Iterator[Figure]:
    with served_hive() as hive:
        staged = hive.root / "staged"
        staged.mkdir()
        for number in range(FILES):
            (staged / f"{number:05}-P{number % 4}-x.md").write_text(f"# Task {number}\n\nDo it.\n")
        ended = threading.Event()
        answers: list[float] = []
        asker = threading.Thread(target=_ask_on, args=(hive, ended, answers))
        asker.start()
        began = time.perf_counter()
        for path in staged.iterdir():
            path.rename(hive.folder.tasks / path.name)
        dropped = time.perf_counter() - began
        until(lambda: _stored(hive) == FILES, "all of them", timeout=300, pause=0.05)
        took = time.perf_counter() - began
        ended.set()
        asker.join()
    yield Figure(
        what=f"{FILES:,} task files dropped in {dropped:.1f} s: all in the queue after", measured=took, unit="s"
    )
    yield Figure(what="  meanwhile the hive answers (p95)", measured=1000 * p95(answers), unit="ms", digits=0)


def _ask_on(hive: TrialHive, ended: threading.Event, answers: list[float]) -> None:
    while not ended.is_set():
        began = time.perf_counter()
        hive.ask("GET", "/health")
        answers.append(time.perf_counter() - began)
        ended.wait(0.02)


def _stored(hive: TrialHive) -> int:
    with closing(sqlite3.connect(f"{hive.folder.state_db.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
        (count,) = database.execute("SELECT count(*) FROM tasks").fetchone()
        return int(count)
