"""Launches bots as they are declared at that moment, and tells what can be launched."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.bots import OFF, WITH_ALL, BotSpec, BotState
from deia_tui.core.client import Launchable
from deia_tui.core.commands import LaunchBots, Outcome
from deia_tui.core.errors import StoreError
from deia_tui.core.load.scaler import Limits
from deia_tui.hive import launching
from deia_tui.hive.declarations import Declarations
from deia_tui.hive.record import Record
from deia_tui.hive.roster import Roster
from deia_tui.preflight import Preflight


class Recruiter:
    def __init__(self, declarations: Declarations, record: Record, roster: Roster) -> None:
        self._declarations = declarations
        self._record = record
        self._roster = roster
        self._preflight = Preflight()
        self._launching = asyncio.Lock()

    async def launch(self, command: LaunchBots) -> Outcome:
        """The ids of the bots. Raises CommandRejected, and then nothing has changed."""
        catalogue = self._declarations.read()
        async with self._launching:  # the next plan must know of these bots
            specs = launching.plan(command, catalogue, self._record.state.bots, self._declarations.env_of)
            keepers = await self._roster.launch(specs)
        await self._tell_of_missing(specs)
        if command.wait:
            await asyncio.gather(*(self._roster.up(keeper) for keeper in keepers))
        return [spec.bot_id for spec in specs]

    async def reinforce(self, template: str, count: int, mark: Callable[[str], ev.Event]) -> None:
        """Launch so many bots of a template for the sake of the load: those first that were started for it before.
        What `mark` makes of its id is on record with each launch. Raises CommandRejected, and then nothing has changed.
        """
        catalogue = self._declarations.read()
        async with self._launching:
            bots, env_of = self._record.state.bots, self._declarations.env_of
            specs = [
                spec
                for bot_id in launching.reserve(template, count, catalogue, bots)
                for spec in launching.plan(LaunchBots(what=template, bot_id=bot_id), catalogue, bots, env_of)
            ]
            await self._roster.launch(specs, mark)
        await self._tell_of_missing(specs)

    def limits(self) -> dict[str, Limits]:
        """How many bots the templates may have that are scaled. Raises CommandRejected."""
        found = {name: template.limits for name, template in self._declarations.read().templates.items()}
        return {name: limits for name, limits in found.items() if limits is not None}

    async def begin(self, *, rebooted: bool) -> None:
        """With the hive what is declared so starts; a bot that was stopped alone stays off until the next reboot."""
        await self._tell_of_missing(bot.spec for bot in self._record.state.bots.values() if bot.state not in OFF)
        for bot_id, section in self._declarations.read().settings.bots.items():
            view = self._record.state.bots.get(bot_id)
            due = view is None or (view.state is BotState.STOPPED and (rebooted or view.reason in WITH_ALL))
            if section.autostart and due:
                await self.launch(LaunchBots(what="", bot_id=bot_id, wait=False))

    async def launchables(self, *, look: bool) -> Sequence[Launchable]:
        """What a launch may name; `look` at the programs of this machine anew."""
        catalogue, env_of = self._declarations.read(), self._declarations.env_of
        agents = launching.agents(catalogue, env_of)
        ready = await asyncio.to_thread(self._preflight.look if look else self._preflight.known, agents)
        return launching.launchables(catalogue, ready, env_of, self._record.state.bots)

    async def _tell_of_missing(self, specs: Iterable[BotSpec]) -> None:
        """An agent that is to get a variable from a supervisor that does not have it runs without, but not silently."""
        for name in {spec.agent.name for spec in specs}:
            if (agent := self._declarations.agent(name)) is None:
                continue
            missing = launching.missing_variables(os.environ, agent)
            text = f"agent '{name}' gets no {', '.join(missing)}: not set where this supervisor was started"
            action = f"set it under [agents.{name}] env, or start the supervisor with it; then restart the bots"
            wish = Raise(None, f"env {name}", "warning", text, action) if missing else Clear(None, f"env {name}", "set")
            with contextlib.suppress(StoreError):
                await self._record.alert([wish])
