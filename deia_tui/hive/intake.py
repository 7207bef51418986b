"""Takes a message for one bot: whether it may be asked at all, and that it is stored, once, before it waits."""

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected
from deia_tui.hive.handover import Handover
from deia_tui.hive.mail import Errand
from deia_tui.hive.messages import Messages
from deia_tui.hive.record import Record

Commit = Callable[[Sequence[ev.Event]], Awaitable[list[ev.Event]]]
"""Stores events; returns those that are new."""


class Intake:
    def __init__(self, bot_id: str, record: Record, messages: Messages, handover: Handover, commit: Commit) -> None:
        self._bot_id = bot_id
        self._record = record
        self._messages = messages
        self._handover = handover
        self._commit = commit

    async def take(self, command: SendMessage, state: lc.State, errand: Errand | None = None) -> str:
        """Returns the message's id once it is stored. Raises CommandRejected or StoreError."""
        try:
            self._messages.check(command, state, errand is not None)
            self._handover.check()
        except CommandRejected as refusal:
            self._note_pressure(command, refusal)
            raise
        message_id = command.message_id or uuid.uuid4().hex
        asked = ev.MessageQueued(
            at=time.time(),
            bot_id=self._bot_id,
            message_id=message_id,
            sender=command.sender,
            text=command.text,
            priority=errand.priority if errand else 0,
            task_id=errand.task_id if errand else "",
            letter_id=errand.letter_id if errand else "",
        )
        before: list[ev.Event] = [errand.event] if errand else []
        calls = self._messages.calls
        with calls.provisional():
            if asked in await self._commit([*before, asked, *calls.admit(message_id)]):
                self._messages.outbox.add(asked)
                self._handover.stir()
            else:
                await self._commit(calls.withdraw(message_id))
                await self._check_addressee(message_id)
        return message_id

    def _note_pressure(self, command: SendMessage, refusal: CommandRejected) -> None:
        if refusal.retry_after_s is not None:
            refused = ev.MessageRefused(
                at=time.time(),
                bot_id=self._bot_id,
                sender=command.sender,
                queue_depth=self._messages.depth,
                retry_after_s=refusal.retry_after_s,
            )
            self._record.remark(refused)

    async def _check_addressee(self, message_id: str) -> None:
        """The same message again is nothing new; an id that another bot's message has is a mistake."""
        addressee = await self._record.addressee(message_id)
        if addressee != self._bot_id:
            raise CommandRejected(f"Message id '{message_id}' was used for {addressee}: choose another id.")
