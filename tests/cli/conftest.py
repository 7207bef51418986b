"""A supervisor without a screen, started as an operator would, and the commands one gives it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deia_tui.folder import Folder
from deia_tui.host.presence import living_hosts
from deia_tui.identity import wait_for_end
from deia_tui.remote import RemoteHive

READY_S = 30.0


class Operator:
    """Runs `deia-tui` on one hive; whatever it started is gone after `leave`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Folder(root)
        self.remote = RemoteHive(self.folder)
        self._serving: list[subprocess.Popen[str]] = []

    def run(self, *args: str, text: str | None = None, timeout_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "deia_tui", "--hive", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, input=text, timeout=timeout_s, check=False)

    def start(self, *args: str) -> "subprocess.Popen[str]":
        """A command that takes its time."""
        command = [sys.executable, "-m", "deia_tui", "--hive", str(self.root), *args]
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._serving.append(started)
        return started

    def ok(self, *args: str) -> str:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, *args: str) -> "subprocess.Popen[str]":
        """Returns once it says that it supervises."""
        command = [sys.executable, "-m", "deia_tui", "--hive", str(self.root), "serve", *args]
        serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._serving.append(serving)
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("Supervising ")
        return serving

    def status(self) -> dict[str, Any]:
        """What `status --json` prints, without the start of a program."""
        found: dict[str, Any] = self.remote.get("/api/status")
        return found

    def bot(self, bot_id: str = "BOT-001") -> dict[str, Any]:
        return next(bot for bot in self.status()["bots"] if bot["id"] == bot_id)

    def until_bot(self, bot_id: str, **wanted: Any) -> dict[str, Any]:
        deadline = time.monotonic() + READY_S
        while True:
            bot = self.bot(bot_id)
            if all(bot[name] == value for name, value in wanted.items()):
                return bot
            assert time.monotonic() < deadline, bot

    def leave(self) -> None:
        """End the supervisor, the host and every bot of this hive."""
        host = self._host()
        self.run("shutdown")
        for serving in self._serving:
            if serving.poll() is None:
                serving.kill()
            with contextlib.suppress(ValueError):  # a test has read it already
                serving.communicate()
        if self._records():
            self._end_bots()
        if host is not None:
            assert wait_for_end(host), "the host outlives its hive"

    def _host(self) -> int | None:
        return next((host.pid for host in living_hosts(self.folder)), None)

    def _records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.folder.runs.glob("*.json") if path.stem.count(".") == 1]

    def _end_bots(self) -> None:
        """Bots that a supervisor left on purpose."""
        for record in self._records():
            os.kill(record["pid"], signal.SIGTERM)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.leave()


@pytest.fixture
def serving(operator: Operator) -> Operator:
    operator.serve()
    return operator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """One supervisor for all tests of a module that leave it running: each launches bots of its own."""
    operator = Operator(tmp_path_factory.mktemp("shared"))
    operator.serve()
    yield operator
    operator.leave()
