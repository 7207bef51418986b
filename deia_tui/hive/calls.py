"""The circuit breaker of one bot at work: permits for its messages, and the events of its transitions.

A call begins to count when the agent gets the message, not while it waits in line; one that takes too long has failed
the moment it does, whether it ever ends or not.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.failures import consequences
from deia_tui.hive.clock import Clock

Moves = Sequence[ev.BreakerChanged]


def verdict(event: ev.Event) -> bool | None:
    """What an event says about its bot: True for a success, False for a failure, None for nothing."""
    match event:
        case ev.TurnEnded():
            return {"success": True, "failure": False, "lock": False, "nothing": None}[consequences(event).breaker]
        case ev.ProbeFailed():
            return False
        case ev.BotExited(exit=exit):
            return None if exit.expected else False
        case _:
            return None


class Calls:
    """Every method returns the transitions it caused, to be recorded."""

    def __init__(self, bot_id: str, breaker: brk.Breaker, clock: Clock, *, under_way: Iterable[str]) -> None:
        """`under_way`: messages the bot has accepted already, from a former supervisor's permits."""
        self._bot_id = bot_id
        self._breaker = breaker
        self._clock = clock
        permit = brk.Permit(epoch=breaker.epoch, trial=False, granted=clock.now())
        self._permits: dict[str, brk.Permit] = dict.fromkeys(under_way, permit)
        self._started: set[str] = set()

    @property
    def deadline(self) -> float | None:
        """When to call `expire`, if nothing else happens before."""
        slow_s = self._breaker.policy.slow_call_s
        times = [self._permits[message_id].granted + slow_s for message_id in self._started]
        if self._breaker.phase is brk.Phase.HALF_OPEN:
            times.append(self._breaker.until)
        return min(times, default=None)

    @contextlib.contextmanager
    def provisional(self) -> Iterator[None]:
        """What is decided within counts only if it can be stored: a report is tried again until it is."""
        before = self._breaker, dict(self._permits), set(self._started)
        try:
            yield
        except StoreError:
            self._breaker, self._permits, self._started = before
            raise

    def admit(self, message_id: str) -> Moves:
        """Raises CommandRejected (503) while the breaker is open."""
        before = self._breaker
        self._breaker, answer = brk.ask(before, self._clock.now())
        if isinstance(answer, brk.Refusal):
            wait = "until you restart it" if answer.wait_s is None else f"try again in {answer.wait_s:.0f} s"
            raise CommandRejected(
                f"Bot Unavailable (recovering): {self._bot_id}'s circuit breaker is open, {wait} ({answer.reason}).",
                status=503,
                retry_after_s=answer.wait_s,
            )
        self._permits[message_id] = answer
        return self._moved(before)

    def began(self, message_id: str) -> None:
        """The agent has it."""
        if (permit := self._permits.get(message_id)) is not None:
            self._permits[message_id] = replace(permit, granted=self._clock.now())
            self._started.add(message_id)

    def expire(self) -> Moves:
        """What has taken too long by now has failed; what becomes of it later changes nothing."""
        before, now = self._breaker, self._clock.now()
        self._breaker = brk.expire(before, now)
        for message_id in list(self._started):
            ran_s = now - self._permits[message_id].granted
            if ran_s >= before.policy.slow_call_s:
                permit = self._take(message_id)
                assert permit is not None
                self._breaker = brk.fail(self._breaker, permit, now, f"slow call: no end after {ran_s:.0f} s")
        return self._moved(before)

    def ended(self, turn: ev.TurnEnded) -> Moves:
        permit = self._take(turn.message_id)
        if permit is None:
            return []
        before, now = self._breaker, self._clock.now()
        match consequences(turn).breaker:
            case "success":
                self._breaker = brk.succeed(before, permit, now)
            case "failure":
                self._breaker = brk.fail(before, permit, now, turn.error or "failed")
            case "lock":
                self._breaker = brk.lock(before, turn.error or "not logged in")
            case "nothing":
                self._breaker = brk.give_back(before, permit, now)
        return self._moved(before)

    def withdraw(self, message_id: str) -> Moves:
        """The call is not made after all."""
        permit = self._take(message_id)
        if permit is None:
            return []
        before = self._breaker
        self._breaker = brk.give_back(before, permit, self._clock.now())
        return self._moved(before)

    def failed(self, reason: str) -> Moves:
        """A crash, a hang, a probe without answer."""
        before = self._breaker
        self._breaker = brk.observe_failure(before, self._clock.now(), reason)
        return self._moved(before)

    def reset(self) -> Moves:
        """A human acted."""
        before = self._breaker
        self._breaker = brk.reset(before)
        return self._moved(before)

    def _take(self, message_id: str) -> brk.Permit | None:
        self._started.discard(message_id)
        return self._permits.pop(message_id, None)

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
                retry_at=time.time() + now.until - self._clock.now() if opened else None,
                failure_rate=now.failure_rate,
                success_rate=1.0 - now.failure_rate if now.calls else 0.0,
                consecutive_failures=now.streak,
            )
        ]
