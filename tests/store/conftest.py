from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deia_tui.folder import Folder
from deia_tui.store.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.create()
    return folder


@pytest.fixture
async def store(folder: Folder) -> AsyncIterator[Store]:
    store = await Store.open(folder, busy_timeout_s=0.1)
    yield store
    await store.close()
