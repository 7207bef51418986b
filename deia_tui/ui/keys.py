"""What a key is, and the keys for bots: orders to them, messages, answers to what they ask leave for, their alerts."""

from dataclasses import dataclass
from typing import Literal

ModeName = Literal["hive", "work", "messages"]
Where = Literal["console", "mode", "hive", "work", "messages", "list", "chat-input", "filter", "dialog"]
"""`console`: everywhere; `mode`: in every mode, each of which does it in its own way; then those of one mode."""
Group = Literal["Bots", "Chat", "Requests", "Log", "Alerts", "Work", "Messages", "Move", "Console"]


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

BOT_KEYS: tuple[Key, ...] = (
    # The selected bot, or all that are marked
    Key(
        id="bot.chat",
        keys="enter",
        action="chat",
        label="Chat",
        help="Write to the selected bot",
        group="Bots",
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        where="hive",
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
        panes=("bots", "chat", "log", "alerts", "tasks", "letters"),
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
        panes=("bots", "log", "chat", "tasks", "letters"),
    ),
    Key(
        id="alerts.clear",
        keys="x",
        action="clear_alert",
        label="Clear",
        help="Clear the selected alert, seen to",
        group="Alerts",
        where="hive",
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
)
