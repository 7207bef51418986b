"""Who supervises a hive: one takes it over from another by asking it to go and leave the bots, and waits for the lock.
One with a screen is asked only when told to; so is one killed that does not answer."""

import os
import signal
import time
from dataclasses import dataclass

from deia_tui.core.errors import ConfigError, DeiaError
from deia_tui.folder import Folder
from deia_tui.hive.lock import HiveLock, HiveTaken, Holder
from deia_tui.identity import Identity

PATIENCE_S = 5.0
"""How long the other supervisor has to go."""
_POLL_S = 0.005
_WITHOUT_SCREEN = ("background", "serve")
_PASSING_S = 1.0
"""How long a holder may keep to itself who it is: one that just starts, a look by `doctor`."""


def claim(folder: Folder, mode: str, *, take_over: bool) -> HiveLock | None:
    """The lock if nobody has it; None if `succeed` can get it. Raises HiveTaken."""
    lock = HiveLock(folder, mode)
    try:
        lock.take()
    except HiveTaken as taken:
        if not take_over and taken.holder.has_screen:
            raise
        return None
    return lock


def succeed(folder: Folder, mode: str, *, take_over: bool, patience_s: float = PATIENCE_S) -> HiveLock:
    """The lock, from whoever has it now; with `take_over` at any price. Raises HiveTaken or ConfigError."""
    lock = HiveLock(folder, mode)
    met = _Encounter(None, time.monotonic())
    while True:
        try:
            lock.take()
            return lock
        except HiveTaken as taken:
            holder, now = taken.holder, time.monotonic()
            if holder.process != met.process:
                met = _Encounter(holder.process, now)
            if not take_over and holder.mode not in _WITHOUT_SCREEN and now - met.since > _PASSING_S:
                raise
        if not met.asked and (take_over or holder.mode in _WITHOUT_SCREEN):
            met.asked = _ask_to_go(folder, met.since + patience_s - now)
        if now > met.since + patience_s:
            if met.killed or not take_over or holder.process is None:
                raise ConfigError(_stuck(holder, killed=met.killed))
            holder.process.send(signal.SIGKILL)
            met.since, met.killed = now, True
        time.sleep(_POLL_S)


@dataclass(slots=True)
class _Encounter:
    """With one holder of the lock, since that (monotonic) time."""

    process: Identity | None
    since: float
    asked: bool = False
    killed: bool = False


def _ask_to_go(folder: Folder, patience_s: float) -> bool:
    """False when there was nobody to be asked, yet or any more."""
    from deia_tui.remote import RemoteHive

    reason = f"Taken over by pid {os.getpid()}: the bots live on, 'deia-tui --take-over' takes them back."
    try:
        RemoteHive(folder, patience_s=max(_POLL_S, patience_s)).shut_down(leave_bots=True, reason=reason)
    except DeiaError:
        return False
    return True


def _stuck(holder: Holder, *, killed: bool) -> str:
    if killed:
        look = f"ps -p {holder.pid} -o stat,wchan"
        return f"The supervisor ({holder}) does not even end by SIGKILL: see what it waits for with '{look}'."
    if holder.process is None:
        return f"The supervisor of this hive ({holder}) does not answer and has not said who it is: end it by hand."
    return f"The supervisor ({holder}) does not answer: 'deia-tui --take-over' ends it; the bots live on."
