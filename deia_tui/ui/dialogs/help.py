"""What the keys do: those of the focused pane first, then all the others."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from deia_tui.ui import keymap
from deia_tui.ui.keys import Group, Key, ModeName
from deia_tui.ui.theme import Glyphs

_PANES: dict[str, tuple[str, str]] = {
    "bots": (
        "Bots",
        "Those that need you first. CPU: yellow from 60 %, red from 85 %. "
        "Breaker (B): {0.closed} closed, {0.opened} open, {0.half_open} on trial.",
    ),
    "chat": (
        "Chat",
        "The conversation with the selected bot; answers stream in. @ID writes to another bot. "
        "{0.enter}, space or o opens a line that begins with {0.folded}.",
    ),
    "log": ("Log", "What happened to the selected bot and what it wrote. It follows until you scroll up."),
    "alerts": (
        "Alerts",
        "What is wrong and what to do: {0.critical} critical, {0.warning} warning, {0.cleared} cleared. "
        "Orders go to the bot of the selected alert.",
    ),
    "tasks": (
        "Work",
        "Running, handed to a bot, waiting in the order of the queue with the reason, dead, ended lately. "
        "The cursor follows the task.",
    ),
    "task": ("Work", "All about one task: its attempts, who would be chosen and why, what its bot said and did."),
    "letters": (
        "Messages",
        "What bots write to each other: {0.idle} pending, {0.starting} delivered, {0.cleared} read, {0.fatal} failed, "
        "{0.off} expired.",
    ),
    "letter": ("Messages", "What two bots wrote to each other, by time."),
    "inboxes": ("Messages", "The messages to each bot; the cursor says whose are listed."),
}
_GROUPS: tuple[Group, ...] = (
    *("Bots", "Chat", "Requests", "Log", "Alerts", "Work", "Messages"),
    *("Move", "Console"),
)


class HelpOverlay(ModalScreen[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]
    BINDINGS = [("escape,q,question_mark,enter", "close", "Close"), ("j", "down", "Down"), ("k", "up", "Up")]

    def __init__(self, mode: ModeName, pane: str, glyphs: Glyphs) -> None:
        super().__init__()
        self._keys = [key for key in keymap.KEYS if key.where == mode or key.where not in get_args(ModeName)]
        self._pane = pane
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        title, about = _PANES[self._pane]
        with VerticalScroll(classes="dialog", id="help") as box:
            box.border_title = f"Help: {title}"
            box.border_subtitle = Content("esc closes")
            yield Static(Content(about.format(self._glyphs)), classes="detail")
            with Horizontal(id="columns"):
                for column in _columns(self._keys, title):
                    text = Content("\n\n").join([_describe(group, self._keys, self._glyphs) for group in column])
                    yield Static(text, classes="column")

    def action_close(self) -> None:
        self.dismiss(None)

    def action_down(self) -> None:
        self.query_one("#help").scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one("#help").scroll_up(animate=False)


def _groups(keys: Sequence[Key], first: str) -> list[Group]:
    """The groups that have keys, the focused pane's own first."""
    used = [group for group in _GROUPS if any(key.group == group for key in keys)]
    return sorted(used, key=lambda group: group != first)


def _columns(keys: Sequence[Key], first: str) -> tuple[list[Group], list[Group]]:
    """Two columns of about the same height."""
    left: list[Group] = []
    right: list[Group] = []
    heights = Counter(key.group for key in keys)
    for group in _groups(keys, first):
        used = [sum(heights[other] + 2 for other in column) for column in (left, right)]
        (left if used[0] <= used[1] else right).append(group)
    return left, right


def _describe(group: Group, keys: Sequence[Key], glyphs: Glyphs) -> Content:
    lines = [_line(key, glyphs) for key in keys if key.group == group]
    return Content("\n").join([Content.styled(group, "bold"), *lines])


def _line(key: Key, glyphs: Glyphs) -> Content:
    names = keymap.shown(key) if key.shown else " ".join(key.keys.split(",")[:2])
    return Content.assemble((glyphs.plain(names).ljust(9), "bold $accent"), key.help)
