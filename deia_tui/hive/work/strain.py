"""Watches how the hive as a whole copes, shows it, and tells an operator when that changes."""

import asyncio
import contextlib
from collections.abc import Sequence

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.failures import consequences
from deia_tui.core.load.strain import Readings, Strains
from deia_tui.hive.surroundings import Surroundings
from deia_tui.store.store import Store

LOOK_EVERY_S = 1.0


class StrainWatch:
    def __init__(self, around: Surroundings, store: Store) -> None:
        self._around = around
        self._store = store
        self._strains = Strains(around.settings.strain_policy(), around.record.state.alerts)
        self._untold: list[Raise | Clear] = []
        around.record.listen(self._note)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        record, telemetry = self._around.record, self._around.record.snapshot.telemetry
        if not telemetry.taken:
            return
        work = record.snapshot.work
        readings = Readings(
            cpu_percent=telemetry.cpu_percent,
            memory_percent=telemetry.memory_percent,
            waiting=work.waiting - work.held,
            can_write=not self._store.trouble,
        )
        judgement = self._strains.look(self._around.clock.now(), readings)
        record.show_work(strain=judgement.strain, strain_reason=judgement.reason)
        self._untold += judgement.wanted
        with contextlib.suppress(StoreError):  # told with the next look
            await record.alert(self._untold)
            self._untold = []

    def _note(self, recorded: Sequence[Recorded]) -> None:
        for entry in recorded:
            if isinstance(entry.event, ev.TurnEnded):
                verdict = consequences(entry.event).breaker
                if verdict != "nothing":
                    self._strains.called(self._around.clock.now(), failed=verdict != "success")
