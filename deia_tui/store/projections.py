"""Writes hive/registry.json, bot-status-board.json and heartbeats; the caller decides when (at most once a second)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deia_tui.core import projection
from deia_tui.core.errors import StoreError
from deia_tui.core.state import Snapshot
from deia_tui.folder import Folder, write_atomic
from deia_tui.store.threads import in_thread


async def write(folder: Folder, snapshot: Snapshot, *, registry_version: int, now: float) -> None:
    """Both files, each atomically, without blocking the event loop. Raises StoreError with a sentence."""
    registry = projection.registry(snapshot.state, version=registry_version, now=now)
    board = projection.status_board(snapshot.state, rev=snapshot.seq, now=now)
    files = {path: _as_json(content) for path, content in ((folder.registry, registry), (folder.status_board, board))}
    await in_thread(lambda _: _write_files(files))


async def write_heartbeats(folder: Folder, heartbeats: Mapping[str, dict[str, Any]]) -> None:
    """One file for each bot, by its id. They are made anew all the time, so none waits for the disk."""

    def write() -> None:
        files = {folder.heartbeat(bot_id): _as_yaml(content) for bot_id, content in heartbeats.items()}
        _write_files(files, sync=False)

    await in_thread(lambda _: write())


def _as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"


def _as_yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode("utf-8", "replace")


def _write_files(files: Mapping[Path, bytes], *, sync: bool = True) -> None:
    for path, data in files.items():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(path, data, sync=sync)
        except OSError as error:
            raise StoreError(f"Cannot write {path} ({error.strerror or error}).") from error
