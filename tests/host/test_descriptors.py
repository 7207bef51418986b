"""A host that may open next to nothing harms nobody: what it cannot look at is not taken for dead."""

import os
import signal

from .living import Hive, Wire, is_running, until
from .test_takeover import crash

LIMIT = 64
BOTS = 80


def test_more_bots_than_descriptors_are_adopted_and_none_is_missed(hive: Hive, wire: Wire) -> None:
    spawned = [hive.spawn(wire, "wait", bot_id=f"BOT-{number:03d}")["pid"] for number in range(1, BOTS + 1)]
    crash(hive)
    hive.start(nofile=LIMIT)
    wire = hive.connect()
    assert len(wire.hello()["runs"]) == BOTS
    hive.spawn(wire, "wait", bot_id="BOT-999")
    assert all(map(is_running, spawned))
    for pid in spawned:
        os.kill(pid, signal.SIGKILL)
    for number in range(1, BOTS + 1):
        wire.wait_for("exited", bot_id=f"BOT-{number:03d}")
    until(lambda: not any(map(is_running, spawned)), "their end")
