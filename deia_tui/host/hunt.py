"""Ends everything of runs that are no children of this host: bots of a former host, and what they left behind.

While the bot lives its descendants stay below it (it is a subreaper), so it is frozen, stripped of them, and dies last.
What it left when it died alone is found by the nonce of its run, and by what was seen below it before.
"""

import signal
from collections.abc import Collection

from deia_tui.host.processes import Tree, by_parent, carriers, descendants
from deia_tui.host.records import RunRecord
from deia_tui.identity import Identity

PAUSE_S = 0.005
_PATIENCE = 100
_ROUNDS = 400


class Hunt:
    """True while it goes on; call `round` every PAUSE_S until it is over."""

    def __init__(self) -> None:
        self._rounds: dict[str, int] = {}
        self._prey: dict[str, RunRecord] = {}
        self._below: dict[str, frozenset[Identity]] = {}

    def __bool__(self) -> bool:
        return bool(self._prey)

    def begin(self, record: RunRecord, below: frozenset[Identity]) -> None:
        """`below`: what descended from the bot when it was last seen alive."""
        self._below[record.nonce] = self._below.get(record.nonce, frozenset()) | below
        self._prey[record.nonce] = record
        self._rounds[record.nonce] = 0
        record.identity.send(signal.SIGSTOP)

    def round(self) -> None:
        """Kill what is there now, and drop each hunt that finds nothing any more."""
        tree = by_parent()
        marked = carriers(self._prey)
        for nonce, record in list(self._prey.items()):
            self._rounds[nonce] += 1
            found = [identity for owner, identity in marked if owner == nonce]
            found += _family(tree, self._below[nonce])
            if not _strike(record, tree, found, last=self._rounds[nonce] > _PATIENCE) or self._rounds[nonce] > _ROUNDS:
                del self._prey[nonce], self._rounds[nonce], self._below[nonce]


def _strike(record: RunRecord, tree: Tree, marked: Collection[Identity], *, last: bool) -> bool:
    """Kill the run's processes, the bot once it is alone (or with `last`); False when there was none."""
    alive = {process.identity for siblings in tree.values() for process in siblings if not process.zombie}
    below = {process.identity for process in descendants(tree, record.pid)} if record.identity in alive else set()
    victims = ((below & alive) | set(marked)) - {record.identity}
    for identity in victims:
        identity.send(signal.SIGKILL)
    if record.identity in alive and (last or not victims):
        record.identity.send(signal.SIGKILL)
    return bool(victims) or record.identity in alive


def _family(tree: Tree, known: Collection[Identity]) -> list[Identity]:
    """Those of `known` that live, with everything below them."""
    everything = [process for siblings in tree.values() for process in siblings if known and not process.zombie]
    alive = [process for process in everything if process.identity in known]
    return [
        process.identity for root in alive for process in (root, *descendants(tree, root.pid)) if not process.zombie
    ]
