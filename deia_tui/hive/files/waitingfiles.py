"""Files whose tasks the queue of their bot does not take now: remembered, so that nobody knocks at a closed gate again
and again. They lie where they were dropped until it opens."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from deia_tui.core.work.tasks import NORMAL, URGENT
from deia_tui.hive.clock import Clock


@dataclass(slots=True)
class _Gate:
    """Nothing of this priority, or less urgent, goes through; `seen`: everybody was told so."""

    priority: int
    until: float
    seen: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    inode: int
    to: str
    priority: int


class WaitingFiles:
    """`refuses` says whether the queue of a bot is known to refuse work."""

    def __init__(self, clock: Clock, refuses: Callable[[str], bool]) -> None:
        self._clock = clock
        self._refuses = refuses
        self._gates: dict[str, _Gate] = {}
        self._files: dict[str, _File] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    def close(self, to: str, priority: int, retry_after_s: float) -> None:
        """The queue has just refused a task."""
        self._gates[to] = _Gate(priority, self._clock.now() + retry_after_s)

    def is_closed(self, to: str, priority: int) -> bool:
        """Would the queue refuse this as well? P0, which has places of its own, is tried again after a while."""
        gate = self._gates.get(to)
        if gate is None:
            return False
        refuses, over = self._refuses(to), self._clock.now() >= gate.until
        gate.seen = gate.seen or refuses
        if (over and gate.priority == URGENT) or (not refuses and (over or gate.seen)):
            del self._gates[to]
            return False
        return priority >= gate.priority

    def put(self, source: str, inode: int, to: str, priority: int) -> None:
        self._files[source] = _File(inode, to, priority)

    def waits(self, source: str, inode: int) -> bool:
        """Is this a file that need not be looked at again yet?"""
        file = self._files.get(source)
        return file is not None and file.inode == inode and self.is_closed(file.to, file.priority)

    def in_order(self, entries: Sequence[tuple[str, int]], source: Callable[[str], str]) -> Sequence[tuple[str, int]]:
        """(name, inode) of files, the most urgent first as far as that is known."""
        if not self._files:
            return entries

        def priority(entry: tuple[str, int]) -> int:
            file = self._files.get(source(entry[0]))
            return NORMAL if file is None else file.priority

        return sorted(entries, key=priority)

    def keep(self, sources: Collection[str]) -> None:
        """Forget all but these: the others are gone, or are looked at again."""
        self._files = {source: file for source, file in self._files.items() if source in sources}
