"""What an effect of the life cycle says to the world, a run that was placed, and the end of one to those who asked for
something: events."""

import time
from collections.abc import Iterable

from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotState
from deia_tui.core.state import Approval
from deia_tui.engine.protocol import Placed


def announce(effect: lc.Effect, life: lc.Life, bot_id: str, nonce: str) -> list[ev.Event]:
    """The events of `effect`, which led to `life`. `nonce` marks the run a Spawn begins."""
    at = time.time()
    match effect:
        case lc.Spawn(run=run, reason=reason, automatic=automatic):
            return [ev.BotStarting(at=at, bot_id=bot_id, run=run, nonce=nonce, reason=reason, automatic=automatic)]
        case lc.NoteReady(run=run):
            return [ev.BotReady(at=at, bot_id=bot_id, run=run)]
        case lc.AskToStop(run=run, then=then, reason=reason, drain=drain):
            kill_at = None if drain else at + life.policy.grace_period_s
            return [ev.BotStopping(at=at, bot_id=bot_id, run=run, then=then, reason=reason, kill_at=kill_at)]
        case lc.KillTree(announce=None):
            return []
        case lc.KillTree(run=run, reason=reason, announce=then):
            assert then is not None
            return [ev.BotStopping(at=at, bot_id=bot_id, run=run, then=then, reason=reason)]
        case lc.Wait(delay_s=delay_s, reason=reason):
            return [
                ev.BotBackingOff(
                    at=at,
                    bot_id=bot_id,
                    delay_s=delay_s,
                    due_at=at + delay_s,
                    attempt=life.history.count,
                    max_restarts=life.policy.limits.max_restarts,
                    reason=reason,
                )
            ]
        case lc.Rest(how=BotState.FATAL, reason=reason):
            return [ev.BotGaveUp(at=at, bot_id=bot_id, reason=reason)]
        case lc.Rest(how=BotState.EXITED):
            return [ev.BotFinished(at=at, bot_id=bot_id)]
        case lc.Rest(reason=reason):
            return [ev.BotStopped(at=at, bot_id=bot_id, reason=reason)]


def spawned(placed: Placed) -> ev.BotSpawned:
    return ev.BotSpawned(
        at=time.time(),
        bot_id=placed.bot_id,
        run=placed.run,
        pid=placed.pid,
        start_ticks=placed.start_ticks,
        port=placed.port,
    )


def cancelled(approvals: Iterable[Approval], bot_id: str, run: int) -> list[ev.Event]:
    """Of these requests for leave nobody answers those of a run that ended any more."""
    return [
        ev.PermissionAnswered(
            at=time.time(),
            bot_id=bot_id,
            run=run,
            request_id=approval.request.request_id,
            outcome="cancelled",
            note="the bot ended",
        )
        for approval in approvals
        if (approval.bot_id, approval.run) == (bot_id, run)
    ]
