"""Every fault test gets a hive, and closes the same way: what was acknowledged is stored, nothing ran twice, nothing of
it is left running."""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.faults.closing import close_soundly
from tests.faults.hive import FaultyHive

Measured = Callable[[str], None]
"""Notes a figure for the table at the end."""

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not report.passed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture
def hive(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FaultyHive]:
    yield from _harmed(tmp_path / "hive", request)


@pytest.fixture
def open_hive(request: pytest.FixtureRequest) -> Iterator[FaultyHive]:
    """A hive in a folder that every user of the machine may enter."""
    with tempfile.TemporaryDirectory(prefix="deia-faults-") as root:
        os.chmod(root, 0o755)
        yield from _harmed(Path(root) / "hive", request)


def _harmed(root: Path, request: pytest.FixtureRequest) -> Iterator[FaultyHive]:
    hive = FaultyHive(root)
    try:
        yield hive
        if _FAILED not in request.node.stash:  # otherwise there is a reason already why it is no longer sound
            close_soundly(hive)
    finally:
        hive.end()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    def note(figure: str) -> None:
        print(figure)
        request.node.user_properties.append(("measured", figure))

    return note
