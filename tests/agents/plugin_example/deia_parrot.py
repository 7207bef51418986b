"""Agents of kind `parrot` repeat what they are told: as often as `options = { times = 3 }` says, once they may.

    [agents.polly]
    kind = "parrot"
    options = { times = 3 }

This module is imported before bots are forked: importing it must start no thread and open nothing.
"""

import asyncio
import json
from dataclasses import dataclass, field

from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.protocol import Opened, Turn, TurnResult
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import PermissionOption

OPTIONS = (
    PermissionOption(option_id="yes", name="Speak", kind="allow_once"),
    PermissionOption(option_id="no", name="Be quiet", kind="reject_once"),
)


@dataclass(slots=True)
class Parrot:
    """Keeps no program between turns, so there is none that could end."""

    means: Means
    _times: int = 1
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return True

    async def ended(self) -> str:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def open(self, session: str) -> Opened:
        times = json.loads(self.means.spec.options).get("times", 1)
        if not isinstance(times, int) or times < 1:
            raise ConfigError(f"Agent '{self.means.spec.name}' cannot speak {times!r} times: set times to 1 or more.")
        self._times = times
        self.means.place.prepare()
        return Opened()

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        self._cancelled.clear()
        decision = await turn.ask(tool="Speak", title=f"Say {text}", input=text, options=OPTIONS)
        if not decision.allows:
            return TurnResult(status="answered", stop_reason="end_turn")
        for _ in range(self._times):
            if self._cancelled.is_set():
                return TurnResult(status="interrupted", error="interrupted")
            turn.output(f"{text}! ".encode())
            await asyncio.sleep(0)
        return TurnResult(status="answered", stop_reason="end_turn")

    def cancel(self) -> None:
        self._cancelled.set()

    async def close(self) -> None:
        self.cancel()


def parrot(means: Means) -> Parrot:
    return Parrot(means)
