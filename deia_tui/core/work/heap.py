"""Tells which of many things is first, where any of them may go at any time: a heap that forgets lazily."""

import heapq


class Heap:
    """Things by name, each with its key; all but `first` of many that went is O(log n), and memory follows what is
    there."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, str]] = []
        self._keys: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def put(self, name: str, key: float) -> None:
        """The lowest key is first; a name that is there moves."""
        if self._keys.get(name) == key:
            return
        self._keys[name] = key
        heapq.heappush(self._entries, (key, name))
        if len(self._entries) > 2 * len(self._keys) + 64:
            self._entries = [(key, name) for name, key in self._keys.items()]
            heapq.heapify(self._entries)

    def discard(self, name: str) -> None:
        self._keys.pop(name, None)

    def first(self) -> tuple[float, str] | None:
        """(key, name); equal keys by name."""
        while self._entries and self._keys.get(self._entries[0][1]) != self._entries[0][0]:
            heapq.heappop(self._entries)
        return self._entries[0] if self._entries else None
