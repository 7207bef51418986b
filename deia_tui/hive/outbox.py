"""Messages of one bot that its process has not accepted yet: the most urgent first, then in order of their arrival,
handed over whenever a run is there."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator

from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.events import MessageQueued
from deia_tui.hive.link import Link
from deia_tui.store.queries import MessageRow

RETRY_S = 0.2
PASSING = frozenset({429, 503})
"""Refusals that time mends: the bot is busy, starting or draining."""
MAX_TEXT = 1 << 20
MAX_SENDER = 128
Next = Callable[[], Awaitable[MessageQueued]]
"""Waits until a message may be handed over, and tells which."""
_MESSAGE_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


class Outbox:
    def __init__(self, waiting: Iterable[MessageQueued] = ()) -> None:
        self._waiting = {message.message_id: message for message in waiting}
        self._handed: set[str] = set()
        self._kept: frozenset[str] = frozenset()
        self._unwanted: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: MessageQueued) -> None:
        self._waiting[message.message_id] = message

    def remove(self, message_id: str) -> None:
        """The bot has it, or nobody wants it any more."""
        self._waiting.pop(message_id, None)
        self._unwanted.discard(message_id)

    @property
    def is_handing(self) -> bool:
        """Is there one that was handed over and not accepted yet?"""
        return not self._handed.isdisjoint(self._waiting)

    def waiting(self) -> list[MessageQueued]:
        """What the bot has not accepted, oldest first."""
        return list(self._waiting.values())

    def doubt(self) -> None:
        """Somebody else may have handed over any of them: none is taken back until `deliver` begins."""
        self._handed = set(self._waiting)

    def let_go(self) -> None:
        """No run has any of them."""
        self._handed.clear()

    def disown(self, message_ids: Iterable[str]) -> None:
        """None of them is handed over any more, also while it cannot be taken back."""
        self._unwanted.update(self._waiting.keys() & set(message_ids))

    def unhanded(self) -> list[str]:
        """What no run has been given yet."""
        return [message_id for message_id in self._waiting if message_id not in self._handed | self._kept]

    @contextlib.contextmanager
    def keeping(self, message_ids: frozenset[str]) -> Iterator[frozenset[str]]:
        """Those of them that no run has been given yet, which none is given meanwhile: nothing that is being taken back
        may be handed over until that is on record."""
        self._kept = message_ids.intersection(self.unhanded())
        try:
            yield self._kept
        finally:
            self._kept = frozenset()

    def first(self) -> MessageQueued | None:
        """The most urgent that no run has been given yet; a human's before an errand that is as urgent."""
        wanted = (message_id for message_id in self.unhanded() if message_id not in self._unwanted)
        waiting = (self._waiting[message_id] for message_id in wanted)
        return min(waiting, key=lambda message: (message.priority, is_errand(message)), default=None)

    async def deliver(self, link: Link, next_one: Next, give_up: Callable[[str, str], None]) -> None:
        """Hand over one after the other, as `next_one` tells, until cancelled; `give_up(message_id, reason)` for what
        the bot refuses.

        Handing over twice is harmless: a bot knows the ids it has accepted.
        """
        self.let_go()
        while True:
            message = await next_one()
            self._handed = {message.message_id, *self._handed.intersection(self._waiting)}
            await self._hand_over(link, message, give_up)

    async def _hand_over(self, link: Link, message: MessageQueued, give_up: Callable[[str, str], None]) -> None:
        body = {"text": message.text, "message_id": message.message_id, "sender": message.sender}
        while message.message_id in self._waiting:
            try:
                await link.post("/message", body)
                return
            except BotUnreachable:
                await asyncio.sleep(RETRY_S)
            except CommandRejected as refusal:
                if refusal.status not in PASSING:
                    give_up(message.message_id, str(refusal))
                    return
                await asyncio.sleep(RETRY_S)


def is_errand(message: MessageQueued) -> bool:
    """Does it assign a task or bring a letter? Such a one can be taken back until its bot is given it."""
    return bool(message.task_id or message.letter_id)


def queued(row: MessageRow) -> MessageQueued:
    return MessageQueued(
        at=row.asked_at,
        bot_id=row.bot_id,
        message_id=row.message_id,
        sender=row.sender,
        text=row.text,
        priority=row.priority,
        task_id=row.task_id,
        letter_id=row.letter_id,
    )


def check_form(message: SendMessage) -> None:
    """Raises CommandRejected for what no bot would take: it must not stand in the way of what follows."""
    if not message.text.strip():
        raise CommandRejected("The message is empty: write something.", status=400)
    try:
        size = len(message.text.encode())
        message.sender.encode()
    except UnicodeEncodeError:
        raise CommandRejected("The message is no valid Unicode: half a character is in it.", status=400) from None
    if size > MAX_TEXT:
        raise CommandRejected("The message is longer than 1 MiB: put it into a file.", status=413)
    if message.message_id and not _MESSAGE_ID.fullmatch(message.message_id):
        raise CommandRejected("A message id is 1 to 128 visible ASCII characters.", status=400)
    if len(message.sender) > MAX_SENDER:
        raise CommandRejected(f"The sender's name is longer than {MAX_SENDER} characters.", status=400)
