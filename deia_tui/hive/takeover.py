"""Takes up every bot where the former supervisor or host left it: adopted, ended, or never heard of again."""

import asyncio
import time
from typing import get_args

from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.alerts import Raise
from deia_tui.core.bots import REBOOTED, StopReason
from deia_tui.core.state import BotView
from deia_tui.engine.protocol import Ended, NodeFound, Placed
from deia_tui.hive.foundlings import learn
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.leavings import forget_run
from deia_tui.hive.restore import breaker_of, given_back, life_of, unseen
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.identity import boot_id
from deia_tui.store.queries import Loaded
from deia_tui.store.rows import RunRow
from deia_tui.store.store import Store


async def take_over(roster: Roster, around: Surroundings, store: Store, loaded: Loaded, found: NodeFound) -> None:
    """At the start: what the store remembers meets what the host knows. What neither can tell of must not run."""
    loaded = await learn(around.record, store, loaded, found)
    live = {placed.bot_id: placed for placed in found.runs}
    ended = {(end.bot_id, end.run): end for end in found.ended}

    async def take_up(view: BotView) -> None:
        await around.record.add(*given_back(view))
        keeper = _remember(view, around, loaded)
        placed, end = live.pop(view.bot_id, None), ended.pop((view.bot_id, view.run), None)
        await _restore(keeper, roster, around, loaded, placed=placed, end=end)

    await asyncio.gather(*(take_up(view) for view in loaded.bots.values()))  # one commit for all of them
    for stranger in live.values():
        around.engine.kill(stranger.bot_id, stranger.run)
    for end in ended.values():
        forget_run(around.folder, around.engine, end.bot_id, end.run)
    if machine_restarted(loaded):
        await _tell_of_restart(roster, around)


def machine_restarted(loaded: Loaded) -> bool:
    """Was the last run begun before this machine started?"""
    last = max(loaded.runs.values(), key=lambda run: run.started_at, default=None)
    return last is not None and _before_boot(last)


def meet(roster: Roster, around: Surroundings, found: NodeFound) -> None:
    """A new host: what no host knows of has ended unseen; what the former could not tell, it tells now.

    What waits its turn to start is not lost, nor is what was given to the new host since it was found.
    """
    reports: list[Ended | Placed] = [*found.ended, *found.runs]
    for report in reports:
        if (keeper := roster.find(report.bot_id)) is not None:
            keeper.put(report)
    here = {(placed.bot_id, placed.run) for placed in found.runs}
    for keeper in roster.with_process():
        run = (keeper.bot_id, keeper.life.run)
        if run in here:
            keeper.insist()
        elif around.engine.is_lost(*run) and not around.launcher.has_waiting(keeper.bot_id):
            keeper.put(unseen(*run))


def _remember(view: BotView, around: Surroundings, loaded: Loaded) -> Keeper:
    settings, clock = around.settings, around.clock
    return Keeper(
        view.spec,
        life_of(view, settings.life_policy(view.spec), loaded.exits.get(view.bot_id, ()), clock),
        around,
        breaker=breaker_of(view, settings.breaker_policy(), loaded.recent.get(view.bot_id, ()), clock),
        waiting=loaded.waiting(view.bot_id),
        in_hand=loaded.in_hand(view.bot_id),
    )


async def _restore(
    keeper: Keeper, roster: Roster, around: Surroundings, loaded: Loaded, *, placed: Placed | None, end: Ended | None
) -> None:
    state, run = keeper.life.state, keeper.life.run
    last = loaded.runs.get(keeper.bot_id)
    lost_with_machine = last is not None and last.run == run and _before_boot(last)
    thought_live = isinstance(state, lc.Starting | lc.Running | lc.Stopping)
    if placed is not None and (placed.run != run or not thought_live):
        around.engine.kill(placed.bot_id, placed.run)
        placed = None
    if placed is not None:
        await around.record.add(
            ev.BotAdopted(
                at=time.time(),
                bot_id=placed.bot_id,
                run=placed.run,
                pid=placed.pid,
                start_ticks=placed.start_ticks,
                port=placed.port,
            )
        )
        keeper.adopt(placed, after=last.last_seq if last is not None else 0)
    elif end is not None and (end.seen or not lost_with_machine):
        keeper.put(end)
    elif thought_live:
        keeper.put(unseen(keeper.bot_id, run, REBOOTED if lost_with_machine else ""))
    roster.add(keeper)
    if placed is not None and isinstance(state, lc.Stopping) and state.then != "policy":
        await keeper.wish(_same_wish(state))
    elif isinstance(state, lc.Backoff) and lost_with_machine and not around.settings.hive.restore_after_boot:
        await keeper.wish(lc.Stop())


def _same_wish(stopping: lc.Stopping) -> lc.Restart | lc.Stop | lc.Kill:
    """What a human asked of the former supervisor."""
    if stopping.then == "restart":
        return lc.Restart()
    for reason in get_args(StopReason):
        if stopping.reason == reason:
            return lc.Stop(reason)
    return lc.Kill()


def _before_boot(run: RunRow) -> bool:
    return run.boot_id not in ("", boot_id())


async def _tell_of_restart(roster: Roster, around: Surroundings) -> None:
    count = sum(not isinstance(keeper.life.state, lc.Off) for keeper in roster)
    what = f"{count} bots start again" if around.settings.hive.restore_after_boot else "no bot is started again"
    await around.record.alert([Raise(None, "reboot", "info", f"the machine restarted: {what}", "x takes this away")])
