"""The console as an application: shows what the client says, hands on what the operator wants, says how he left."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from deia_tui.core.bots import OFF
from deia_tui.core.client import HiveClient
from deia_tui.core.errors import ConfigError
from deia_tui.core.state import Snapshot
from deia_tui.core.text import clean, shorten
from deia_tui.ui.announce import Announcer
from deia_tui.ui.bridge import Bridge
from deia_tui.ui.driver import ConsoleDriver
from deia_tui.ui.orders import Orders, Severity
from deia_tui.ui.screen import ConsoleScreen
from deia_tui.ui.theme import ASCII, UNICODE
from deia_tui.ui.typeahead import TypeAhead

HEAR_S = 0.005
"""How often it is looked whether the selected bot said anything: an answer must not wait for the next picture."""


class Leaving(StrEnum):
    """What the operator wants of the hive when the console closes."""

    STOP = "stop"
    LEAVE = "leave"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """`remote` paces the screen for an SSH line; `ascii` draws with ASCII only; `read_only` refuses every command.

    A `throwaway` hive ends with its console: leaving it asks nothing.
    """

    theme: str = "tokyo-night"
    ascii: bool = False
    read_only: bool = False
    remote: bool = False
    throwaway: bool = False
    version: str = ""


def _commands() -> type[Provider]:
    from deia_tui.ui.palette import ConsoleCommands

    return ConsoleCommands


class ConsoleApp(App[Leaving]):
    """`on_shown` is called once, right after the first frame was painted. Without a wish, `run` returns LEAVE."""

    TITLE = "deia-tui"
    CSS_PATH = "console.tcss"
    COMMANDS = {_commands}
    NOTIFICATION_TIMEOUT = 4
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "ask_quit", show=False, id="app.quit.anywhere"),
        Binding("ctrl+c", "ask_quit", show=False, id="app.quit.interrupt"),
    ]

    def __init__(
        self, client: HiveClient, *, options: ConsoleOptions, on_shown: Callable[[], None] | None = None
    ) -> None:
        super().__init__(driver_class=ConsoleDriver)
        self._client = client
        self._on_shown = on_shown
        self._glyphs = ASCII if options.ascii else UNICODE
        self._throwaway = options.throwaway
        self._pace_s = 0.2 if options.remote else 0.1
        if options.theme not in self.available_themes:
            known = ", ".join(sorted(self.available_themes))
            raise ConfigError(f"hive.toml: console.theme: there is no theme '{options.theme}'; choose one of {known}.")
        few_colors = self.console.color_system in (None, "standard")
        self.theme = "ansi-dark" if few_colors else options.theme
        self._orders = Orders(client, read_only=options.read_only, say=self._say)
        self._announcer = Announcer(self._say, self._alarm, self.bell)
        self._main = ConsoleScreen(client, self._orders, self._glyphs, feed_pace_s=0.5 if options.remote else 0.25)
        self.set_class(options.ascii, "-ascii")
        self._bridges: list[Bridge] = []
        self.type_ahead = TypeAhead(self)
        self.shown = Snapshot()
        self._first_frame = ExitStack()

    def get_default_screen(self) -> Screen[None]:
        return self._main

    def on_load(self) -> None:
        self._first_frame.enter_context(self.batch_update())  # one paint of 40 kB instead of three

    def on_ready(self) -> None:
        self._first_frame.close()
        self.run_worker(self.type_ahead.run(), group="keys")
        self.call_after_refresh(self._shown)

    def _shown(self) -> None:
        self._bridges = [
            Bridge(self._client, self._apply, pace_s=self._pace_s),
            Bridge(self._client, self._main.hear, pace_s=HEAR_S),
        ]
        if self._on_shown is not None:
            self._on_shown()

    def on_unmount(self) -> None:
        for bridge in self._bridges:
            bridge.close()

    def _apply(self, snapshot: Snapshot) -> None:
        self.shown = snapshot
        self._main.apply(snapshot)
        self._announcer.hear(snapshot)

    # Saying something

    def _say(self, sentence: str, severity: Severity) -> None:
        self.notify(self._glyphs.plain(shorten(clean(sentence), 300)), severity=severity, markup=False)

    def _alarm(self, on: bool) -> None:
        """Bell and title mark: only for what is critical."""
        if on:
            self.bell()
        if self._driver is not None:
            self._driver.write(f"\x1b]0;{'● ' if on else ''}{self.TITLE}\x07")

    # Leaving

    @on(ConsoleScreen.QuitAsked)
    def action_ask_quit(self) -> None:
        live = sum(bot.state not in OFF for bot in self._client.snapshot().state.bots.values())
        if self._throwaway or not live:
            self.exit(Leaving.STOP if self._throwaway else Leaving.LEAVE)
            return
        from deia_tui.ui.dialogs.quit import QuitDialog

        if not any(isinstance(screen, QuitDialog) for screen in self.screen_stack):
            self.push_screen(QuitDialog(self._client, live, read_only=self._orders.read_only), self._leave)

    def hang_up(self) -> None:
        """The terminal is gone, nobody can be asked: supervision goes on without a screen."""
        self.exit(Leaving.STOP if self._throwaway else Leaving.BACKGROUND)

    def _leave(self, choice: str | None) -> None:
        if choice is not None:
            self.exit(Leaving(choice))
