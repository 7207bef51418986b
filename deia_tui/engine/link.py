"""The connection to one host: what it has, kept up to date by every line it says."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder, socket_path
from deia_tui.host import wire
from deia_tui.host.presence import Introduction

Run = tuple[str, int]
"""bot_id, run"""


class HostLink:
    """`hear` gets each line but welcomes; `lost` is called once, with the reason, when the connection ends."""

    def __init__(
        self,
        host: Introduction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        hear: Callable[["HostLink", wire.Line], None],
        lost: Callable[["HostLink", str], None],
    ) -> None:
        self.pid = host.pid
        self.fingerprint = host.fingerprint
        self.runs: dict[Run, wire.Line] = {}
        self.exits: dict[Run, wire.Line] = {}
        self.samples: dict[str, tuple[float, float, int, int]] = {}
        self._writer = writer
        self._hear = hear
        self._lost = lost
        self._welcome: asyncio.Future[wire.Line] | None = None
        self._reading = asyncio.create_task(self._read(reader), name=f"host {self.pid}")

    def send(self, op: str, **fields: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(wire.encode(op, **fields))

    async def greet(self, *, home: bool) -> wire.Line | None:
        """What it answers to our hello; None when it went away instead. Raises ConfigError when it refuses us."""
        if self._reading.done():
            return None
        self._welcome = asyncio.get_running_loop().create_future()
        self.send("hello", protocol=wire.PROTOCOL, home=home)
        waiting: set[asyncio.Future[Any]] = {self._welcome, self._reading}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return self._welcome.result() if self._welcome.done() else None

    async def close(self) -> None:
        """Everything that was sent arrives."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        lines, reason = wire.Lines(), "it ended"
        try:
            while data := await reader.read(1 << 16):
                for line in lines.feed(data):
                    self._take(line)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        self._writer.close()
        self._lost(self, reason)

    def _take(self, line: wire.Line) -> None:
        match line["op"]:
            case "welcome":
                self.runs = {_run(record): record for record in line["runs"]}
                self.exits = {_run(exit): exit for exit in line["exits"]}
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(line)
                return
            case "refused" if self._welcome is not None and not self._welcome.done():
                error = f"The host process of this hive (pid {self.pid}) refused us: {line['error']}"
                self._welcome.set_exception(ConfigError(error))
                return
            case "spawned" | "adopted":
                self.runs[_run(line)] = line
            case "exited":
                self.runs.pop(_run(line), None)
                self.exits[_run(line)] = line
        self._hear(self, line)


async def connect(
    folder: Folder,
    host: Introduction,
    *,
    hear: Callable[[HostLink, wire.Line], None],
    lost: Callable[[HostLink, str], None],
) -> HostLink | None:
    """None while nobody listens there."""
    try:
        path, directory = socket_path(folder.run, host.socket)
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=wire.MAX_LINE)
        finally:
            os.close(directory)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    return HostLink(host, reader, writer, hear=hear, lost=lost)


def _run(line: wire.Line) -> Run:
    return line["bot_id"], line["run"]
