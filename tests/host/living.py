"""A real host process on a real folder, and a plain blocking client of its socket."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import deia_tui
from deia_tui.core.bots import AgentSpec, BotSpec, spec_to_json
from deia_tui.folder import Folder, socket_path
from deia_tui.host.presence import living_hosts
from deia_tui.host.processes import by_parent, descendants
from deia_tui.host.wire import PROTOCOL, encode
from deia_tui.identity import Identity, boot_id, start_ticks

DEADLINE_S = 20.0
PACKAGE = Path(deia_tui.__file__).parent.parent
PROGRAM = Path(__file__).with_name("tiny_host.py")


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; fails when there is none before the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain: {what}")
        time.sleep(0.005)
    return value


def is_running(pid: int) -> bool:
    """It exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Wire:
    """A client connection."""

    def __init__(self, folder: Folder, host: int) -> None:
        path, directory = socket_path(folder.run, f"host-{host}.sock")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        finally:
            os.close(directory)
        self._lines = self.sock.makefile("rb")
        self._kept: list[dict[str, Any]] = []

    def send(self, op: str, **fields: Any) -> None:
        self.sock.sendall(encode(op, **fields))

    def next(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the host closed the connection"
        found: dict[str, Any] = json.loads(line)
        return found

    def wait_for(self, op: str, **fields: Any) -> dict[str, Any]:
        """The first line, kept or new, of this kind; others are kept."""

        def fits(line: dict[str, Any]) -> bool:
            return line["op"] == op and all(line[name] == value for name, value in fields.items())

        for line in self._kept:
            if fits(line):
                self._kept.remove(line)
                return line
        while not fits(line := self.next()):
            self._kept.append(line)
        return line

    def hello(self) -> dict[str, Any]:
        self.send("hello", protocol=PROTOCOL, home=True)
        return self.wait_for("welcome")

    def kept_ops(self) -> list[str]:
        """What came while waiting for something else."""
        return [line["op"] for line in self._kept]

    def at_end(self) -> bool:
        try:
            return self._lines.readline() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


class Hive:
    """A folder, and the hosts started on it; everything started here is ended at the close."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.hosts: list[subprocess.Popen[bytes]] = []
        self.wires: list[Wire] = []
        self.bots: list[tuple[int, int]] = []

    def start(
        self,
        *,
        root: Path | None = None,
        package: Path = PACKAGE,
        nofile: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        limit = ["prlimit", f"--nofile={nofile}"] if nofile else []
        command = [*limit, sys.executable, str(PROGRAM), "--hive", str(root or self.folder.root)]
        env = {**os.environ, "PYTHONPATH": str(package)}
        host = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, pass_fds=pass_fds, env=env)
        self.hosts.append(host)
        return host

    def pids(self) -> list[int]:
        """The hosts that live and can be found."""
        return [host.pid for host in living_hosts(self.folder)]

    def end_host(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End the newest host this way; its exit status."""
        self.hosts[-1].send_signal(signum)
        return self.hosts[-1].wait(DEADLINE_S)

    def connect(self, host: int | None = None) -> Wire:
        """To the one host there is, or to that one."""

        def attempt() -> Wire | None:
            try:
                return next((Wire(self.folder, pid) for pid in self.pids() if host in (None, pid)), None)
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        wire: Wire = until(attempt, "a host that listens")
        self.wires.append(wire)
        return wire

    def spawn(
        self,
        wire: Wire,
        act: str,
        *,
        bot_id: str = "BOT-001",
        run: int = 1,
        nice: int = 0,
        memory_max_mb: float | None = None,
        template: str | None = None,
    ) -> dict[str, Any]:
        self.ask(wire, act, bot_id=bot_id, run=run, nice=nice, memory_max_mb=memory_max_mb, template=template)
        spawned = wire.wait_for("spawned", bot_id=bot_id, run=run)
        self.bots.append((spawned["pid"], spawned["start_ticks"]))
        return spawned

    def ask(
        self,
        wire: Wire,
        act: str,
        *,
        bot_id: str = "BOT-001",
        run: int = 1,
        nice: int = 0,
        memory_max_mb: float | None = None,
        ports: tuple[int, int] = (18001, 18999),
        template: str | None = None,
    ) -> None:
        agent = AgentSpec(name="tiny", kind="command", argv=tuple(act.split()))
        spec = BotSpec(
            bot_id=bot_id,
            agent=agent,
            template=template,
            workdir=str(self.folder.root),
            nice=nice,
            memory_max_mb=memory_max_mb,
        )
        about = {"bot_id": bot_id, "run": run, "nonce": nonce(bot_id, run), "token": "secret", "env": {"A": "b"}}
        wire.send("spawn", **about, spec=spec_to_json(spec), ports=ports)

    def tree(self, bot_id: str = "BOT-001") -> list[int]:
        path = self.folder.root / f"{bot_id}.tree"
        until(path.exists, "the tree of processes")
        pids = [int(pid) for pid in path.read_text().split()]
        self.bots += [(pid, start_ticks(pid) or 0) for pid in pids]
        return pids

    def close(self) -> None:
        for wire in self.wires:
            wire.close()
        for host in self.hosts:
            host.kill()
            host.wait()
        tree = by_parent()
        for pid, ticks in self.bots:
            below = descendants(tree, pid) if start_ticks(pid) == ticks else []
            for identity in (Identity(pid, ticks, boot_id()), *(process.identity for process in below)):
                identity.send(signal.SIGKILL)


def another_version(folder: Path) -> Path:
    """A copy of the package whose hosts have another fingerprint; goes into PYTHONPATH."""
    shutil.copytree(PACKAGE / "deia_tui", folder / "deia_tui", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "deia_tui" / "host" / "host.py").open("a") as code:
        code.write("# another version\n")
    return folder


def nonce(bot_id: str, run: int) -> str:
    return f"nonce-{os.getpid()}-{bot_id}-{run}"


@contextmanager
def open_hive(root: Path) -> Iterator[Hive]:
    folder = Folder(root)
    folder.create()
    hive = Hive(folder)
    try:
        yield hive
    finally:
        hive.close()
