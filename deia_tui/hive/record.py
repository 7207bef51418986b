"""The one way anything becomes known: commit to the store, fold into the state, then publish."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise, concerns, settle
from deia_tui.core.client import Recorded
from deia_tui.core.errors import StoreError
from deia_tui.core.state import HiveState, Snapshot, Telemetry, fold
from deia_tui.store.store import Store

STORE_RETRY_S = 1.0


class Record:
    def __init__(
        self, store: Store, snapshot: Snapshot, *, next_alert_id: int, publish: Callable[[Snapshot], None]
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._next_alert_id = next_alert_id
        self._publish_to = publish
        self._listeners: list[Callable[[Sequence[Recorded]], None]] = []
        self._consequences: list[Callable[[Sequence[ev.Event]], Sequence[ev.Event]]] = []

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def state(self) -> HiveState:
        return self._snapshot.state

    def listen(self, listener: Callable[[Sequence[Recorded]], None]) -> None:
        """Tell `listener` too what was committed, in order; it must not block."""
        self._listeners.append(listener)

    def follow(self, consequence: Callable[[Sequence[ev.Event]], Sequence[ev.Event]]) -> None:
        """What `consequence` says of events that are about to be committed is committed with them, all or none; it must
        change nothing, since they may never be."""
        self._consequences.append(consequence)

    async def add(self, *events: ev.Event) -> list[ev.Event]:
        """Make events, and the alerts that follow from them, durable and known. Raises StoreError.

        Returns those that are new: what a bot said twice counts once.
        """
        both = [*events, *(more for consequence in self._consequences for more in consequence(events))]
        wanted = [wish for event in both for wish in concerns(event)]
        return await self._commit([*both, *self._settled(wanted)])

    async def insist(self, event: ev.Event) -> None:
        """Add it, however long the store takes to recover."""
        while True:
            try:
                await self.add(event)
                return
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)

    def remark(self, event: ev.Event) -> None:
        """For the logs only: it is not stored and changes nothing."""
        self._tell([Recorded(self._snapshot.seq, event)])

    async def addressee(self, message_id: str) -> str | None:
        """The bot a message that is stored was sent to."""
        return await self._store.addressee(message_id)

    async def alert(self, wanted: Iterable[Raise | Clear]) -> None:
        """Raise and clear alerts that no event stands for."""
        if settled := self._settled(list(wanted)):
            await self._commit(settled)

    def show(self, wanted: Raise) -> None:
        """Make an alert known that the store cannot take, since it is about the store."""
        state = self.state
        for event in self._settled([wanted]):
            state = fold(state, event)
        self._publish(replace(self._snapshot, state=state))

    def measure(self, telemetry: Telemetry) -> None:
        """Show new samples; they are not events."""
        self._publish(replace(self._snapshot, telemetry=telemetry))

    def show_work(self, **changes: Any) -> None:
        """Show how much work there is now: changed fields of WorkView; they are not events."""
        work = replace(self._snapshot.work, **changes)
        if work != self._snapshot.work:
            self._publish(replace(self._snapshot, work=work))

    def _tell(self, recorded: Sequence[Recorded]) -> None:
        for listener in self._listeners:
            listener(recorded)

    def _settled(self, wanted: Sequence[Raise | Clear]) -> Sequence[ev.Event]:
        if not wanted:
            return []
        settled = settle(wanted, self.state, next_id=self._next_alert_id, at=time.time())
        self._next_alert_id += sum(isinstance(event, ev.AlertRaised) for event in settled)
        return settled

    async def _commit(self, events: Sequence[ev.Event]) -> list[ev.Event]:
        """What is committed becomes known, also when whoever wanted it is cancelled meanwhile."""
        return await asyncio.shield(asyncio.create_task(self._commit_and_tell(events)))

    async def _commit_and_tell(self, events: Sequence[ev.Event]) -> list[ev.Event]:
        recorded = await self._store.commit(events)
        if not recorded:
            return []
        state = self.state
        for entry in recorded:
            state = fold(state, entry.event)
        seq = max(self._snapshot.seq, recorded[-1].seq)
        news = {bot_id: entry.seq for entry in recorded if (bot_id := getattr(entry.event, "bot_id", None))}
        said = MappingProxyType({**self._snapshot.said, **news})
        self._publish(replace(self._snapshot, seq=seq, said=said, state=state))
        self._tell(recorded)
        return [entry.event for entry in recorded]

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._publish_to(snapshot)
