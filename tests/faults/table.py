"""A pytest plugin that closes a run of tests/faults with a table: each fault, what became of it, what was measured."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.faults.rows import ROWS

_LINES = defaultdict[int, list[tuple[str, str]]]
_seen = _LINES(list)
_seconds: defaultdict[int, float] = defaultdict(float)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.user_properties += [("fault", mark.args[0]) for mark in item.iter_markers("fault")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    rows = [value for name, value in report.user_properties if name == "fault"]
    for row in rows:
        assert isinstance(row, int)
        _seconds[row] += report.duration
        if report.when == "call" or not report.passed:
            _seen[row].append((report.outcome, _why(report)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line(f"{'row':>4}  {'fault':<40} {'result':<8} {'s':>5}  measured, or why not")
    for row in ROWS:
        outcome, *lines = _verdict(row)
        terminalreporter.write_line(
            f"{row:>4}  {ROWS[row]:<40} {outcome:<8} {_seconds[row]:>5.1f}  {'; '.join(lines)}".rstrip(),
            red=outcome == "failed",
            yellow=outcome in ("skipped", "no test"),
        )


def _verdict(row: int) -> Iterator[str]:
    """The worst that became of the row, then what there is to say about it."""
    outcomes = {outcome for outcome, _ in _seen[row]}
    yield next((outcome for outcome in ("failed", "passed", "skipped") if outcome in outcomes), "no test")
    yield from (line for _, line in _seen[row] if line)


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    if report.failed:
        return f"{report.nodeid.partition('::')[2]} ({report.when})"
    return ", ".join(str(value) for name, value in report.user_properties if name == "measured")
