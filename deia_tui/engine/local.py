"""The engine for this machine: one host process per hive, found or started, spoken to over a unix socket."""

import asyncio
import contextlib
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from deia_tui.core.bots import ExitRecord, spec_to_json
from deia_tui.core.errors import ConfigError
from deia_tui.engine.protocol import Ended, EngineEvent, NodeFound, NodeLost, NotPlaced, Placed, Placement, Sampled
from deia_tui.folder import Folder, socket_path
from deia_tui.host import wire
from deia_tui.host.nofile import raise_nofile, restore_nofile

START_TIMEOUT_S = 30.0
POLL_S = 0.01
RETRY_S = 5.0


class LocalEngine:
    def __init__(self, folder: Folder, *, ports: tuple[int, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._listen: Callable[[EngineEvent], None] = _ignore
        self._started: set[int] = set()
        self._nofile = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def open(self, listen: Callable[[EngineEvent], None]) -> NodeFound:
        self._listen = listen
        self._nofile = raise_nofile()  # each bot costs the supervisor a connection or two
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
        """A connection that said hello to a host of our protocol.

        A host that is just ending is waited for; an idle one of other code is replaced.
        """
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            reached = await self._reach()
            if reached is None:
                await asyncio.sleep(POLL_S)
                continue
            reader, writer = reached
            welcome = await _greet(reader, writer)
            if welcome is not None and (welcome["fingerprint"] == wire.fingerprint() or welcome["runs"]):
                writer.write(wire.encode("sample", on=True))
                self._writer = writer
                return reader, NodeFound(
                    pid=welcome["pid"],
                    runs=[_placed(run) for run in welcome["runs"]],
                    ended=[_ended(exit) for exit in welcome["exits"]],
                )
            if welcome is not None:
                writer.write(wire.encode("retire"))
            await _see_off(reader, writer)
        raise ConfigError(f"The host process does not answer: read {self._host_log} for the reason.")

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the host; None when nobody listens yet, and then one is being started."""
        if self._reap():
            raise ConfigError(f"The host process did not start: read {self._host_log} for the reason.")
        path, fd = socket_path(self._folder.run, "host.sock")
        try:
            return await asyncio.open_unix_connection(path, limit=wire.MAX_LINE)
        except OSError:
            if not self._started:
                self._start_host()
            return None
        finally:
            os.close(fd)

    def _start_host(self) -> None:
        """A process of its own session that outlives us; no Popen, which would insist on being waited for."""
        log = (os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        restore_nofile(self._nofile)  # what the host gets, agents get
        try:
            pid = self._spawn_host(log)
        finally:
            raise_nofile()
        self._started.add(pid)

    def _spawn_host(self, log: tuple[int, int]) -> int:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "deia_tui.host", "--hive", str(self._folder.root)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self._host_log, *log),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def _reap(self) -> bool:
        """Collect hosts we started that have ended; was there one that failed?"""
        failed = False
        for pid in list(self._started):
            with contextlib.suppress(ChildProcessError):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended:
                    continue
                failed = failed or os.waitstatus_to_exitcode(status) > 0
            self._started.discard(pid)
        return failed

    @property
    def _host_log(self) -> str:
        return str(self._folder.run / "host.log")

    async def _read(self, reader: asyncio.StreamReader, pid: int) -> None:
        """Deliver what the host says, for ever: when it is gone, the next one is started and asked what lives."""
        while True:
            reason = await self._deliver(reader)
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._listen(NodeLost(pid, reason))
            reader, found = await self._reconnect(pid)
            pid = found.pid
            self._listen(found)

    async def _reconnect(self, lost: int) -> tuple[asyncio.StreamReader, NodeFound]:
        while True:
            try:
                return await self._connect()
            except ConfigError as error:
                self._listen(NodeLost(lost, str(error)))
                await asyncio.sleep(RETRY_S)

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


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> wire.Line | None:
    """The host's answer to our hello; None when it went away instead (it was ending)."""
    lines = wire.Lines()
    try:
        writer.write(wire.encode("hello", protocol=wire.PROTOCOL, fingerprint=wire.fingerprint()))
        while data := await reader.read(1 << 16):
            for line in lines.feed(data):
                if line["op"] == "welcome":
                    return line
                if line["op"] == "refused":
                    raise ConfigError(f"The host process of this hive refused us: {line['error']}")
    except OSError:
        return None
    return None


async def _see_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other side has closed the connection."""
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


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
