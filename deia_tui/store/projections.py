"""Writes hive/registry.json and bot-status-board.json; the caller decides when (at most once a second)."""

import asyncio
import json
from pathlib import Path
from typing import Any

from deia_tui.core import projection
from deia_tui.core.errors import StoreError
from deia_tui.core.state import Snapshot
from deia_tui.folder import Folder, write_atomic


async def write(folder: Folder, snapshot: Snapshot, *, registry_version: int, now: float) -> None:
    """Both files, each atomically, without blocking the event loop. Raises StoreError with a sentence."""
    registry = projection.registry(snapshot.state, version=registry_version, now=now)
    board = projection.status_board(snapshot.state, rev=snapshot.seq, now=now)
    await asyncio.to_thread(_write_files, {folder.registry: registry, folder.status_board: board})


def _write_files(files: dict[Path, dict[str, Any]]) -> None:
    for path, content in files.items():
        try:
            write_atomic(path, json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            raise StoreError(f"Cannot write {path} ({error.strerror or error}).") from error
