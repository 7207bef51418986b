"""Carries an operator's wish to the hive: one command or many, with what was refused said in a sentence."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import Command, Outcome
from deia_tui.core.errors import DeiaError
from deia_tui.core.text import clean

Severity = Literal["information", "warning", "error"]
READ_ONLY = "This console is read-only: R lets you change things again."


class Orders:
    """`say` shows a sentence to the operator."""

    def __init__(self, client: HiveClient, *, read_only: bool, say: Callable[[str, Severity], None]) -> None:
        self._client = client
        self.say = say
        self.read_only = read_only

    def allowed(self) -> bool:
        """False, with a sentence, in a console that only looks."""
        if self.read_only:
            self.say(READ_ONLY, "warning")
        return not self.read_only

    async def give(self, command: Command) -> Outcome:
        """The outcome; raises DeiaError with the sentence why not."""
        if self.read_only:
            raise DeiaError(READ_ONLY)
        return await self._client.submit(command)

    async def give_all(self, commands: Sequence[Command], done: str = "") -> None:
        """Give every command at once; each refusal and, if there was none, `done` is said."""
        reasons = await asyncio.gather(*(self._reason_against(command) for command in commands))
        refused = [reason for reason in reasons if reason]
        for reason in refused[:3]:
            self.say(reason, "error")
        if len(refused) > 3:
            self.say(f"… and {len(refused) - 3} more were refused.", "error")
        if done and not refused:
            self.say(done, "information")

    async def _reason_against(self, command: Command) -> str:
        try:
            await self.give(command)
        except DeiaError as error:
            return str(error)
        return ""


def name_all(bot_ids: Sequence[str]) -> str:
    """'BOT-001', or the first, the last and how many."""
    named = [clean(bot_id) for bot_id in bot_ids]
    return ", ".join(named) if len(named) <= 3 else f"{len(named)} bots ({named[0]} … {named[-1]})"
