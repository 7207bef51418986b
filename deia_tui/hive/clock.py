"""The clock of every deadline in the supervisor: monotonic seconds in which this process could act.

Time in which it was stopped, or starved of the processor, does not pass here. So nobody is killed for an answer that
arrived while we could not listen: a deadline that seems to be over is simply not reached yet.
"""

import asyncio
import time

BEAT_S = 0.25
LAG_S = 0.5
"""How late a beat may be before the time since the last one counts as lost."""


class Clock:
    """`lapses` counts how often time was lost: what was measured across one says nothing."""

    def __init__(self) -> None:
        self.lapses = 0
        self._lost_s = 0.0
        self._beat_at = time.monotonic()

    def now(self) -> float:
        """Seconds; only differences mean anything."""
        at = time.monotonic()
        since_s = at - self._beat_at
        if since_s > BEAT_S + LAG_S:
            self.lapses += 1
            self._lost_s += since_s - BEAT_S
            self._beat_at = at
        return at - self._lost_s

    def of(self, wall: float) -> float:
        """The time here of a wall time (unix seconds). It may lie in the future: the wall clock can be set back."""
        return self.now() + wall - time.time()

    async def beat(self) -> None:
        """Run it, for ever, in the loop whose time this is."""
        while True:
            self.now()
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
