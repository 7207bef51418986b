"""The engine for this machine: one host process per hive, found or started, spoken to over a unix socket."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from deia_tui.core.bots import ExitRecord, spec_to_json
from deia_tui.core.errors import ConfigError
from deia_tui.engine.protocol import Ended, EngineEvent, NodeFound, NodeLost, NotPlaced, Placed, Placement, Sampled
from deia_tui.folder import Folder, socket_path
from deia_tui.host import wire

START_TIMEOUT_S = 30.0
POLL_S = 0.01


class LocalEngine:
    def __init__(self, folder: Folder, *, ports: tuple[int, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._listen: Callable[[EngineEvent], None] = _ignore

    async def open(self, listen: Callable[[EngineEvent], None]) -> NodeFound:
        self._listen = listen
        reader, found = await self._connect()
        self._reading = asyncio.create_task(self._read(reader, found.pid), name="host link")
        return found

    def place(self, placement: Placement) -> None:
        self._send(
            "spawn",
            bot_id=placement.spec.bot_id,
            run=placement.run,
            nonce=placement.nonce,
            token=placement.token,
            spec=spec_to_json(placement.spec),
            env=placement.env,
            ports=list(self._ports),
        )

    def signal(self, bot_id: str, run: int, signum: int) -> None:
        self._send("signal", bot_id=bot_id, run=run, signal=int(signum))

    def kill(self, bot_id: str, run: int) -> None:
        self._send("kill", bot_id=bot_id, run=run)

    def forget(self, bot_id: str, run: int) -> None:
        self._send("forget", bot_id=bot_id, run=run)

    async def close(self, *, retire: bool) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with contextlib.suppress(OSError):
            if retire:
                writer.write(wire.encode("retire"))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    def _send(self, op: str, **fields: Any) -> None:
        """Without a host the order is lost: the next NodeFound tells what became of it."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.encode(op, **fields))

    async def _connect(self) -> tuple[asyncio.StreamReader, NodeFound]:
        """A connection that said hello to a host of our protocol; an idle host of other code is replaced first."""
        for _ in range(3):
            reader, writer = await self._reach()
            writer.write(wire.encode("hello", protocol=wire.PROTOCOL, fingerprint=wire.fingerprint()))
            welcome = await _welcome(reader)
            if welcome is None:
                continue
            if welcome["fingerprint"] != wire.fingerprint() and not welcome["runs"]:
                writer.write(wire.encode("retire"))
                await _until_closed(reader, writer)
                continue
            writer.write(wire.encode("sample", on=True))
            self._writer = writer
            return reader, NodeFound(
                pid=welcome["pid"],
                runs=[_placed(run) for run in welcome["runs"]],
                ended=[_ended(exit) for exit in welcome["exits"]],
            )
        raise ConfigError(f"The host process does not answer: read {self._host_log} for the reason.")

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the host, starting one when nobody listens."""
        host: subprocess.Popen[bytes] | None = None
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            path, fd = socket_path(self._folder.run, "host.sock")
            try:
                return await asyncio.open_unix_connection(path, limit=wire.MAX_LINE)
            except OSError:
                if host is None or host.poll() is not None:
                    if host is not None and host.returncode:
                        break
                    host = self._start_host()
                await asyncio.sleep(POLL_S)
            finally:
                os.close(fd)
        raise ConfigError(f"The host process did not start: read {self._host_log} for the reason.")

    def _start_host(self) -> subprocess.Popen[bytes]:
        with open(self._host_log, "ab", opener=_private) as log:
            return subprocess.Popen(
                [sys.executable, "-m", "deia_tui.host", "--hive", str(self._folder.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    @property
    def _host_log(self) -> str:
        return str(self._folder.run / "host.log")

    async def _read(self, reader: asyncio.StreamReader, pid: int) -> None:
        """Deliver what the host says, for ever: when it is gone, the next one is started and asked what lives."""
        while True:
            reason = await self._deliver(reader)
            self._writer = None
            self._listen(NodeLost(pid, reason))
            reader, found = await self._connect()
            pid = found.pid
            self._listen(found)

    async def _deliver(self, reader: asyncio.StreamReader) -> str:
        """Until the connection ends; returns why it did."""
        lines = wire.Lines()
        try:
            while data := await reader.read(1 << 16):
                for line in lines.feed(data):
                    event = _event(line)
                    if event is not None:
                        self._listen(event)
        except (OSError, ValueError, KeyError) as error:
            return str(error)
        return "it ended"


async def _welcome(reader: asyncio.StreamReader) -> wire.Line | None:
    """The host's first line; None when it went away instead (it may have been ending)."""
    lines = wire.Lines()
    while data := await reader.read(1 << 16):
        for line in lines.feed(data):
            if line["op"] == "welcome":
                return line
            if line["op"] == "refused":
                raise ConfigError(f"The host process of this hive refused us: {line['error']}")
    return None


async def _until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass
        writer.close()


def _event(line: wire.Line) -> EngineEvent | None:
    match line["op"]:
        case "spawned":
            return _placed({"nonce": "", "token": "", **line})
        case "spawn_failed":
            return NotPlaced(line["bot_id"], line["run"], line["error"])
        case "exited":
            return _ended(line)
        case "samples":
            return Sampled(line["at"], {bot_id: tuple(row) for bot_id, row in line["bots"].items()})
        case _:
            return None


def _placed(line: wire.Line) -> Placed:
    fields = ("bot_id", "run", "nonce", "token", "pid", "start_ticks", "port")
    return Placed(**{field: line[field] for field in fields})


def _ended(line: wire.Line) -> Ended:
    exit = ExitRecord(at=line["at"], code=line["code"], signal=line["signal"])
    return Ended(line["bot_id"], line["run"], exit, tuple(line.get("stderr_tail", ())))


def _ignore(event: EngineEvent) -> None:
    """Nobody listens before `open`."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
