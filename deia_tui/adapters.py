"""Which kinds of agents there are, and where the code of each is: built in, or brought by another package as an entry
point of the group `deia_tui.agents`. It is imported by the host when the first bot of the kind is wanted."""

import difflib
import importlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from deia_tui.core.errors import ConfigError

GROUP = "deia_tui.agents"
_BUILT_IN = {
    "shell": "deia_tui.bot.agents.shell:shell",
    "command": "deia_tui.bot.agents.command:command",
    "acp": "deia_tui.bot.agents.acp.adapter:acp",
    "claude": "deia_tui.bot.agents.claude.adapter:claude",
}

Factory = Callable[[Any], Any]
"""Makes an Agent (bot/agents/protocol.py) of Means (bot/agents/means.py), and does nothing else."""


def kinds() -> list[str]:
    """Built-in ones first. One that is built in cannot be replaced."""
    return list(dict.fromkeys([*_BUILT_IN, *sorted(_brought())]))


def check_kind(kind: str) -> str:
    """Raises ValueError for a kind that nobody provides."""
    if kind not in _BUILT_IN and kind not in (known := kinds()):
        close = difflib.get_close_matches(kind, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
        raise ValueError(f"there is no such kind of agent; {hint}")
    return kind


@cache
def load(kind: str) -> Factory:
    """Raises ConfigError with a sentence for the operator when there is no such kind or its code cannot be used."""
    if kind in _BUILT_IN:
        module, _, name = _BUILT_IN[kind].partition(":")
        built_in: Factory = getattr(importlib.import_module(module), name)
        return built_in
    entry = _brought().get(kind)
    if entry is None:
        raise ConfigError(f"There is no adapter for agents of kind '{kind}': install the package that brings it.")
    try:
        factory: Factory = entry.load()
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{_who(entry)} cannot be imported: {type(error).__name__}: {_line(error)}.") from error
    if not callable(factory):
        raise ConfigError(f"{_who(entry)} is of no use: {entry.value} is not callable.")
    return factory


def problems() -> dict[str, str]:
    """What is wrong with the adapters that other packages bring: a sentence for each kind, "" where nothing is. This
    imports them."""
    return {kind: _problem(kind) for kind in sorted(_brought())}


def _problem(kind: str) -> str:
    if kind in _BUILT_IN:
        return f"{_who(_brought()[kind])} is not used: this kind is built in; the package must choose another name."
    try:
        load(kind)
    except ConfigError as error:
        return str(error)
    return ""


def _brought() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _who(entry: EntryPoint) -> str:
    return f"The adapter for agents of kind '{entry.name}'" + (f" (package {entry.dist.name})" if entry.dist else "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300]
