"""The circuit breaker of one bot at work: permits for its messages, and the events of its transitions."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core.errors import CommandRejected, StoreError

Moves = Sequence[ev.BreakerChanged]


class Calls:
    """Every method returns the transitions it caused, to be recorded."""

    def __init__(self, bot_id: str, breaker: brk.Breaker) -> None:
        self._bot_id = bot_id
        self._breaker = breaker
        self._permits: dict[str, brk.Permit] = {}

    @contextlib.contextmanager
    def provisional(self) -> Iterator[None]:
        """What is decided within counts only if it can be stored: a report is tried again until it is."""
        before = self._breaker, dict(self._permits)
        try:
            yield
        except StoreError:
            self._breaker, self._permits = before
            raise

    def admit(self, message_id: str) -> Moves:
        """Raises CommandRejected (503) while the breaker is open."""
        before = self._breaker
        self._breaker, answer = brk.ask(before, time.monotonic())
        if isinstance(answer, brk.Refusal):
            wait = "until you restart it" if answer.wait_s is None else f"try again in {answer.wait_s:.0f} s"
            raise CommandRejected(
                f"Bot Unavailable (recovering): {self._bot_id}'s circuit breaker is open, {wait} ({answer.reason}).",
                status=503,
                retry_after_s=answer.wait_s,
            )
        self._permits[message_id] = answer
        return self._moved(before)

    def ended(self, turn: ev.TurnEnded) -> Moves:
        permit = self._permits.pop(turn.message_id, None)
        if permit is None:
            return []
        before, now = self._breaker, time.monotonic()
        if turn.status == "answered":
            self._breaker = brk.succeed(before, permit, now)
        elif turn.status == "failed" and not turn.refused:
            self._breaker = brk.fail(before, permit, now, turn.error or "failed")
        else:
            self._breaker = brk.give_back(before, permit, now)
        return self._moved(before)

    def withdraw(self, message_id: str) -> Moves:
        """The call is not made after all."""
        permit = self._permits.pop(message_id, None)
        if permit is None:
            return []
        before = self._breaker
        self._breaker = brk.give_back(before, permit, time.monotonic())
        return self._moved(before)

    def failed(self, reason: str) -> Moves:
        """A crash, a hang, a probe without answer."""
        before = self._breaker
        self._breaker = brk.observe_failure(before, time.monotonic(), reason)
        return self._moved(before)

    def reset(self) -> Moves:
        """A human acted."""
        before = self._breaker
        self._breaker = brk.reset(before)
        return self._moved(before)

    def _moved(self, before: brk.Breaker) -> Moves:
        now = self._breaker
        if now.phase is before.phase and now.locked == before.locked:
            return []
        opened = now.phase is brk.Phase.OPEN and not now.locked
        return [
            ev.BreakerChanged(
                at=time.time(),
                bot_id=self._bot_id,
                from_phase=before.phase,
                to_phase=now.phase,
                reason=now.reason,
                retry_at=time.time() + now.until - time.monotonic() if opened else None,
                failure_rate=now.failure_rate,
                success_rate=1.0 - now.failure_rate if now.calls else 0.0,
                consecutive_failures=now.streak,
            )
        ]
