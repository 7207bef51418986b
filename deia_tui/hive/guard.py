"""Watches over the lock of a hive that is open: it may only be lost to a supervisor that has it now."""

import asyncio
import contextlib

from deia_tui.core.alerts import Raise
from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.hive.lock import HiveLock, HiveTaken
from deia_tui.hive.record import Record

EVERY_S = 1.0


async def guard(lock: HiveLock, record: Record) -> str:
    """Whoever deletes the lock file lets a second supervisor in: lock the hive anew, until another was quicker.

    Returns why this one must go.
    """
    told = ""
    while True:
        await asyncio.sleep(EVERY_S)
        if lock.still_held():
            continue
        try:
            lock.renew()
        except HiveTaken as taken:
            return f"The lock file was deleted and {taken.holder} took the hive; its bots live on."
        except ConfigError as error:
            wish = Raise(None, "lock", "critical", str(error), "end the supervisor, then its bots")
        else:
            wish = Raise(None, "lock", "warning", "somebody deleted .deia/run/lock; it is locked anew", "x clears")
        if wish.text != told:
            told = wish.text
            with contextlib.suppress(StoreError):
                await record.alert([wish])
