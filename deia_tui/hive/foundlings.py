"""Runs that only the host knows of, since the store was set back to a backup or lost: not killed but learnt anew."""

import time

from deia_tui.core import events as ev
from deia_tui.core.alerts import Raise
from deia_tui.core.bots import LIVE, ExitRecord
from deia_tui.core.state import BotView
from deia_tui.engine.protocol import NodeFound, Placed
from deia_tui.hive.record import Record
from deia_tui.store.queries import Loaded
from deia_tui.store.store import Store

FORGOTTEN = "the hive's memory was set back to a backup"


async def learn(record: Record, store: Store, loaded: Loaded, found: NodeFound) -> Loaded:
    """What the store holds once every run newer than all it remembers is in it.

    A start is committed before it is made, so a store that lost nothing knows of every run.
    """
    learnt = [placed for placed in found.runs if placed.spec is not None and _is_news(placed, loaded)]
    if not learnt:
        return loaded
    for placed in learnt:
        view = loaded.bots.get(placed.bot_id)
        before = [] if view is None else await _end_of(view, store)
        await record.add(*before, *_beginning_of(placed))
    names = ", ".join(sorted(placed.bot_id for placed in learnt))
    text = f"found running, though {FORGOTTEN} or was lost: {names}"
    await record.alert([Raise(None, "found", "warning", text, "their chats of that time are lost")])
    return await store.load()


def _is_news(placed: Placed, loaded: Loaded) -> bool:
    view = loaded.bots.get(placed.bot_id)
    return view is None or placed.run > view.run


async def _end_of(view: BotView, store: Store) -> list[ev.Event]:
    """The run the store remembers has ended since, nobody knows how."""
    if view.state not in LIVE:
        return []
    at = time.time()
    turns: list[ev.Event] = [
        ev.TurnEnded(
            at=at,
            bot_id=view.bot_id,
            run=view.run,
            message_id=message.message_id,
            status="interrupted",
            error=FORGOTTEN,
            duration_s=0.0,
        )
        for message in await store.open_messages(view.bot_id, view.run)
    ]
    return [*turns, ev.BotExited(at=at, bot_id=view.bot_id, run=view.run, exit=ExitRecord(at=at))]


def _beginning_of(placed: Placed) -> list[ev.Event]:
    assert placed.spec is not None
    at = time.time()
    starting = ev.BotStarting(at=at, bot_id=placed.bot_id, run=placed.run, nonce=placed.nonce, reason="found running")
    return [ev.BotLaunched(at=at, bot_id=placed.bot_id, spec=placed.spec), starting]
