"""Serves the API on `.deia/run/hive.sock`: a unix socket of mode 0600, reachable however deep the folder lies."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

from fastapi import FastAPI

from deia_tui.folder import Folder, socket_path
from deia_tui.serving import QuietServer, quiet_config


@contextlib.asynccontextmanager
async def serving(app: FastAPI, folder: Folder) -> AsyncIterator[None]:
    """Serve while the context is entered. The caller holds the hive's lock, so a socket that is there is stale."""
    listener = _listen(folder)
    path = folder.run / "hive.sock"
    ours = path.stat()
    server = QuietServer(quiet_config(app))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), ours):  # not that of whoever took the hive after the lock file was deleted
                path.unlink()
        server.end()
        await task


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
