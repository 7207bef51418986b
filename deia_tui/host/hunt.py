"""Ends everything of runs that are no children of this host: bots of a former host, and what they left behind.

While the bot lives its descendants stay below it (it is a subreaper), so it is frozen, stripped of them, and dies last.
What it left when it died alone is found by the nonce and the brand of its run.
"""

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from deia_tui.host.processes import Process, Tree, by_parent, carriers, descendants, living
from deia_tui.identity import Identity

PAUSE_S = 0.005
_PATIENCE = 100
_ROUNDS = 400

Alive = Mapping[Identity, Process]


@dataclass(slots=True)
class Prey:
    """One run: its bot, None when that is known to have ended."""

    bot: Identity | None
    rounds: int = 0


class Hunt:
    """True while it goes on; call `round` every PAUSE_S until it is over."""

    def __init__(self) -> None:
        self._prey: dict[str, Prey] = {}

    def __bool__(self) -> bool:
        return bool(self._prey)

    def begin(self, nonce: str, bot: Identity | None) -> None:
        prey = self._prey.setdefault(nonce, Prey(bot))
        prey.bot = bot or prey.bot
        if bot is not None:
            with suppress(OSError):  # out of descriptors
                bot.send(signal.SIGSTOP)

    def round(self) -> None:
        """Kill what is there now, and drop each hunt that finds nothing more. Raises OSError when it cannot look."""
        tree = by_parent()
        alive = living(tree)
        zombies = {process.identity for siblings in tree.values() for process in siblings if process.zombie}
        marked = [carrier for carrier in carriers(self._prey) if carrier[1] not in zombies]
        for nonce, prey in list(self._prey.items()):
            prey.rounds += 1
            found = {identity for owner, identity in marked if owner == nonce}
            if not _strike(prey, found, tree, alive) or prey.rounds > _ROUNDS:
                del self._prey[nonce]


def _strike(prey: Prey, found: set[Identity], tree: Tree, alive: Alive) -> bool:
    """Kill the run's processes, the bot once it is alone (or for want of patience); False when there was none."""
    bot = prey.bot if prey.bot in alive else None
    below = {process.identity for process in descendants(tree, bot.pid)} & alive.keys() if bot else set()
    victims = (below | found) - {bot}
    for identity in victims:
        identity.send(signal.SIGKILL)
    if bot and (prey.rounds > _PATIENCE or not victims):
        bot.send(signal.SIGKILL)
    return bool(victims or bot)
