"""A hive folder whose hosts and bots end with the test, and a connection to a fresh host on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .living import Hive, Wire, open_hive


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Hive]:
    with open_hive(tmp_path) as hive:
        yield hive


@pytest.fixture
def wire(hive: Hive) -> Wire:
    """Connected to a fresh host, greeted."""
    hive.start()
    wire = hive.connect()
    wire.hello()
    return wire
