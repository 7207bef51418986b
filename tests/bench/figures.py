"""A measured figure, what is wanted of it, and the table of all of them."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`at_most` and `at_least` are what is wanted; with neither, the figure is for information."""

    what: str
    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 1

    @property
    def wanted(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}".rstrip()
        return f"≥ {self.at_least:g} {self.unit}".rstrip() if self.at_least is not None else ""

    @property
    def ok(self) -> str:
        if not self.wanted:
            return ""
        fits = (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )
        return "yes" if fits else "NO"

    def row(self) -> tuple[str, str, str, str]:
        return self.what, f"{self.measured:,.{self.digits}f} {self.unit}".rstrip(), self.wanted, self.ok


def table(figures: Iterable[Figure]) -> str:
    rows = [("what", "measured", "wanted", "ok"), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * widths[3]))
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    what, measured, wanted, ok = row
    cells = (what.ljust(widths[0]), measured.rjust(widths[1]), wanted.ljust(widths[2]), ok)
    return " | ".join(cells).rstrip()


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
