"""The crash test: load, blows at random instants, check points in between, an orderly shutdown, the verdict."""

import time
from pathlib import Path

from .actors import AGENT_NAME, COMPANION_NAME
from .blows import Blows
from .report import summary
from .stage import Stage, staged
from .verdicts import ALWAYS, AT_THE_END

WRITERS = 5
OPERATORS = 2
FIRST_BOTS = 2
"""Of each kind."""
CONSOLES = 0.35
"""The share of real consoles among the supervisors."""
ACT_S = 15.0
"""So long it storms between two check points."""
BLOW_EVERY_S = 0.5

SETTINGS = """
[restart]
max_restarts = 100000
backoff_base_s = 0.1
backoff_max_s = 0.5
[breaker]
cooldown_s = 0.5
[liveness]
period_s = 2.0
timeout_s = 1.0
[process]
work_grace_s = 1.0
grace_period_s = 3.0
"""


def play(root: Path, *, seed: str, seconds: float) -> str:
    """A summary of what was withstood; raises Failed."""
    with staged(root, seed=seed, settings=SETTINGS, consoles=CONSOLES, writers=WRITERS) as stage:
        stage.supervision.begin()
        for name in (AGENT_NAME, COMPANION_NAME):
            stage.hive.launch(name, FIRST_BOTS)
        blows = Blows(stage.hive, stage.supervision, stage.chronicle, stage.dice("blows"))
        with stage.load(operators=OPERATORS) as actors:
            over = time.monotonic() + seconds
            while (left := over - time.monotonic()) > 0:
                for actor in actors:
                    actor.go()
                _storm(stage, blows, min(ACT_S, left))
                for actor in actors:
                    actor.hold()
                stage.come_to_rest()
                stage.judge(ALWAYS)
        stage.shut_down()
        return summary(seed, stage.judge(AT_THE_END), what=f"{blows.struck} blows")


def _storm(stage: Stage, blows: Blows, seconds: float) -> None:
    pace = stage.dice(f"pace {blows.struck}")
    over = time.monotonic() + seconds
    try:
        while time.monotonic() < over:
            due = time.monotonic() + min(4 * BLOW_EVERY_S, pace.expovariate(1 / BLOW_EVERY_S))
            while time.monotonic() < due:
                stage.supervision.tend()
                blows.thaw()
                time.sleep(0.02)
            blows.strike()
    finally:
        blows.thaw(everybody=True)
        stage.chronicle.note("fate", "rests")
