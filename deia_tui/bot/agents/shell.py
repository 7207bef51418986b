"""The agent that needs nothing installed: a message is a plain command line, run in the bot's workspace."""

import asyncio
from dataclasses import dataclass, field

from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted, Program, run
from deia_tui.bot.agents.protocol import Emit, TurnResult
from deia_tui.bot.children import Children
from deia_tui.core.risk import Refused, judge


@dataclass(slots=True)
class Shell:
    place: Place
    children: Children
    timeout_s: float
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.place.prepare()

    async def prompt(self, text: str, emit: Emit) -> TurnResult:
        self._cancelled.clear()
        verdict = judge(text)
        if isinstance(verdict, Refused):
            return _refused(f"{verdict.reason}; send a plain command line, or one that runs a script")
        place = self.place
        program = Program(
            argv=verdict.argv, cwd=place.folder, env=place.env, spools=place.spools, timeout_s=self.timeout_s
        )
        try:
            return await run(program, emit, cancelled=self._cancelled, children=self.children)
        except NotStarted as error:
            return _refused(str(error))

    def cancel(self) -> None:
        self._cancelled.set()


def _refused(reason: str) -> TurnResult:
    return TurnResult(status="failed", error=f"not run: {reason}", refused=True)
