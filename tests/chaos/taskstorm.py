"""The crash test of work: a queue full of tasks, and one process after the other killed while they are done."""

import contextlib
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from .actors import Actor
from .blows import Blows
from .evidence import Evidence
from .givers import FOREMAN_NAME, LABOURER_NAME, NO_ANSWER, Giver, Meddler
from .orders import draw
from .play import SETTINGS
from .report import summary
from .stage import Stage, staged
from .taskverdicts import ENDED, OF_WORK, blocked
from .verdicts import (
    Verdict,
    every_message_ends_once,
    journals_are_whole,
    nothing_broke,
    nothing_dead_is_alive,
    one_run_at_a_time_by_diary,
    one_run_at_a_time_by_events,
    stop_wins,
    store_is_sound,
)

GIVERS = 4
CONSOLES = 0.35
"""The share of real consoles among the supervisors."""
WORKS_BEFORE_S = 3.0
"""A kill comes within so long after the share of work that it waits for is done."""
STUCK_S = 120.0
"""Without an end of any task for so long, nothing more is awaited."""

_QUICK = """
[tasks]
backoff_base_s = 0.2
backoff_max_s = 1.0
ageing_s = 3.0
[messages]
backoff_base_s = 0.2
backoff_max_s = 1.0
"""
VERDICTS: tuple[Verdict, ...] = (
    *OF_WORK,
    every_message_ends_once,
    one_run_at_a_time_by_events,
    one_run_at_a_time_by_diary,
    stop_wins,
    store_is_sound,
    journals_are_whole,
    nothing_broke,
)


def storm(root: Path, *, seed: str, tasks: int, kills: int, bots: int) -> str:
    """A summary of what was withstood; raises Failed."""
    began = time.monotonic()
    with staged(root, seed=seed, settings=SETTINGS + _QUICK, consoles=CONSOLES, writers=0) as stage:
        stage.supervision.begin()
        ids = [*stage.hive.launch(LABOURER_NAME, (bots + 1) // 2), *stage.hive.launch(FOREMAN_NAME, bots // 2)]
        orders = list(draw(stage.dice("orders"), tasks, ids))
        givers = [Giver(f"giver-{n}", stage.hive, stage.chronicle, orders[n::GIVERS]) for n in range(GIVERS)]
        stage.givers += givers
        with stage.load(operators=0) as actors:
            actors += [Actor(giver.name, giver.act, stage.dice(giver.name), pause_s=0.02) for giver in givers]
            meddler = Meddler("meddler", stage.hive, stage.chronicle, givers)
            actors.append(Actor(meddler.name, meddler.act, stage.dice(meddler.name), pause_s=0.4))
            for actor in actors:
                actor.go()
            _kill(stage, tasks, kills)
            actors[-1].hold()
            _finish(stage, givers)
        stage.shut_down()
        found = stage.judge((*VERDICTS, nothing_dead_is_alive))
        return summary(seed, found, what=f"{kills} kills among {_told(found)} in {time.monotonic() - began:.0f} s")


def _kill(stage: Stage, tasks: int, kills: int) -> None:
    """Spread over all the work, at random instants."""
    blows, dice = Blows(stage.hive, stage.supervision, stage.chronicle, stage.dice("blows")), stage.dice("kills")
    for share in sorted(dice.uniform(0, 0.8) for _ in range(kills)):
        stuck = time.monotonic() + STUCK_S
        while _ended(stage) < share * tasks and time.monotonic() < stuck:
            _pass(stage, 0.1)
        _pass(stage, dice.uniform(0, WORKS_BEFORE_S * min(1.0, tasks / 600)))
        while not blows.kill_anybody():
            _pass(stage, 0.1)


def _pass(stage: Stage, seconds: float) -> None:
    """Time, in which an operator sees to it that there is a supervisor."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stage.supervision.tend()
        time.sleep(0.02)


def _finish(stage: Stage, givers: list[Giver]) -> None:
    """Until all was taken and nothing can be done any more, or nothing comes to an end for long."""
    ended, stuck = -1, 0.0
    while not (all(giver.is_done for giver in givers) and _quiet(stage)):
        if (now := _ended(stage)) != ended:
            ended, stuck = now, time.monotonic() + STUCK_S
        if time.monotonic() > stuck:
            return  # the verdicts tell what
        _wake(stage)
        _pass(stage, 0.3)


def _wake(stage: Stage) -> None:
    """Bots that a meddler stopped are started again: there may be work for them alone."""
    status = stage.hive.status()
    for bot in status["bots"] if status else ():
        if bot["state"] in ("stopped", "exited", "fatal"):
            with contextlib.suppress(*NO_ANSWER):
                stage.hive.call("POST", f"/api/bot/restart/{bot['id']}")


def _quiet(stage: Stage) -> bool:
    """Every task has ended and been answered, but for those that wait for one that is dead; no file is in work."""
    rows = _rows(stage, "SELECT task_id, state, after, response FROM tasks")
    tasks = {row["task_id"]: row for row in rows}
    stuck = blocked(tasks)
    owed = [row for row in rows if row["task_id"] not in stuck and not (row["state"] in ENDED and row["response"])]
    on_the_way = _rows(stage, "SELECT 1 FROM letters WHERE state IN ('pending', 'delivered')")
    laid = (path for path in stage.hive.folder.tasks.rglob("*") if path.is_file())
    waiting = {path.name for path in laid if path.parent.name not in ("_archive", "_refused")}
    given = {given.order.file for giver in stage.givers for given in giver.given if given.order.way == "file"}
    return not owed and not on_the_way and waiting.isdisjoint(given)


def _ended(stage: Stage) -> int:
    return sum(row["state"] in ENDED for row in _rows(stage, "SELECT state FROM tasks"))


def _rows(stage: Stage, query: str) -> list[dict[str, object]]:
    with closing(sqlite3.connect(f"file:{stage.hive.folder.state_db}?mode=ro", uri=True, timeout=30)) as store:
        store.row_factory = sqlite3.Row
        return [dict(row) for row in store.execute(query)]


def _told(found: Evidence) -> str:
    states = Counter(task["state"] for task in found.tasks.values())
    ways = Counter(given.order.way for given in found.given)
    starts = sum(event["type"] == "task_started" for event in found.events)
    return (
        f"{len(found.given)} tasks ({ways['door']} by HTTP, {ways['file']} as files, {ways['strange']} strange; "
        f"{ways['letter']} messages between bots): "
        f"{', '.join(f'{count} {state}' for state, count in sorted(states.items()))}, {len(found.attempts)} attempts, "
        f"{starts} begun, 0 done twice"
    )
