"""Every key of the console in one table: what it does, where, what the footer and the help say about it.

A key's `id` is what a user's own key map refers to. Nothing needs a modifier: each chord has a plain twin.
"""

from collections.abc import Collection

from textual.binding import Binding, BindingType

from deia_tui.ui.keys import AT_TIMES, BOT_KEYS, Group, Key, Where
from deia_tui.ui.workkeys import MESSAGE_KEYS, WORK_KEYS

ALL_PANES = ("bots", "chat", "log", "alerts", "tasks", "task", "letters", "letter", "inboxes")

KEYS: tuple[Key, ...] = (
    *BOT_KEYS,
    *WORK_KEYS,
    *MESSAGE_KEYS,
    # The console
    Key(
        id="work.new",
        keys="t",
        action="new_task",
        label="Task",
        help="A new task, for the selected bot or for anyone",
        group="Work",
        footer=4,
        panes=("bots", "chat", "log", "tasks", "task"),
    ),
    Key(
        id="mode.hive",
        keys="h",
        action="mode('hive')",
        label="Hive",
        help="The bots, their chats and logs, the alerts",
        group="Console",
        footer=11,
        panes=("tasks", "task", "letters", "letter", "inboxes"),
    ),
    Key(
        id="mode.work",
        keys="w",
        action="mode('work')",
        label="Work",
        help="The tasks: who does which, what waits and why",
        group="Console",
        footer=11,
        panes=("bots", "chat", "log", "alerts", "letters", "letter", "inboxes"),
    ),
    Key(
        id="mode.messages",
        keys="m",
        action="mode('messages')",
        label="Messages",
        help="What bots write to each other",
        group="Console",
        footer=11,
        panes=("bots", "chat", "log", "alerts", "tasks", "task"),
    ),
    Key(
        id="view.zoom",
        keys="z",
        action="zoom",
        label="Zoom",
        help="The focused pane alone, and back",
        group="Console",
        where="mode",
        footer=7,
        panes=("chat", "log", "alerts", "task", "letter"),
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
        panes=("chat", "log", "task", "letter"),
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
        where="mode",
        shown="tab",
        footer=9,
        panes=("chat", "log", "alerts", "task", "letter", "inboxes"),
    ),
    Key(
        id="view.previous",
        keys="shift+tab",
        action="previous_pane",
        label="Previous pane",
        help="Go to the pane before",
        group="Console",
        where="mode",
        shown="⇧tab",
    ),
    Key(
        id="view.back",
        keys="escape",
        action="back",
        label="Back",
        help="Leave zoom, filter or marks; then to the bots, from anywhere",
        group="Console",
        where="mode",
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
        panes=ALL_PANES,
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
        panes=ALL_PANES,
    ),
    Key(
        id="app.quit",
        keys="q,ctrl+c,ctrl+q",
        action="ask_quit",
        label="Quit",
        help="Leave: stop the bots, or let them run",
        group="Console",
        footer=2,
        panes=ALL_PANES,
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
        id="input.break",
        keys="ctrl+j,alt+enter,shift+enter",
        action="break_line",
        label="New line",
        help="A new line, as pasted text has them",
        group="Chat",
        where="chat-input",
        shown="^J",
        footer=5,
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
        help="Keep the filter, back to the list",
        group="Console",
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
        help="Show everything again",
        group="Console",
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
