"""Starts and drains bots for the sake of the load, as core/load/scaler.py decides, and says what keeps it from that."""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from typing import Literal

from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.bots import NOT_NEEDED
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.load.scaler import Drain, Limits, Scaler, Start, Step, Stuck
from deia_tui.hive.recruiter import Recruiter
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings

LOOK_EVERY_S = 1.0
"""Oftener where bots may be started or drained oftener than that."""
MIN_EVERY_S = 0.1
READ_EVERY_S = 10.0
"""How often the limits of templates are read anew."""
Direction = Literal["up", "down", "replace"]
UNSTUCK_S = 30.0
"""An alert is over when for so long nothing kept it from starting a bot."""
STUCK = "scaling "
"""An alert that a template gets no bot more is of this kind, with its name."""


class Scaling:
    def __init__(self, around: Surroundings, roster: Roster, recruiter: Recruiter) -> None:
        self._around = around
        self._record = around.record
        self._roster = roster
        self._recruiter = recruiter
        policy = around.settings.scaling_policy()
        self._scaler = Scaler(policy, opened_at=time.time())
        self._every_s = max(MIN_EVERY_S, min(LOOK_EVERY_S, policy.up_cooldown_s, policy.down_cooldown_s))
        self._limits: Mapping[str, Limits] = {}
        self._read_at: float | None = None
        self._stuck_at: dict[str, float] = {}
        self._is_over = False

    async def scale(self) -> None:
        """Until cancelled, or told to end."""
        now = self._around.clock.now()
        known = (alert.kind for alert in self._record.state.alerts if alert.cleared_at is None)
        self._stuck_at = {kind.removeprefix(STUCK): now for kind in known if kind.startswith(STUCK)}
        while not self._is_over:
            await self._look()
            await asyncio.sleep(self._every_s)

    def end(self) -> None:
        """Nothing is started any more: the hive closes."""
        self._is_over = True

    async def _look(self) -> None:
        now, snapshot = self._around.clock.now(), self._record.snapshot
        self._read_limits(now)
        if snapshot.telemetry.taken:
            for step in self._scaler.look(now, snapshot, self._limits):
                await self._take(step, now)
            await self._tell_of_the_end(now)

    def _read_limits(self, now: float) -> None:
        """What is wrong in the files says whoever launches; until it is mended the former limits hold."""
        if self._read_at is None or now - self._read_at >= READ_EVERY_S:
            self._read_at = now
            with contextlib.suppress(CommandRejected):
                self._limits = self._recruiter.limits()

    async def _take(self, step: Step, now: float) -> None:
        match step:
            case Start():
                await self._start(step, now)
            case Drain():
                await self._drain(step, now)
            case Stuck():
                await self._tell(step, now)

    async def _start(self, step: Start, now: float) -> None:
        why = f"{step.fatal} is fatal, {step.reason}" if step.fatal else step.reason

        def mark(bot_id: str) -> ev.Scaled:
            return self._scaled(bot_id, step, "replace" if step.fatal else "up", why)

        try:
            await self._recruiter.reinforce(step.template, step.count, mark)
        except (CommandRejected, StoreError) as error:
            self._scaler.failed(step.template, now, str(error))
            await self._tell(Stuck(template=step.template, wanted=why, reason=str(error)), now)
        else:
            self._scaler.started(step.template, now)
            if step.template in self._stuck_at:
                self._stuck_at[step.template] = -math.inf

    async def _drain(self, step: Drain, now: float) -> None:
        self._scaler.drained(step.template, now)
        mark = self._scaled(step.bot_id, step, "down", step.reason)
        with contextlib.suppress(CommandRejected, StoreError):  # somebody else stopped it, or it is tried again
            await self._roster.get(step.bot_id).wish(lc.Stop(NOT_NEEDED), also=mark)

    def _scaled(self, bot_id: str, step: Start | Drain, direction: Direction, reason: str) -> ev.Scaled:
        return ev.Scaled(
            at=time.time(),
            bot_id=bot_id,
            template=step.template,
            direction=direction,
            reason=reason,
            queue_depth=self._record.snapshot.work.ready,
            load=step.load,
        )

    async def _tell(self, step: Stuck, now: float) -> None:
        """Once, however long it lasts."""
        kind = STUCK + step.template
        if step.template not in self._stuck_at:
            text = f"template '{step.template}' gets no bot more ({step.wanted}): {step.reason}"
            with contextlib.suppress(StoreError):
                await self._record.alert([Raise(None, kind, "warning", text, "mend that; it is tried again by itself")])
        self._stuck_at[step.template] = now

    async def _tell_of_the_end(self, now: float) -> None:
        for template in [name for name, at in self._stuck_at.items() if now - at >= UNSTUCK_S]:
            with contextlib.suppress(StoreError):
                await self._record.alert([Clear(None, STUCK + template, "nothing keeps it from another bot")])
                del self._stuck_at[template]
