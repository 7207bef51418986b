"""What the keys do: those of the focused pane first, then all the others."""

from collections import Counter

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from deia_tui.ui import keymap
from deia_tui.ui.keys import Group, Key
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
}
_GROUPS: tuple[Group, ...] = ("Bots", "Chat", "Requests", "Log", "Alerts", "Move", "Console")


class HelpOverlay(ModalScreen[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]
    BINDINGS = [("escape,q,question_mark,enter", "close", "Close"), ("j", "down", "Down"), ("k", "up", "Up")]

    def __init__(self, pane: str, glyphs: Glyphs) -> None:
        super().__init__()
        self._pane = pane
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        title, about = _PANES[self._pane]
        with VerticalScroll(classes="dialog", id="help") as box:
            box.border_title = f"Help: {title}"
            box.border_subtitle = Content("esc closes")
            yield Static(Content(about.format(self._glyphs)), classes="detail")
            with Horizontal(id="columns"):
                for column in _columns(title):
                    text = Content("\n\n").join([_describe(group, self._glyphs) for group in column])
                    yield Static(text, classes="column")

    def action_close(self) -> None:
        self.dismiss(None)

    def action_down(self) -> None:
        self.query_one("#help").scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one("#help").scroll_up(animate=False)


def _groups(first: str) -> list[Group]:
    """The groups that have keys, the focused pane's own first."""
    used = [group for group in _GROUPS if any(key.group == group for key in keymap.KEYS)]
    return sorted(used, key=lambda group: group != first)


def _columns(first: str) -> tuple[list[Group], list[Group]]:
    """Two columns of about the same height."""
    left: list[Group] = []
    right: list[Group] = []
    heights = Counter(key.group for key in keymap.KEYS)
    for group in _groups(first):
        used = [sum(heights[other] + 2 for other in column) for column in (left, right)]
        (left if used[0] <= used[1] else right).append(group)
    return left, right


def _describe(group: Group, glyphs: Glyphs) -> Content:
    keys = [_line(key, glyphs) for key in keymap.KEYS if key.group == group]
    return Content("\n").join([Content.styled(group, "bold"), *keys])


def _line(key: Key, glyphs: Glyphs) -> Content:
    names = keymap.shown(key) if key.shown else " ".join(key.keys.split(",")[:2])
    return Content.assemble((glyphs.plain(names).ljust(9), "bold $accent"), key.help)
