"""The supervisor alone is killed, many times, while bots stream: none may be lost or even notice, nor a byte of output.

Half of the kills come while it starts and takes over, the others once it has every bot.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

from deia_tui.identity import wait_for_end

from .actors import AGENT_NAME
from .evidence import Evidence
from .report import summary
from .stage import Stage, staged
from .supervision import cast_of
from .verdicts import AT_THE_END, Finding

BOTS = 10
WRITERS = 3
CONSOLES = 0.7
"""The share of real consoles among the supervisors; the others are `serve`."""
EARLY_S = 1.5
"""Within this time after its start falls a kill that does not wait for the take-over."""
LATE_S = 0.5


def kill_supervisors(root: Path, *, seed: str, kills: int) -> str:
    """A summary of what was withstood; raises Failed."""
    with staged(root, seed=seed, settings="", consoles=CONSOLES, writers=WRITERS) as stage:
        stage.supervision.begin()
        stage.hive.launch(AGENT_NAME, BOTS)
        pids = stage.hive.pids()
        dice = stage.dice("kills")
        with stage.load(operators=0) as actors:
            for actor in actors:
                actor.go()
            for number in range(kills):
                if number % 2:
                    time.sleep(dice.uniform(0, EARLY_S))
                else:
                    _await_all(stage, pids)
                    time.sleep(dice.uniform(0, LATE_S))
                _kill(stage)
                stage.supervision.begin()
            for actor in actors:
                actor.hold()
        _await_all(stage, pids)
        stage.shut_down()
        found = stage.judge((*AT_THE_END, every_message_is_answered))
        adoptions = sum(event["type"] == "bot_adopted" for event in found.events)
        size = sum(len(message.answer) for message in found.messages.values())
        what = (
            f"{kills} kills of supervisors ({stage.supervision.consoles} of {stage.supervision.begun} were consoles); "
            f"{adoptions} adoptions, {(kills + 1) // 2 + 1} times all {BOTS} bots were awaited, none with a new pid; "
            f"{size:,} bytes of answers stored and logged, none lost"
        )
        return summary(seed, found, what=what)


def _await_all(stage: Stage, pids: dict[str, int]) -> None:
    """Every bot is there, under the supervisor of the moment, and is the process it always was."""

    def adopted() -> bool:
        status = stage.hive.status()
        running = {bot["id"]: bot["pid"] for bot in (status or {"bots": []})["bots"] if bot["state"] == "running"}
        return running == pids

    stage.wait(adopted, "every bot to be adopted")


def _kill(stage: Stage) -> None:
    for supervisor in cast_of(stage.hive).supervisors:
        stage.chronicle.note("fate", f"SIGKILL to supervisor {supervisor.pid}")
        supervisor.send(signal.SIGKILL)
        wait_for_end(supervisor.pid)


def every_message_is_answered(found: Evidence) -> Iterator[Finding]:
    for message in found.messages.values():
        if message.status != "answered":
            yield Finding(f"is {message.status} ({message.error})", message.bot_id, message.message_id)
