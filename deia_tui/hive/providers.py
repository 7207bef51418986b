"""Leaves a provider alone that wants everybody to wait: no bot of the hive asks it anything meanwhile, then one tries,
and when that is answered all go on.

    overloaded ──▶ paused until … ──▶ one bot's message is the trial ──▶ answered: over; refused: paused for longer
                                  └─▶ nobody waits: over
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deia_tui.core import events as ev
from deia_tui.core.failures import LONGEST_PAUSE_S, consequences, pause_s
from deia_tui.core.state import Pause
from deia_tui.hive.bell import Bell
from deia_tui.hive.clock import Clock
from deia_tui.hive.record import Record

SPREAD_S = 2.0
"""Within so many seconds the bots of a provider begin again, jittered."""
_SIGNS = (ev.OutputAdded, ev.ThoughtAdded, ev.ToolCallChanged, ev.PlanChanged, ev.UsageReported)


@dataclass(slots=True)
class _Paused:
    """`until` is a time of the hive's clock; `trial` is the message that tries it."""

    until: float
    lasts_s: float
    trial: str = ""


class Providers:
    """`bell` rings when something changed for who waits."""

    def __init__(self, record: Record, clock: Clock, bell: Bell, pauses: Mapping[str, Pause]) -> None:
        self._record = record
        self._clock = clock
        self._bell = bell
        now = clock.now()
        self._paused = {
            name: _Paused(min(now + LONGEST_PAUSE_S, clock.of(pause.until)), pause.until - pause.since)
            for name, pause in pauses.items()
        }
        self._refused_s: dict[str, float] = {name: paused.lasts_s for name, paused in self._paused.items()}
        """The last pause of providers that have answered nobody since."""
        self._waiting = Counter[str]()
        self._untold: asyncio.Queue[ev.ProviderPaused | ev.ProviderResumed] = asyncio.Queue()

    # Who may ask

    def may_ask(self, provider: str, message_id: str) -> bool:
        """May this message be handed to its bot now? The first to ask after a pause is the trial."""
        paused = self._paused.get(provider)
        if paused is None:
            return True
        if not paused.trial and self._clock.now() >= paused.until:
            paused.trial = message_id
        return paused.trial == message_id

    def is_paused(self, provider: str) -> bool:
        return provider in self._paused

    def opens_in_s(self, provider: str) -> float | None:
        """How long until it is worth asking again; None when only the bell tells."""
        paused = self._paused.get(provider)
        return None if paused is None or paused.trial else max(0.0, paused.until - self._clock.now())

    @contextmanager
    def waiting(self, provider: str) -> Iterator[None]:
        """Somebody has a message for it."""
        self._waiting[provider] += 1
        try:
            yield
        finally:
            self._waiting[provider] -= 1

    # What is heard of it

    def heard(self, provider: str, events: Iterable[ev.Event]) -> None:
        """What a bot of this provider did."""
        if not provider:
            return
        for event in events:
            paused = self._paused.get(provider)
            if isinstance(event, ev.TurnEnded):
                self._turn_ended(provider, event)
            elif paused is not None and paused.trial and isinstance(event, _SIGNS) and event.message_id == paused.trial:
                self._resume(provider, "it answers again")

    def lift(self, provider: str) -> None:
        """A human wants it to be asked at once."""
        if provider in self._paused:
            self._resume(provider, "by hand")

    async def tend(self) -> None:
        """Put on record what was decided, and end pauses that nobody waits for; until cancelled."""
        while True:
            ends = [max(0.0, paused.until - self._clock.now()) for paused in self._paused.values() if not paused.trial]
            try:
                async with asyncio.timeout(max(0.2, min(ends)) if ends else None):
                    event = await self._untold.get()
            except TimeoutError:
                self._end_unwanted()
            else:
                await self._record.insist(event)

    def _turn_ended(self, provider: str, turn: ev.TurnEnded) -> None:
        paused = self._paused.get(provider)
        is_trial = paused is not None and paused.trial == turn.message_id
        if consequences(turn).pause:
            if paused is None or is_trial:
                self._pause(provider, turn, pause_s(turn.retry_after_s, self._refused_s.get(provider)))
            elif turn.retry_after_s is not None and not paused.trial:  # it was asked before the pause began
                lasts_s = pause_s(turn.retry_after_s, None)
                if self._clock.now() + lasts_s > paused.until + 1.0:
                    self._pause(provider, turn, lasts_s)
            return
        if turn.status == "answered":
            self._refused_s.pop(provider, None)
        if is_trial:
            self._resume(provider, "it answers again" if turn.status == "answered" else "it was tried")

    def _pause(self, provider: str, turn: ev.TurnEnded, lasts_s: float) -> None:
        self._paused[provider] = _Paused(self._clock.now() + lasts_s, lasts_s)
        self._refused_s[provider] = lasts_s
        at = time.time()
        reason = turn.error or "overloaded"
        paused = ev.ProviderPaused(at=at, provider=provider, until=at + lasts_s, reason=reason, by=turn.bot_id)
        self._untold.put_nowait(paused)
        self._bell.ring()

    def _resume(self, provider: str, reason: str) -> None:
        del self._paused[provider]
        self._untold.put_nowait(ev.ProviderResumed(at=time.time(), provider=provider, reason=reason))
        self._bell.ring()

    def _end_unwanted(self) -> None:
        now = self._clock.now()
        for provider, paused in list(self._paused.items()):
            if now >= paused.until and not paused.trial and not self._waiting[provider]:
                self._resume(provider, "the time is over")


async def spread() -> None:
    """Not everybody begins again in the same instant."""
    await asyncio.sleep(random.uniform(0.0, SPREAD_S))
