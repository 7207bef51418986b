"""Decides which message of one bot is handed over next, and when: not while its provider is left alone, its budget is
spent or its breaker waits for a human. And what work costs, which may end it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from deia_tui.core import events as ev
from deia_tui.core.bots import BotSpec
from deia_tui.core.errors import CommandRejected
from deia_tui.core.holds import hold_of, is_guarded, over_budget, spent
from deia_tui.core.state import BotView
from deia_tui.core.turns import Failure
from deia_tui.hive.bell import Bell
from deia_tui.hive.messages import Messages
from deia_tui.hive.outbox import is_errand
from deia_tui.hive.providers import spread
from deia_tui.hive.surroundings import Surroundings

MAX_WAIT_S = 60.0
"""How long a wall time is believed: the clock may be set."""
_STIRRING = (ev.MessageAccepted, ev.TurnEnded, ev.BotLaunched, ev.BreakerChanged)
"""What may end the wait of a message."""


class Handover:
    """`spec` is what the bot is by now."""

    def __init__(self, around: Surroundings, messages: Messages, spec: Callable[[], BotSpec]) -> None:
        self._around = around
        self._messages = messages
        self._spec = spec
        self._stirred = Bell()
        self._too_dear = ""
        """The message whose turn was interrupted because the budget is spent."""

    def check(self) -> None:
        """Raises CommandRejected (402) when the bot has spent what it may."""
        view, now = self._view, time.time()
        if self._is_spent(view, now):
            raise CommandRejected(over_budget(view, now), status=402)

    async def next(self) -> ev.MessageQueued:
        """Wait until a message may be handed over; the most urgent by then. A bot that may be held gets one at a time,
        see holds.py, and an errand every bot only when it has nothing else in hand: what waits can be taken back."""
        around, outbox = self._around, self._messages.outbox
        while True:
            message, spec = outbox.first(), self._spec()
            alone = is_guarded(spec) or (message is not None and is_errand(message))
            if message is None or (alone and (outbox.is_handing or self._messages.in_hand())):
                await self._stirred.wait()
                continue
            provider, hold = spec.agent.provider, hold_of(self._view, {}, time.time())
            if not is_guarded(spec):
                return message
            if hold is not None:
                await around.bell.wait(None if hold.until is None else min(MAX_WAIT_S, hold.until - time.time()))
            elif not provider or around.providers.may_ask(provider, message.message_id):
                return message
            else:
                await self._await_provider(provider)

    def stir(self) -> None:
        """There may be another message to hand over."""
        self._stirred.ring()

    def rate(self, event: ev.Event) -> ev.Event:
        """With its cost, if it tells of usage; a turn that was interrupted for want of money has failed by that."""
        match event:
            case ev.UsageReported():
                return self._around.accounts.price(event)
            case ev.TurnEnded(status="interrupted", message_id=message_id) if message_id == self._too_dear:
                error = f"stopped: its budget of ${self._spec().budget_usd or 0.0:.2f} a day is used up"
                return replace(event, status="failed", failure=Failure.BUDGET, error=error)
            case _:
                return event

    def note(self, recorded: Iterable[ev.Event]) -> bool:
        """What is committed. True when the work under way must end, because the day's budget is spent."""
        recorded = list(recorded)
        self._around.providers.heard(self._spec().agent.provider, recorded)
        if any(isinstance(event, _STIRRING) for event in recorded):
            self._around.bell.ring()
            self.stir()
        return any(isinstance(event, ev.UsageReported) for event in recorded) and self._overspends()

    async def _await_provider(self, provider: str) -> None:
        providers = self._around.providers
        with providers.waiting(provider):
            await self._around.bell.wait(providers.opens_in_s(provider))
        if not providers.is_paused(provider):
            await spread()

    def _overspends(self) -> bool:
        """Told once a turn."""
        turn = self._view.message_id
        if turn is None or turn == self._too_dear or not self._is_spent(self._view, time.time()):
            return False
        self._too_dear = turn
        return True

    def _is_spent(self, view: BotView, now: float) -> bool:
        limit = self._spec().budget_usd
        return limit is not None and spent(view, now) >= limit

    @property
    def _view(self) -> BotView:
        return self._around.record.state.bots[self._spec().bot_id]
