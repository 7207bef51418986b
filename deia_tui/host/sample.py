"""How much CPU and memory each bot uses, its whole process tree summed, from two looks at /proc."""

import os
from collections.abc import Iterable, Mapping

from deia_tui.host.processes import Process, Tree, descendants

_TICKS_PER_S: float = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6

Life = tuple[int, int]
"""pid, start_ticks"""
Ticks = tuple[int, int]
"""A process's own CPU time, and that of the children it has reaped."""


class Sampler:
    """Remembers each tree's CPU times from the last look; what has none is measured from its birth."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._before: dict[Life, dict[Life, Ticks]] = {}

    def take(self, tree: Tree, bots: Mapping[str, Life], now: float) -> dict[str, list[float]]:
        """[cpu_percent, memory_mb, processes, threads] of each bot; CPU since the last look (0 at the first)."""
        elapsed = None if self._looked_at is None else max(now - self._looked_at, 0.001)
        before, self._before, self._looked_at = self._before, {}, now
        everything = {process.pid: process for siblings in tree.values() for process in siblings}
        taken = {}
        for bot_id, life in bots.items():
            bot = everything.get(life[0])
            if bot is None or bot.start_ticks != life[1]:
                continue
            members = [bot, *descendants(tree, bot.pid)]
            now_ticks = {(m.pid, m.start_ticks): (m.own_ticks, m.reaped_ticks) for m in members}
            self._before[life] = now_ticks
            used = 0 if elapsed is None else used_ticks(before.get(life, {}), now_ticks)
            cpu = 100.0 * used / _TICKS_PER_S / elapsed if elapsed else 0.0
            taken[bot_id] = [round(cpu, 1), *_size(members)]
        return taken

    def forget(self) -> None:
        """Nobody looks any more: the next look is a first one."""
        self._looked_at = None
        self._before = {}


def used_ticks(before: Mapping[Life, Ticks], now: Mapping[Life, Ticks]) -> int:
    """CPU time a tree used between two looks.

    When a child is reaped its time moves to its parent's reaped time. What was seen of it at the last look is not
    counted again; where it moved nowhere (a parent that ignores SIGCHLD) nothing becomes negative.
    """
    own = reaped = 0
    for life, (own_now, reaped_now) in now.items():
        own_before, reaped_before = before.get(life, (0, 0))
        own += own_now - own_before
        reaped += reaped_now - reaped_before
    gone = sum(sum(ticks) for life, ticks in before.items() if life not in now)
    return max(0, own) + max(0, reaped - gone)


def memory_mb(members: Iterable[Process]) -> float:
    """Resident memory of processes together; a page that several share counts for each."""
    return sum(member.rss_pages for member in members) * _PAGE_MB


def _size(members: Iterable[Process]) -> list[float]:
    alive = [member for member in members if not member.zombie]
    return [round(memory_mb(alive), 1), len(alive), sum(member.threads for member in alive)]
