"""Every key of the console in one table: what it does, where, what the footer and the help say about it.

A key's `id` is what a user's own key map refers to. Nothing needs a modifier: each chord has a plain twin.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Where = Literal["console", "list", "chat-input", "filter", "dialog"]
Group = Literal["Bots", "Chat", "Requests", "Log", "Alerts", "Move", "Console"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`footer` is its place among the keys at the bottom (0: not shown) and `panes` where it is shown at all."""

    id: str
    keys: str
    action: str
    label: str
    help: str
    group: Group
    where: Where = "console"
    shown: str = ""
    footer: int = 0
    panes: tuple[str, ...] = ()
    palette: bool = True


RESEND = "chat.resend"
ANSWERS = ("request.once", "request.always", "request.deny", "request.deny_why")
REQUESTS = "request.show"
FOLD = "chat.fold"
AT_TIMES = frozenset({RESEND, REQUESTS, FOLD, *ANSWERS})
"""Keys that the bottom line shows only when there is something to use them on."""

KEYS: tuple[Key, ...] = (
    # The selected bot, or all that are marked
    Key(
        id="bot.chat",
        keys="enter",
        action="chat",
        label="Chat",
        help="Write to the selected bot",
        group="Bots",
        shown="⏎",
        footer=3,
        panes=("bots", "chat", "log", "alerts"),
    ),
    Key(
        id="bot.stop",
        keys="s",
        action="stop",
        label="Stop",
        help="Stop it: 8 s for its work, also when it drains",
        group="Bots",
        footer=5,
        panes=("bots",),
    ),
    Key(
        id="bot.restart",
        keys="r",
        action="restart",
        label="Restart",
        help="Start it again, or recover it",
        group="Bots",
        footer=6,
        panes=("bots", "alerts"),
    ),
    Key(
        id="bot.interrupt",
        keys="i",
        action="interrupt",
        label="Interrupt",
        help="End the answer in progress",
        group="Bots",
        footer=8,
        panes=("bots", "chat"),
    ),
    Key(
        id="bot.kill",
        keys="K",
        action="kill",
        label="Kill",
        help="Kill its whole process tree now (asks first)",
        group="Bots",
        footer=7,
        panes=("bots",),
    ),
    Key(
        id="bot.launch",
        keys="l",
        action="launch",
        label="Launch",
        help="Launch bots of a template or an agent",
        group="Bots",
        footer=4,
        panes=("bots", "log", "alerts"),
    ),
    Key(
        id="bot.mark",
        keys="v",
        action="mark",
        label="Mark",
        help="Mark several bots, then one key for all of them",
        group="Bots",
        footer=11,
        panes=("bots",),
    ),
    Key(
        id="bot.filter",
        keys="slash",
        action="filter",
        label="Filter",
        help="Only bots with these words in their row",
        group="Bots",
        shown="/",
        footer=9,
        panes=("bots",),
    ),
    Key(
        id=RESEND,
        keys="e",
        action="resend",
        label="Send again",
        help="Send a message again that was not answered",
        group="Chat",
        footer=4,
        panes=("bots", "chat"),
    ),
    Key(
        id=FOLD,
        keys="o",
        action="fold",
        label="Open",
        help="Open or fold the line: a tool, a thought, a diff",
        group="Chat",
        shown="⏎ o",
        footer=3,
        panes=("chat",),
        palette=False,
    ),
    # What agents ask leave for
    Key(
        id="request.once",
        keys="a",
        action="answer('once')",
        label="Allow once",
        help="Allow what the agent asks for, this time",
        group="Requests",
        footer=3,
        panes=("chat",),
        palette=False,
    ),
    Key(
        id="request.always",
        keys="A",
        action="answer('always')",
        label="Always",
        help="Allow it, now and from now on",
        group="Requests",
        footer=3,
        panes=("chat",),
        palette=False,
    ),
    Key(
        id="request.deny",
        keys="d",
        action="answer('deny')",
        label="Deny",
        help="Deny it",
        group="Requests",
        footer=3,
        panes=("chat",),
        palette=False,
    ),
    Key(
        id="request.deny_why",
        keys="D",
        action="deny_why",
        label="Deny with a word",
        help="Deny it, and tell the agent why",
        group="Requests",
        footer=3,
        panes=("chat",),
        palette=False,
    ),
    Key(
        id=REQUESTS,
        keys="p",
        action="requests",
        label="Requests",
        help="All that agents ask leave for",
        group="Requests",
        footer=3,
        panes=("bots", "chat", "log", "alerts"),
    ),
    # Alerts
    Key(
        id="alerts.show",
        keys="exclamation_mark",
        action="alerts",
        label="Alerts",
        help="Go to the alerts",
        group="Alerts",
        shown="!",
        footer=10,
        panes=("bots", "log", "chat"),
    ),
    Key(
        id="alerts.clear",
        keys="x",
        action="clear_alert",
        label="Clear",
        help="Clear the selected alert, seen to",
        group="Alerts",
        footer=5,
        panes=("alerts",),
    ),
    Key(
        id="alerts.jump",
        keys="1,2,3,4,5,6,7,8,9",
        action="jump",
        label="Jump",
        help="Select the n-th alerting bot",
        group="Alerts",
        shown="1–9",
        footer=6,
        panes=("alerts",),
        palette=False,
    ),
    # The console
    Key(
        id="view.zoom",
        keys="z",
        action="zoom",
        label="Zoom",
        help="The focused pane alone, and back",
        group="Console",
        footer=7,
        panes=("chat", "log", "alerts"),
    ),
    Key(
        id="view.freeze",
        keys="space",
        action="freeze",
        label="Freeze",
        help="Freeze the view; work goes on",
        group="Console",
        shown="space",
        footer=12,
        panes=("bots", "log"),
    ),
    Key(
        id="view.copy",
        keys="y",
        action="copy",
        label="Copy",
        help="Copy the answer, the line or the row",
        group="Console",
        footer=6,
        panes=("chat", "log"),
    ),
    Key(
        id="view.read_only",
        keys="R",
        action="read_only",
        label="Read-only",
        help="Change nothing by mistake, and back",
        group="Console",
    ),
    Key(
        id="view.next",
        keys="tab",
        action="next_pane",
        label="Next pane",
        help="Go to the next pane",
        group="Console",
        shown="tab",
        footer=9,
        panes=("chat", "log", "alerts"),
    ),
    Key(
        id="view.previous",
        keys="shift+tab",
        action="previous_pane",
        label="Previous pane",
        help="Go to the pane before",
        group="Console",
        shown="⇧tab",
    ),
    Key(
        id="view.back",
        keys="escape",
        action="back",
        label="Back",
        help="Leave zoom, filter or marks; then to the bots",
        group="Console",
        shown="esc",
        palette=False,
    ),
    Key(
        id="app.palette",
        keys="colon,ctrl+p",
        action="palette",
        label="Commands",
        help="Find any command by name",
        group="Console",
        shown=":",
        footer=13,
        panes=("bots", "chat", "log", "alerts"),
        palette=False,
    ),
    Key(
        id="app.help",
        keys="question_mark",
        action="help",
        label="Help",
        help="What the keys do",
        group="Console",
        shown="?",
        footer=1,
        panes=("bots", "chat", "log", "alerts"),
    ),
    Key(
        id="app.quit",
        keys="q,ctrl+c,ctrl+q",
        action="ask_quit",
        label="Quit",
        help="Leave: stop the bots, or let them run",
        group="Console",
        footer=2,
        panes=("bots", "chat", "log", "alerts"),
    ),
    # Moving in a list
    Key(id="move.down", keys="j,down", action="down", label="Down", help="Down", group="Move", where="list"),
    Key(id="move.up", keys="k,up", action="up", label="Up", help="Up", group="Move", where="list"),
    Key(
        id="move.page_down",
        keys="pagedown,ctrl+d",
        action="page_down",
        label="Page down",
        help="A page down",
        group="Move",
        where="list",
        shown="PgDn",
    ),
    Key(
        id="move.page_up",
        keys="pageup,ctrl+u",
        action="page_up",
        label="Page up",
        help="A page up",
        group="Move",
        where="list",
        shown="PgUp",
    ),
    Key(
        id="move.first", keys="g,home", action="first", label="First", help="The first line", group="Move", where="list"
    ),
    Key(
        id="move.last",
        keys="G,end",
        action="last",
        label="Last",
        help="The last line; logs follow again",
        group="Move",
        where="list",
    ),
    # Inputs
    Key(
        id="input.leave",
        keys="escape",
        action="leave",
        label="Leave",
        help="Leave the input, keep the draft",
        group="Chat",
        where="chat-input",
        shown="esc",
        footer=1,
        panes=("chat-input",),
    ),
    Key(
        id="input.send",
        keys="enter",
        action="submit",
        label="Send",
        help="Send the message",
        group="Chat",
        where="chat-input",
        shown="⏎",
        footer=2,
        panes=("chat-input",),
    ),
    Key(
        id="input.older",
        keys="up",
        action="older",
        label="Earlier",
        help="What you sent before",
        group="Chat",
        where="chat-input",
        shown="↑",
        footer=3,
        panes=("chat-input",),
    ),
    Key(
        id="input.newer",
        keys="down",
        action="newer",
        label="Later",
        help="What you sent after",
        group="Chat",
        where="chat-input",
        shown="↓",
        footer=4,
        panes=("chat-input",),
    ),
    Key(
        id="filter.done",
        keys="enter,down",
        action="done",
        label="Keep",
        help="Keep the filter, back to the bots",
        group="Bots",
        where="filter",
        shown="⏎",
        footer=1,
        panes=("filter",),
    ),
    Key(
        id="filter.clear",
        keys="escape",
        action="clear",
        label="Clear",
        help="Show all bots again",
        group="Bots",
        where="filter",
        shown="esc",
        footer=2,
        panes=("filter",),
    ),
)


def bindings(where: Where, *, group: Group | None = None) -> list[BindingType]:
    """The bindings of one place, or those of a group there, for a widget's or screen's BINDINGS."""
    found: list[BindingType] = []
    for key in KEYS:
        if key.where != where or group not in (None, key.group):
            continue
        if key.id == "alerts.jump":
            found.extend(
                Binding(n, f"jump({n})", key.label, id=f"{key.id}.{n}", show=False) for n in key.keys.split(",")
            )
        else:
            found.append(Binding(key.keys, key.action, key.label, id=key.id, show=False))
    return found


def shown(key: Key) -> str:
    """The key as people write it."""
    return key.shown or key.keys.split(",")[0]


def footer(pane: str, *, usable: Collection[str]) -> list[Key]:
    """The keys of a pane for the bottom line, the most important first; of those AT_TIMES only the `usable` ones."""
    keys = [key for key in KEYS if key.footer and pane in key.panes and (key.id in usable or key.id not in AT_TIMES)]
    return sorted(keys, key=lambda key: (key.footer, key.id not in AT_TIMES))
