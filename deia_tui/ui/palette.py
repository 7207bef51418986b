"""The console's commands for the command palette: every key's action by name, and every bot by its id."""

from collections.abc import Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from deia_tui.core.text import clean
from deia_tui.ui import keymap
from deia_tui.ui.screen import ConsoleScreen


class ConsoleCommands(Provider):
    async def discover(self) -> Hits:
        for title, what, command in self._all():
            yield DiscoveryHit(Content(title), command, text=title, help=what)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, what, command in [*self._all(), *self._bots()]:
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, Content(title), command, text=title, help=what)

    def _all(self) -> list[tuple[str, str, Callable[[], object]]]:
        screen = self.screen
        known = screen.commands() if isinstance(screen, ConsoleScreen) else ()
        commands: list[tuple[str, str, Callable[[], object]]] = [
            (f"{key.label} ({keymap.shown(key)})", key.help, command) for key, command in known
        ]
        return [*commands, ("Theme", "Other colours", partial(self.app.action_change_theme))]

    def _bots(self) -> list[tuple[str, str, Callable[[], object]]]:
        if not isinstance(self.screen, ConsoleScreen):
            return []
        return [
            (f"Go to {clean(bot_id)}", "Select this bot", partial(self.screen.go_to_bot, bot_id))
            for bot_id in self.screen.snapshot.state.bots
        ]
