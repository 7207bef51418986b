"""How times are spread, in a form that can be kept and added up: counts by size, each size 5 % wide. A percentile of it
is right to 5 %, however many times there were."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_WIDTH = math.log(1.05)
_LEAST_S = 1e-4


@dataclass(frozen=True, slots=True)
class Spread:
    """`counts` by the number of the size; seconds below a tenth of a millisecond are of the least."""

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, times_s: Iterable[float]) -> "Spread":
        counts: dict[int, int] = {}
        for time_s in times_s:
            size = round(math.log(max(_LEAST_S, time_s)) / _WIDTH)
            counts[size] = counts.get(size, 0) + 1
        return cls(counts)

    def __add__(self, other: "Spread") -> "Spread":
        sizes = self.counts.keys() | other.counts.keys()
        return Spread({size: self.counts.get(size, 0) + other.counts.get(size, 0) for size in sizes})

    def percentile(self, part: int) -> float | None:
        """In seconds, by nearest rank; None where there were no times."""
        rank = max(1, math.ceil(sum(self.counts.values()) * part / 100))
        for size in sorted(self.counts):
            rank -= self.counts[size]
            if rank <= 0:
                return math.exp(size * _WIDTH)
        return None
