"""Listens to what hosts say that concerns all bots: samples, the loss of a host, a new one; and notices silence."""

import asyncio
import contextlib
import time

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.errors import StoreError
from deia_tui.engine.protocol import NodeFound, NodeLost, Sampled
from deia_tui.hive.monitor import Monitor
from deia_tui.hive.roster import Roster
from deia_tui.hive.scribe import Scribe
from deia_tui.hive.surroundings import Surroundings
from deia_tui.hive.takeover import meet

SILENCE_S = 10.0
"""A host says something every second: one that has not for so long is stopped, or has no processor."""


class Hosts:
    def __init__(self, around: Surroundings, roster: Roster, monitor: Monitor, scribe: Scribe) -> None:
        self._around = around
        self._record = around.record
        self._roster = roster
        self._monitor = monitor
        self._scribe = scribe
        self._clock = around.clock
        self._said: asyncio.Queue[NodeLost | NodeFound | Sampled] = asyncio.Queue()
        self._silent = False

    def put(self, event: NodeLost | NodeFound | Sampled) -> None:
        self._said.put_nowait(event)

    async def attend(self) -> None:
        """For ever."""
        while True:
            lapses = self._clock.lapses
            try:
                async with asyncio.timeout(SILENCE_S):
                    event = await self._said.get()
            except TimeoutError:
                if self._clock.lapses == lapses:
                    await self._miss()
            else:
                await self._take(event)

    async def _take(self, event: NodeLost | NodeFound | Sampled) -> None:
        match event:
            case Sampled():
                with contextlib.suppress(StoreError):  # the next second says it again
                    await self._monitor.take(event)
                    if self._silent:
                        await self._record.alert([Clear(None, "silence", "the host says something again")])
                        self._silent = False
                await self._scribe.note_samples(event)
            case NodeLost(pid=pid, reason=reason):
                await self._record.insist(ev.HostLost(at=time.time(), pid=pid, reason=reason))
            case NodeFound(pid=pid):
                await self._record.insist(ev.HostStarted(at=time.time(), pid=pid))
                meet(self._roster, self._around, event)

    async def _miss(self) -> None:
        """A host that is gone is another alert."""
        pid = self._record.state.host_pid
        if pid is None or self._silent:
            return
        text = f"the host process ({pid}) says nothing: bots run on, but none is started, stopped or seen ending"
        action = f"kill -CONT {pid}; if that does not help kill -9 {pid}: bots survive it, another host takes over"
        with contextlib.suppress(StoreError):
            await self._record.alert([Raise(None, "silence", "critical", text, action)])
            self._silent = True
