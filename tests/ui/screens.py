"""Drives the console on a scripted hive and reads what stands on its screen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual import events
from textual.pilot import Pilot

from deia_tui.ui.app import ConsoleApp, ConsoleOptions, Leaving
from tests.ui.scripted import ScriptedHive

DEADLINE_S = 20.0


class Screen:
    def __init__(self, app: ConsoleApp, pilot: Pilot[Leaving], hive: ScriptedHive) -> None:
        self.app = app
        self.pilot = pilot
        self.hive = hive

    def lines(self) -> list[str]:
        """The screen as text, line by line."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(self.lines())

    def line(self, part: str) -> str:
        """The first line with `part` in it."""
        return next((line for line in self.lines() if part in line), "")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        """Put `text` into the focused input, as a terminal does when one pastes."""
        focused = self.app.focused
        assert focused is not None
        focused.post_message(events.Paste(text))
        await self.until(lambda: text in getattr(focused, "value", ""))

    async def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"never came true; the screen:\n{self.text()}"
            await asyncio.sleep(0.01)

    async def sees(self, *parts: str) -> None:
        await self.until(lambda: all(part in self.text() for part in parts))

    async def misses(self, part: str) -> None:
        await self.until(lambda: part not in self.text())

    async def gave(self, command: object) -> None:
        await self.until(lambda: command in self.hive.given)

    async def left(self) -> Leaving | None:
        await self.until(lambda: self.app._exit)
        return self.app.return_value


@asynccontextmanager
async def shown(
    hive: ScriptedHive, *, size: tuple[int, int] = (190, 46), options: ConsoleOptions | None = None
) -> AsyncIterator[Screen]:
    """The console with the hive's present state on it."""
    app = ConsoleApp(hive, options=options or ConsoleOptions())
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = Screen(app, pilot, hive)
        await screen.until(lambda: app.shown.seq == hive.snapshot().seq)
        yield screen
