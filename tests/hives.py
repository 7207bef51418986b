"""A hive that a test or a measurement runs for real: the program on a folder of its own, and nothing of it survives."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deia_tui.folder import Folder, socket_path
from deia_tui.identity import Identity, identify

from .terminal import DEADLINE_S, Terminal, environment

MARK = "HIVE_ON_TRIAL"
PROGRAM = (sys.executable, "-m", "deia_tui")

Result = TypeVar("Result")


def until(
    condition: Callable[[], Result | None], what: str, *, timeout: float = DEADLINE_S, pause: float = 0.01
) -> Result:
    """The first true value of `condition`, asked every `pause` seconds; AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(pause)
    return value


class TrialHive:
    """Everything started on it carries its path in the environment, and so is found again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Folder(root)
        self._env = environment(**{MARK: str(root)})
        self._terminals: list[Terminal] = []
        self._programs: list[subprocess.Popen[bytes]] = []

    def console(self, columns: int = 200, lines: int = 50, *, options: Sequence[str] = ()) -> Terminal:
        argv = [*PROGRAM, "--hive", str(self.root), *options]
        terminal = Terminal(argv, columns=columns, lines=lines, env=self._env)
        self._terminals.append(terminal)
        return terminal

    def serve(self, *, under: Sequence[str] = (), **env: str) -> subprocess.Popen[bytes]:
        """A supervisor without a screen that answers; `under` is a command that runs another one."""
        program = self.start([*under, *PROGRAM, "--hive", str(self.root), "serve"], **env)
        assert program.stdout is not None
        assert b"Supervising" in program.stdout.readline(), "the supervisor did not start"
        return program

    def start(self, argv: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """Another program that belongs to this hive; its output comes through a pipe."""
        program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**self._env, **env})
        self._programs.append(program)
        return program

    def cli(self, *words: str) -> str:
        """What the command prints; it must succeed."""
        argv = [*PROGRAM, "--hive", str(self.root), *words]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self._env, text=True, timeout=60, check=True
        ).stdout

    def ask(self, method: str, route: str, body: dict[str, Any] | None = None) -> Any:
        """What the supervisor answers; OSError while there is none."""
        status, found = self.call(method, route, body)
        assert status < 400, found
        return found

    def call(self, method: str, route: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """The status and the answer of the supervisor, refusals too; OSError or HTTPException while there is none."""
        with self.line() as line:
            line.request(
                method, route, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"}
            )
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())

    def line(self) -> closing[http.client.HTTPConnection]:
        """A connection to the supervisor."""
        return closing(_UnixLine(self.folder))

    def status(self) -> dict[str, Any] | None:
        """What the supervisor says of its bots; None while there is none."""
        try:
            found: dict[str, Any] = self.ask("GET", "/api/status")
        except (OSError, http.client.HTTPException):
            return None
        return found

    def launch(self, what: str, count: int) -> list[str]:
        """The ids of as many new bots, once all of them run."""
        until(self.status, "a supervisor that answers")
        bots: list[str] = self.ask("POST", "/api/bot/launch", {"what": what, "count": count})["bots"]
        return bots

    def supervisor(self) -> int:
        """The pid of the supervisor, as it says itself."""
        pid: int = until(self.status, "a supervisor that answers")["supervisor"]["pid"]
        return pid

    def events(self, type: str) -> list[dict[str, Any]]:
        """What was recorded of this type, oldest first."""
        rows = [json.loads(line) for line in self.cli("events", "--json", "-n", "1000").splitlines()]
        return [row for row in rows if row["type"] == type]

    def pids(self) -> dict[str, int]:
        """The running bots by id, as their host recorded them."""
        return {record["bot_id"]: record["pid"] for record in self.runs()}

    def runs(self) -> list[dict[str, Any]]:
        """The records of the runs that live."""
        return [json.loads(path.read_bytes()) for path in self.run_records()]

    def run_records(self) -> list[Path]:
        return sorted(path for path in self.folder.runs.glob("[!.]*.json") if path.name.count(".") == 2)

    def processes(self) -> dict[Identity, str]:
        """Everything of this hive that runs, with its command line."""
        return {process: " ".join(_strings(process.pid, "cmdline")) for process in living() if self._owns(process.pid)}

    def end(self) -> None:
        """Whatever happened, nothing of it runs afterwards."""
        for _ in range(100):
            running = self.processes()
            for process in running:
                process.send(signal.SIGKILL)
            if not running:
                break
            time.sleep(0.02)
        for terminal in self._terminals:
            terminal.close()
        for program in self._programs:
            program.kill()
            program.wait()
            if program.stdout is not None:
                program.stdout.close()

    def _owns(self, pid: int) -> bool:
        """A program of ours, or a host, a bot or an agent, which all carry `DEIA_HIVE`."""
        marks = {f"{MARK}={self.root}", f"DEIA_HIVE={self.root}"}
        return not marks.isdisjoint(_strings(pid, "environ")) or str(self.root) in _strings(pid, "cmdline")


class _UnixLine(http.client.HTTPConnection):
    """To the supervisor of a hive."""

    def __init__(self, folder: Folder) -> None:
        super().__init__("hive", timeout=DEADLINE_S)
        self._folder = folder

    def connect(self) -> None:
        path, directory = socket_path(self._folder.run, "hive.sock")
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(path)
        finally:
            os.close(directory)


@contextmanager
def trial_hive(root: Path) -> Iterator[TrialHive]:
    hive = TrialHive(root)
    try:
        yield hive
    finally:
        hive.end()


def living() -> Iterator[Identity]:
    """Every process of this machine but our own."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid() and (process := identify(int(name))):
            yield process


def _strings(pid: int, name: str) -> list[str]:
    """A file of /proc; empty when the process is gone, or a zombie."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    except OSError:
        return []
