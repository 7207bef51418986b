"""Serves the API on `.deia/run/hive.sock`: a unix socket of mode 0600, reachable however deep the folder lies."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI

from deia_tui.folder import Folder, socket_path
from deia_tui.serving import QuietServer, quiet_config

LOOK_S = 1.0


@contextlib.asynccontextmanager
async def serving(app: FastAPI, folder: Folder) -> AsyncIterator[None]:
    """Serve while the context is entered. The caller holds the hive's lock, so a socket that is there is stale."""
    path = folder.run / "hive.sock"
    doors = [_Door(app, folder)]

    async def stay_reachable() -> None:
        """A socket that somebody deleted is made anew; one of whoever took the hive meanwhile is left alone."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(OSError):  # its folder is gone as well, until the host or the lock brings it back
                if not path.exists():
                    doors.append(_Door(app, folder))

    looking = asyncio.create_task(stay_reachable(), name="api socket")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(*(door.close(path) for door in doors))


class _Door:
    """A socket with its server. Those who came in by a socket that is deleted are served to the end."""

    def __init__(self, app: FastAPI, folder: Folder) -> None:
        listener = _listen(folder)
        self._ours = (folder.run / "hive.sock").stat()
        self._server = QuietServer(quiet_config(app))
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="api")

    async def close(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(
                path.stat(), self._ours
            ):  # not that of whoever took the hive after the lock was deleted
                path.unlink()
        self._server.end()
        await self._task


def _listen(folder: Folder) -> socket.socket:
    (folder.run / "hive.sock").unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path, fd = socket_path(folder.run, "hive.sock")
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
        os.close(fd)
    listener.listen(128)
    listener.setblocking(False)
    return listener
