"""What an adapter is made with: all it may use of the bot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deia_tui.bot.agents.place import Place
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """`prompt_file` is where a prompt may be put for an agent that wants it in a file; `log` takes lines for the bot's
    output log, and hides what looks like a secret."""

    spec: AgentSpec
    place: Place
    children: Children
    prompt_file: Path
    log: Callable[[str], None]
