"""The messages of one bot, from question to answer: which wait, which the bot has, what each call came to."""

import time
from collections.abc import Iterable, Sequence
from typing import Literal

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.core.load.flow import FlowPolicy, Gate, Pace
from deia_tui.core.turns import Failure
from deia_tui.hive.calls import Calls
from deia_tui.hive.clock import Clock
from deia_tui.hive.outbox import Outbox, check_form, queued
from deia_tui.store.queries import MessageRow


class Messages:
    """`outbox`: what no run has accepted; `calls`: the breaker's view of all of them. `flow` says how much may wait; of
    errands others see to that."""

    def __init__(
        self,
        bot_id: str,
        breaker: brk.Breaker,
        clock: Clock,
        *,
        flow: FlowPolicy,
        waiting: Iterable[MessageRow],
        in_hand: Iterable[MessageRow],
    ) -> None:
        self._bot_id = bot_id
        self._clock = clock
        self._flow = flow
        sent, accepted = list(waiting), list(in_hand)
        self.outbox = Outbox(queued(row) for row in sent)
        self._in_hand = {row.message_id for row in accepted}
        unbegun = (row for row in (*sent, *accepted) if row.status != "running")
        self._unbegun = {row.message_id for row in unbegun if not (row.task_id or row.letter_id)}
        self._begun = ""
        self._gate, self._pace = Gate(flow, self.depth), Pace(flow)
        self._errands = {row.message_id: row.task_id for row in (*sent, *accepted) if row.task_id}
        self.calls = Calls(bot_id, breaker, clock, under_way=self._in_hand)
        for row in accepted:
            if row.status == "running":
                self.calls.began(row.message_id)

    def check(self, message: SendMessage, state: lc.State, is_errand: bool = False) -> None:
        """Raises CommandRejected for what the bot would not take now. How many errands wait, who sends them counts."""
        check_form(message)
        match state:
            case lc.Off(how=how):
                raise CommandRejected(f"{self._bot_id} is {how}: launch it before you write to it.")
            case lc.Stopping(then="stop"):
                raise CommandRejected(f"{self._bot_id} is stopping: launch it again before you write to it.")
        refusal = self._gate.refusal(self.depth, piece_s=self._pace.piece_s)
        if refusal is not None and not is_errand:
            raise CommandRejected(
                f"Bot busy, please wait: {self.depth} messages wait for {self._bot_id}, and it takes no more until "
                f"fewer than {self._flow.release_below} do.",
                status=429,
                retry_after_s=refusal.retry_after_s,
            )

    @property
    def depth(self) -> int:
        """How many messages wait that are nobody's errand."""
        return len(self._unbegun)

    def note(self, recorded: Iterable[ev.Event]) -> ev.PressureChanged | None:
        """What is committed: only now messages change hands. Returns whether from now on too many wait, or not any
        more."""
        for event in recorded:
            match event:
                case ev.MessageQueued() if event.task_id:
                    self._errands[event.message_id] = event.task_id
                case ev.MessageQueued(message_id=message_id, task_id="", letter_id=""):
                    self._unbegun.add(message_id)
                case ev.BotExited():
                    self.outbox.let_go()
                case ev.MessageAccepted(message_id=message_id):
                    self.outbox.remove(message_id)
                    self._in_hand.add(message_id)
                case ev.TurnStarted(message_id=message_id):
                    self._unbegun.discard(message_id)
                    self._begun = message_id
                    self._pace.began(self._clock.now())
                case ev.TurnEnded(message_id=message_id):
                    self.outbox.remove(message_id)
                    self._in_hand.discard(message_id)
                    self._errands.pop(message_id, None)
                    self._unbegun.discard(message_id)
                    if message_id == self._begun:
                        self._pace.ended(self._clock.now())
        if (kind := self._gate.note(self.depth)) is None:
            return None
        return ev.PressureChanged(
            at=time.time(), bot_id=self._bot_id, kind=kind, what="messages", queue_depth=self.depth
        )

    def heard(self, said: Iterable[ev.Event]) -> Sequence[ev.BreakerChanged]:
        """What the turns that began and ended in it mean for the breaker."""
        moves: list[ev.BreakerChanged] = []
        for event in said:
            match event:
                case ev.TurnStarted(message_id=message_id):
                    self.calls.began(message_id)
                case ev.TurnEnded():
                    moves += self.calls.ended(event)
        return moves

    def waiting(self) -> list[str]:
        """What no run has accepted, oldest first."""
        return [message.message_id for message in self.outbox.waiting()]

    def errands(self) -> dict[str, str]:
        """The messages that assign tasks, with those tasks: what waits and what the run has accepted."""
        return dict(self._errands)

    def in_hand(self) -> list[str]:
        """What the run has accepted and not finished."""
        return sorted(self._in_hand)

    def end(
        self,
        message_ids: Iterable[str],
        status: Literal["failed", "interrupted"],
        error: str,
        *,
        run: int,
        failure: Failure | None = None,
    ) -> list[ev.Event]:
        """The hive's own end of messages no bot will answer, and what it means for the breaker."""
        events: list[ev.Event] = []
        for message_id in message_ids:
            turn = ev.TurnEnded(
                at=time.time(),
                bot_id=self._bot_id,
                run=run,
                message_id=message_id,
                status=status,
                error=error,
                duration_s=0.0,
                failure=failure,
            )
            events += [turn, *self.calls.ended(turn)]
        return events
