"""Takes letters in: whether one may be sent at all, that it is stored once, and that no bot drowns in letters or drowns
others. What becomes of it then, the messenger sees to."""

import contextlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator

from deia_tui.core import events as ev
from deia_tui.core.commands import ReadLetter, SendLetter
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters.delivery import begun
from deia_tui.core.letters.letter import LONGEST_TTL_S, MAX_TEXT, Letter, LetterState
from deia_tui.core.letters.post import Post
from deia_tui.core.load.flow import UNKNOWN_S, Gate
from deia_tui.core.work.tasks import PRIORITIES
from deia_tui.hive.outbox import MAX_SENDER
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.store.store import Store

_LETTER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Letterbox:
    """`post` are the letters that are open, which the messenger keeps."""

    def __init__(self, around: Surroundings, roster: Roster, store: Store, post: Post) -> None:
        self._around = around
        self._roster = roster
        self._store = store
        self._policy = around.settings.letter_policy()
        self._post = post
        self._gates: dict[str, Gate] = {}
        self._coming = Counter[tuple[str, str]]()
        """What is being stored: by ("to", bot) and ("from", bot)."""

    async def send_message(self, command: SendLetter) -> str:
        """Returns the letter's id once it is stored. Raises CommandRejected or StoreError."""
        check_letter(command)
        if command.to_bot not in self._around.settings.bots:
            self._roster.get(command.to_bot)
        if command.reply_to and await self._stored(command.reply_to) is None:
            raise CommandRejected(f"There is no message '{command.reply_to[:40]}' to answer.", status=404)
        letter_id = command.letter_id or secrets.token_hex(6)
        if await self._is_sent(letter_id, command):
            return letter_id
        at = time.time()
        sent = ev.LetterSent(
            at=at,
            letter_id=letter_id,
            from_bot=command.from_bot,
            to_bot=command.to_bot,
            text=command.text,
            priority=command.priority,
            expires_at=at + (self._policy.ttl_s if command.ttl_s is None else command.ttl_s),
            reply_to=command.reply_to,
        )
        with self._room_for(command):
            if sent not in await self._around.record.add(sent):
                await self._is_sent(letter_id, command)  # somebody was quicker
        return letter_id

    async def mark_as_read(self, command: ReadLetter) -> None:
        """Its agent is not given it any more, if that is not too late. Raises CommandRejected."""
        letter = self._post.find(command.letter_id) or await self._stored(command.letter_id)
        if letter is None:
            raise CommandRejected(f"There is no message '{command.letter_id[:40]}'.", status=404)
        if letter.state in (LetterState.FAILED, LetterState.EXPIRED):
            raise CommandRejected(f"Message {letter.letter_id} has {_ENDED[letter.state]}: nobody will read it.")
        await self._around.record.add(begun(letter, time.time(), command.by))
        if letter.message_id and letter.state is LetterState.PENDING:
            await self._roster.get(letter.to_bot).withdraw([letter.message_id])

    def note(self, bot_id: str) -> None:
        """Another number of letters waits for this bot."""
        depth = self._post.depth(bot_id)
        if (kind := self._gate(bot_id).note(depth)) is not None:
            self._around.record.remark(
                ev.PressureChanged(at=time.time(), bot_id=bot_id, kind=kind, what="letters", queue_depth=depth)
            )

    async def _stored(self, letter_id: str) -> Letter | None:
        """None too for what cannot be an id, half a character for one, which the store could not look up."""
        return await self._store.letter(letter_id) if _LETTER_ID.fullmatch(letter_id) else None

    async def _is_sent(self, letter_id: str, command: SendLetter) -> bool:
        """The same letter again is nothing new; an id that another one has is a mistake."""
        known = await self._store.letter(letter_id)
        if known is None:
            return False
        if (known.from_bot, known.to_bot, known.text) != (command.from_bot, command.to_bot, command.text):
            raise CommandRejected(f"Message id '{letter_id}' was used for another message: choose another id.")
        return True

    @contextlib.contextmanager
    def _room_for(self, command: SendLetter) -> Iterator[None]:
        """Raises CommandRejected (429) when too much waits. Meanwhile nobody else is given this place."""
        to, sender = ("to", command.to_bot), ("from", command.from_bot)
        depth = self._post.depth(command.to_bot) + self._coming[to]
        refusal = self._gate(command.to_bot).refusal(depth, priority=command.priority)
        if refusal is not None:
            reason = f"Bot busy, please wait: {depth} messages wait for {command.to_bot}"
            raise self._refused(command, reason, depth, refusal.retry_after_s)
        unread = self._post.sent_by(command.from_bot) + self._coming[sender]
        if unread >= self._policy.unread_sent and self._roster.find(command.from_bot) is not None:
            reason = f"{unread} messages of {command.from_bot} wait to be delivered: send no more before some are"
            raise self._refused(command, reason, depth, UNKNOWN_S)
        self._coming.update((to, sender))
        try:
            yield
        finally:
            self._coming.subtract((to, sender))
            self._coming += Counter()

    def _refused(self, command: SendLetter, reason: str, depth: int, retry_after_s: float) -> CommandRejected:
        refused = ev.MessageRefused(
            at=time.time(),
            bot_id=command.to_bot,
            sender=command.from_bot,
            priority=command.priority,
            queue_depth=depth,
            retry_after_s=retry_after_s,
        )
        self._around.record.remark(refused)
        return CommandRejected(f"{reason}.", status=429, retry_after_s=retry_after_s)

    def _gate(self, bot_id: str) -> Gate:
        if bot_id not in self._gates:
            self._gates[bot_id] = Gate(self._around.settings.flow_policy(), self._post.depth(bot_id))
        return self._gates[bot_id]


_ENDED = {LetterState.FAILED: "failed", LetterState.EXPIRED: "expired"}


def check_letter(letter: SendLetter) -> None:
    """Raises CommandRejected (400, 413) for what nobody would get."""
    if not letter.text.strip():
        raise CommandRejected("The message is empty: write something.", status=400)
    try:
        size = len(letter.text.encode())
        letter.from_bot.encode()
    except UnicodeEncodeError:
        raise CommandRejected("The message is no valid Unicode: half a character is in it.", status=400) from None
    if size > MAX_TEXT:
        raise CommandRejected("The message is longer than 64 KiB: put it into a file and send its path.", status=413)
    if not letter.from_bot.strip() or not letter.from_bot.isprintable() or len(letter.from_bot) > MAX_SENDER:
        raise CommandRejected(f"The sender's name must have 1 to {MAX_SENDER} printable characters.", status=400)
    if letter.from_bot == letter.to_bot:
        raise CommandRejected(f"{letter.to_bot} cannot write to itself.", status=400)
    if letter.priority not in PRIORITIES:
        raise CommandRejected("The priority is one of 0 (urgent) to 3.", status=400)
    if letter.ttl_s is not None and not 0 < letter.ttl_s <= LONGEST_TTL_S:
        raise CommandRejected(f"A message may wait for up to {LONGEST_TTL_S:.0f} s: choose such a time.", status=400)
    if letter.letter_id and not _LETTER_ID.fullmatch(letter.letter_id):
        raise CommandRejected("A message id is 1 to 64 letters, digits, '.', '-' or '_'.", status=400)
