"""The crash test as part of the suite: short, with another seed each time. `make chaos` runs it longer."""

import os
import secrets
from pathlib import Path

import pytest

from .play import play
from .taskstorm import storm

SECONDS = 12.0
TASKS = 40
KILLS = 4


@pytest.mark.timeout(300)
def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    print(play(tmp_path, seed=seed, seconds=SECONDS))


@pytest.mark.timeout(300)
def test_every_task_is_done_once_whatever_is_killed(tmp_path: Path) -> None:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    print(storm(tmp_path, seed=seed, tasks=TASKS, kills=KILLS, bots=4))
