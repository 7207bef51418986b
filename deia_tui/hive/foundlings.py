"""What follows when the store was set back to a backup, or lost: runs that only the host knows of are not killed but
learnt anew, and no message is handed over twice."""

import time
from collections.abc import Iterable

from deia_tui.core import events as ev
from deia_tui.core.alerts import Raise
from deia_tui.core.bots import LIVE, ExitRecord
from deia_tui.core.state import BotView
from deia_tui.engine.protocol import NodeFound, Placed
from deia_tui.hive.effects import cancelled
from deia_tui.hive.record import Record
from deia_tui.store.queries import Loaded, MessageRow
from deia_tui.store.store import Store

FORGOTTEN = "the hive's memory was set back to a backup"


async def learn(record: Record, store: Store, loaded: Loaded, found: NodeFound) -> Loaded:
    """What the store holds once it knows of every run that lives, and doubtful messages are ended.

    A start is committed before it is made, so a store that lost nothing knows of every run.
    """
    learnt = [placed for placed in found.runs if placed.spec is not None and _is_news(placed, loaded)]
    if not learnt and not loaded.set_back:
        return loaded
    if loaded.set_back:
        for view in loaded.bots.values():
            await record.add(*_interrupted(view, [*loaded.waiting(view.bot_id), *loaded.in_hand(view.bot_id)]))
        await store.accept_set_back()
    for placed in learnt:
        former = loaded.bots.get(placed.bot_id)
        before = [] if former is None else _end_of(former, loaded)
        await record.add(*before, *_beginning_of(placed))
    if learnt:
        names = ", ".join(sorted(placed.bot_id for placed in learnt))
        text = f"found running, though {FORGOTTEN} or was lost: {names}"
        await record.alert([Raise(None, "found", "warning", text, "their chats of that time are lost")])
    return await store.load()


def _is_news(placed: Placed, loaded: Loaded) -> bool:
    view = loaded.bots.get(placed.bot_id)
    return view is None or placed.run > view.run


def _end_of(view: BotView, loaded: Loaded) -> list[ev.Event]:
    """The run the store remembers has ended since, nobody knows how."""
    if view.state not in LIVE:
        return []
    at = time.time()
    exited = ev.BotExited(at=at, bot_id=view.bot_id, run=view.run, exit=ExitRecord(at=at))
    unasked = cancelled(loaded.approvals, view.bot_id, view.run)
    return [*unasked, *_interrupted(view, loaded.in_hand(view.bot_id)), exited]


def _interrupted(view: BotView, messages: Iterable[MessageRow]) -> list[ev.Event]:
    """They may have been answered since: whoever wants them again sends them again."""
    return [
        ev.TurnEnded(
            at=time.time(),
            bot_id=view.bot_id,
            run=view.run,
            message_id=message.message_id,
            status="interrupted",
            error=f"{FORGOTTEN}: it may have been answered since",
            duration_s=0.0,
        )
        for message in messages
    ]


def _beginning_of(placed: Placed) -> list[ev.Event]:
    assert placed.spec is not None
    at = time.time()
    starting = ev.BotStarting(at=at, bot_id=placed.bot_id, run=placed.run, nonce=placed.nonce, reason="found running")
    return [ev.BotLaunched(at=at, bot_id=placed.bot_id, spec=placed.spec), starting]
