"""The routes of messages between bots: sent, looked at, marked as read. A bot does so in its own name only."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request
from pydantic import Field

from deia_tui.api.body import Body, Priority, refusals
from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters import report as letterreport
from deia_tui.core.letters.letter import LONGEST_TTL_S, MAX_TEXT, Letter, LetterState
from deia_tui.core.work.tasks import NORMAL

_ID = "3f9a01c27b5e"
_LETTER: dict[str, Any] = {
    "message_id": _ID,
    "from_bot": "BOT-001",
    "to_bot": "BOT-002",
    "priority": 1,
    "state": "read",
    "reply_to": None,
    "sent_at": 1760000000.0,
    "since": 1760000003.2,
    "expires_at": 1760003600.0,
    "not_before": None,
    "tries": 1,
    "error": "",
    "text": "Is the site up?",
}


class Letters(HiveClient, Protocol):
    """What these routes need beside what a screen does."""

    async def letter(self, letter_id: str) -> Letter | None:
        """None for one that nobody knows."""

    async def unread_letters(self, bot_id: str, *, limit: int = 200) -> Sequence[Letter]:
        """What a bot has not read yet, in the order in which it gets them. Raises CommandRejected for no bot."""

    async def pending_letters(self) -> Sequence[Letter]:
        """Those that wait to be delivered."""

    async def letter_counts(self) -> Mapping[LetterState, int]:
        """How many are in each state."""


class NewMessage(Body):
    to_bot: str = Field(examples=["BOT-002"])
    text: str = Field(min_length=1, max_length=MAX_TEXT, examples=["Is the site up?"])
    from_bot: str | None = Field(
        default=None, max_length=128, description="who writes; a bot writes in its own name, a human as 'human'"
    )
    priority: Priority = NORMAL
    ttl_s: float | None = Field(
        default=None, gt=0, le=LONGEST_TTL_S, description="then it expires; by default as hive.toml says (one hour)"
    )
    reply_to: str = Field(default="", max_length=64, description="the message that this one answers")
    message_id: str | None = Field(
        default=None, max_length=64, description="the same id with the same text again is nothing new"
    )


Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


def letter_routes(client: Letters) -> APIRouter:
    router = APIRouter(prefix="/api/messages", tags=["messages between bots"])
    single = _example(_LETTER)
    several = _example([_LETTER])

    @router.post("", status_code=201, responses={**_example({"message_id": _ID}, 201), **refusals(403, 404, 422, 429)})
    async def send_message(request: Request, body: NewMessage) -> dict[str, str]:
        """Answers once it is stored; the bot gets it as its next turn, also when it is launched later. Refused with 429
        and Retry-After when too much waits for the bot, or too much of the sender's for others."""
        writer: str | None = request.state.bot_id
        if writer is not None and body.from_bot not in (None, writer):
            raise CommandRejected(f"{writer} is a bot: it writes in its own name only.", status=403)
        command = cmd.SendLetter(
            from_bot=writer or body.from_bot or "human",
            to_bot=body.to_bot,
            text=body.text,
            priority=body.priority,
            ttl_s=body.ttl_s,
            reply_to=body.reply_to,
            letter_id=body.message_id,
        )
        [letter_id] = await client.submit(command)
        return {"message_id": letter_id}

    @router.get("", responses={**several, **refusals(403, 422)})
    async def retrieve_messages(
        request: Request,
        bot_id: Annotated[str | None, Query(description="those from or to it")] = None,
        partner: Annotated[str | None, Query(alias="with", description="of those, the ones with this bot")] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> list[dict[str, Any]]:
        """Newest first. With `bot_id` and `with` it is the conversation of two bots."""
        reader = request.state.bot_id
        one, other = (partner, None) if bot_id is None else (bot_id, partner)
        if reader not in (None, one, other):
            raise CommandRejected(f"{reader} is a bot: it reads its own messages only.", status=403)
        found = await client.letters(bot_id=one, partner=other, offset=offset, limit=limit)
        return [letterreport.letter(letter) for letter in found]

    @router.get("/status", responses=_example(_STATUS))
    async def get_messaging_status() -> dict[str, Any]:
        """How many there are in each state, and for whom some wait."""
        return letterreport.status(await client.letter_counts(), await client.pending_letters(), time.time())

    @router.get("/inbox/{bot_id}", responses={**several, **refusals(403, 404)})
    async def get_inbox(request: Request, bot_id: str, limit: Limit = 100) -> list[dict[str, Any]]:
        """What the bot has not read yet, in the order in which it gets them."""
        if request.state.bot_id not in (None, bot_id):
            raise CommandRejected(f"{request.state.bot_id} is a bot: it reads its own messages only.", status=403)
        return [letterreport.letter(letter) for letter in await client.unread_letters(bot_id, limit=limit)]

    @router.get("/{message_id}", responses={**single, **refusals(403, 404)})
    async def get_message(request: Request, message_id: str) -> dict[str, Any]:
        """Reading it here does not mark it as read."""
        return letterreport.letter(await _visible(client, message_id, request.state.bot_id))

    @router.post("/{message_id}/read", responses={**single, **refusals(403, 404, 409)})
    async def mark_as_read(request: Request, message_id: str) -> dict[str, Any]:
        """Its bot's agent is not given it any more, if it was not already."""
        reader = request.state.bot_id
        letter = await _visible(client, message_id, reader)
        if reader not in (None, letter.to_bot):
            raise CommandRejected(f"{reader} is a bot: only {letter.to_bot} reads this message.", status=403)
        await client.submit(cmd.ReadLetter(letter_id=message_id, by=reader or "human"))
        return letterreport.letter(await _visible(client, message_id, reader))

    return router


async def _visible(client: Letters, letter_id: str, reader: str | None) -> Letter:
    """Raises CommandRejected for what is not there, or is none of the reader's. None is a human."""
    letter = await client.letter(letter_id)
    if letter is None:
        raise CommandRejected(f"There is no message '{letter_id[:40]}'.", status=404)
    if reader not in (None, letter.from_bot, letter.to_bot):
        raise CommandRejected(f"{reader} is a bot: it reads its own messages only.", status=403)
    return letter


_STATUS = {
    "counts": {"pending": 1, "delivered": 0, "read": 41, "failed": 0, "expired": 2},
    "pending_for": {"BOT-002": 1},
    "oldest_s": 12.5,
}


def _example(answer: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": "Done.", "content": {"application/json": {"example": answer}}}}
