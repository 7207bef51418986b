"""Bots that take no new task, since somebody laid `{bot}-PAUSE` into hive/controls: whatever it is, that it is there
counts."""

import os
import time
from collections.abc import Collection
from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.hive.record import Record

_SUFFIX = "-PAUSE"


def paused_in(controls: Path) -> frozenset[str]:
    """The names of bots in the folder, which is made where there is none. Raises OSError."""
    controls.mkdir(mode=0o700, parents=True, exist_ok=True)
    return frozenset(name.removesuffix(_SUFFIX) for name in os.listdir(controls) if name.endswith(_SUFFIX))


async def note_pauses(record: Record, paused: Collection[str]) -> None:
    """Tell what changed. Raises StoreError."""
    changed: list[ev.Event] = []
    for bot in record.state.bots.values():
        if bot.paused != (bot.bot_id in paused):
            kind = ev.BotUnpaused if bot.paused else ev.BotPaused
            changed.append(kind(at=time.time(), bot_id=bot.bot_id))
    if changed:
        await record.add(*changed)
