"""The main screen: which of its modes is shown, and the keys that are the same in all of them."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.events import Resize
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen

from deia_tui.core.client import HiveClient
from deia_tui.core.state import Snapshot
from deia_tui.ui import keymap
from deia_tui.ui.keys import REQUESTS, Key, ModeName
from deia_tui.ui.modes.hive import HiveMode
from deia_tui.ui.modes.mode import Mode
from deia_tui.ui.orders import Orders, name_all
from deia_tui.ui.panes.footer import FooterBar
from deia_tui.ui.panes.header import HeaderBar
from deia_tui.ui.theme import Glyphs

if TYPE_CHECKING:
    from deia_tui.ui.dialogs.writing import Draft

_SMALLEST = (60, 20)


class ConsoleScreen(Screen[None], inherit_bindings=False):
    """Only the mode that is shown is told how the hive looks."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (72, "-narrow"), (110, "-wide"), (160, "-roomy")]
    BINDINGS = keymap.bindings("console")
    AUTO_FOCUS = "#bot-table"

    snapshot: var[Snapshot] = var(Snapshot(), init=False)
    frozen: var[bool] = var(False, init=False)

    class QuitAsked(Message):
        """Somebody wants to leave."""

    def __init__(self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, feed_pace_s: float) -> None:
        super().__init__(id="console")
        self._client = client
        self._orders = orders
        self._header = HeaderBar(glyphs, read_only=orders.read_only)
        self._footer = FooterBar(glyphs)
        self._pace_s = feed_pace_s
        self._newest = Snapshot()
        self.hive = HiveMode(client, orders, glyphs, feed_pace_s=feed_pace_s)
        self.mode: Mode = self.hive
        self._modes: dict[ModeName, Mode] = {"hive": self.hive}
        self._draft: Draft | None = None

    def compose(self) -> ComposeResult:
        yield self._header.data_bind(ConsoleScreen.snapshot, ConsoleScreen.frozen)
        yield self.hive
        yield self._footer

    # What is shown

    def apply(self, snapshot: Snapshot) -> None:
        """The hive looks like this now."""
        self._newest = snapshot
        if not self.frozen:
            asked = self.snapshot.state.approvals
            self.snapshot = self.mode.snapshot = snapshot
            if snapshot.state.approvals != asked:
                self._show_keys()

    def hear(self, snapshot: Snapshot) -> None:
        """Somebody said something."""
        if not self.frozen:
            self.mode.hear(snapshot)

    @on(Mode.Changed)
    def _show_keys(self) -> None:
        asks = frozenset({REQUESTS} if self.snapshot.state.approvals else ())
        self._footer.usable = asks | frozenset(self.mode.usable_keys())
        self._footer.pane = self.mode.reads

    @on(HiveMode.Progress)
    def _show_progress(self, event: HiveMode.Progress) -> None:
        self._footer.progress = event.text

    # Modes

    async def action_mode(self, name: ModeName) -> None:
        await self._show_mode(name)

    async def _show_mode(self, name: ModeName) -> None:
        if name not in self._modes:
            self._modes[name] = self._new_mode(name)
            await self.mount(self._modes[name], before=self._footer)
        former, self.mode = self.mode, self._modes[name]
        self._header.mode = name
        self.mode.display = True
        self.mode.snapshot = self.snapshot
        self.mode.enter()
        if former is not self.mode:
            former.display = False
        self.hear(self._newest)
        self._show_keys()

    def _new_mode(self, name: ModeName) -> Mode:
        """Imported when it is wanted for the first time: the first paint does not wait for it."""
        match name:
            case "work":
                from deia_tui.ui.modes.work import WorkMode

                return WorkMode(self._client, self._orders, self._header.glyphs, pace_s=self._pace_s)
            case "messages":
                from deia_tui.ui.modes.messages import MessagesMode

                return MessagesMode(self._client, self._orders, self._header.glyphs, pace_s=self._pace_s)
            case "hive":
                return self.hive

    @on(Mode.Left)
    async def _leave_mode(self) -> None:
        if self.mode is not self.hive:
            await self._show_mode("hive")

    @on(Mode.BotWanted)
    async def _show_bot(self, event: Mode.BotWanted) -> None:
        await self.go_to_bot(event.bot_id)

    async def go_to_bot(self, bot_id: str) -> None:
        await self._show_mode("hive")
        self.hive.select(bot_id)

    async def action_jump(self, place: int) -> None:
        await self._show_mode("hive")
        self.hive.jump(place)

    async def action_alerts(self) -> None:
        await self._show_mode("hive")
        self.hive.panes.go("alerts")

    def action_requests(self) -> None:
        self.hive.show_requests()

    def commands(self) -> Sequence[tuple[Key, Callable[[], Coroutine[Any, Any, None]]]]:
        """What can be done now, each with what does it."""
        found: list[tuple[Key, Callable[[], Coroutine[Any, Any, None]]]] = []
        for key in keymap.KEYS:
            if key.palette and key.where == "console":
                found.append((key, partial(self.run_action, key.action)))
            elif key.palette and key.where in ("mode", self.mode.id):
                found.append((key, partial(self.mode.run_action, key.action)))
        return found

    def on_resize(self, event: Resize) -> None:
        small = event.size.width < _SMALLEST[0] or event.size.height < _SMALLEST[1]
        self._footer.notice = f"Small terminal: {_SMALLEST[0]}×{_SMALLEST[1]} or more shows everything" if small else ""
        self.mode.panes.apply()

    def on_screen_resume(self) -> None:
        """The size may have changed behind a dialog."""
        self.mode.panes.apply()

    def action_freeze(self) -> None:
        if self.mode.open_here():
            return
        self.frozen = not self.frozen
        self.apply(self._newest)
        self.hear(self._newest)

    def action_copy(self) -> None:
        text = self.get_selected_text() or self.mode.selected_text()
        if text:
            self.app.copy_to_clipboard(text)
            self._say(f"Copied {len(text)} characters.")

    # The console itself

    def action_read_only(self) -> None:
        self._orders.read_only = self._header.read_only = not self._orders.read_only

    def action_launch(self) -> None:
        if not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.launch import LaunchDialog

        def launched(bot_ids: Sequence[str] | None) -> None:
            if bot_ids:
                self._say(f"Launched {name_all(bot_ids)}")
                self.hive.select(bot_ids[0])

        self.app.push_screen(LaunchDialog(self._client, self._orders), launched)

    def action_new_task(self) -> None:
        """For the selected bot in the mode Hive, else for anyone."""
        if not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.writing import Draft, WritingDialog, task_of

        def queued(task_id: str | None) -> None:
            if task_id is not None:
                self._say(f"Queued {task_id}")
                self.mode.select_new(task_id)

        to = self.hive.selected if self.mode is self.hive else None
        draft = self._draft or Draft(to=to or "")
        bots = sorted(self._newest.state.bots)
        self.app.push_screen(
            WritingDialog(
                self._orders, draft, bots, heading="New task", command=task_of, keep=self._keep, is_task=True
            ),
            queued,
        )

    def _keep(self, draft: "Draft") -> None:
        """A draft with nothing in it is none: the next task begins for the bot that is selected then."""
        self._draft = draft if draft.text.strip() or draft.title.strip() else None

    def action_palette(self) -> None:
        self.app.action_command_palette()

    def action_help(self) -> None:
        from deia_tui.ui.dialogs.help import HelpOverlay

        self.app.push_screen(HelpOverlay(self._header.mode, self.mode.panes.pane, self._header.glyphs))

    def action_ask_quit(self) -> None:
        self.post_message(self.QuitAsked())

    def _say(self, sentence: str) -> None:
        self._orders.say(sentence, "information")
