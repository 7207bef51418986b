"""The hive that is harmed: what an operator and his adversary do to it, and what can be read of it from outside."""

import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from deia_tui.identity import ended
from tests.hives import PROGRAM, TrialHive, until
from tests.terminal import Terminal, environment

Event = dict[str, Any]
NEVER = (OSError, http.client.HTTPException)
"""How a question fails while nobody supervises."""


class FaultyHive(TrialHive):
    """`acknowledged` are the texts of messages the hive took, by (message id, bot)."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.clock_jumped = False
        self.outside: list[int] = []
        """Processes of agents that left no trace of the hive on them; they must end with it all the same."""
        self._companions: list[subprocess.Popen[bytes]] = []
        self.folder.create()

    # How it is set up

    def configure(self, *sections: str) -> None:
        """The whole of hive.toml."""
        self.folder.hive_toml.write_text("\n".join(sections))

    def script(self, name: str, source: str) -> list[str]:
        """The argv of an agent written in Python."""
        path = self.root / f"{name}.py"
        path.write_text(source)
        return [sys.executable, "-S", "-E", str(path)]

    def agent(self, name: str, argv: Sequence[str], more: str = "") -> str:
        """The section of hive.toml that declares an agent of kind `command`."""
        return f"[agents.{name}]\nkind = 'command'\nargv = {json.dumps(list(argv))}\n{more}\n"

    # Who works on it

    def console(self, columns: int = 200, lines: int = 50, *, options: Sequence[str] = ()) -> Terminal:
        """A console whose supervisor answers."""
        console = self.terminal(columns, lines, options=options)
        self.supervised("console")
        return console

    def terminal(self, columns: int = 200, lines: int = 50, *, options: Sequence[str] = ()) -> Terminal:
        """What is typed into a terminal, whatever comes of it."""
        return super().console(columns, lines, options=options)

    def start(self, argv: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """As TrialHive's; what it complains of is kept."""
        with open(self.complaints, "ab") as complaints:
            program = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**self._env, **env},
            )
        self._programs.append(program)
        return program

    @property
    def complaints(self) -> Path:
        """What supervisors without a screen wrote to stderr."""
        return self.root / "stderr.txt"

    def companion(self, argv: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """A program beside the hive that has nothing to do with it."""
        program = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment(**env), cwd="/"
        )
        self._companions.append(program)
        return program

    def refused(self, *words: str) -> str:
        """What a command says that must fail: one sentence."""
        argv = [*PROGRAM, "--hive", str(self.root), *words]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=self._env, text=True, timeout=60, check=False
        )
        assert done.returncode != 0, done.stdout
        [sentence] = done.stderr.splitlines()
        return sentence

    def end(self) -> None:
        super().end()
        for program in self._companions:
            program.kill()
            program.wait()

    def started(self) -> set[int]:
        """The pids of the supervisors we started."""
        return {program.pid for program in self._programs} | {console.process.pid for console in self._terminals}

    # What is done to it

    def supervised(self, mode: str) -> dict[str, Any]:
        """The status, once a supervisor of this mode gives one."""

        def found() -> dict[str, Any] | None:
            status = self.status()
            return status if status and status["supervisor"]["mode"] == mode else None

        return until(found, f"a {mode} supervisor", pause=0.03)

    def send(self, bot_id: str, text: str, message_id: str | None = None) -> str:
        """The id of a message the hive acknowledged."""
        message_id = str(
            self.ask("POST", f"/api/bot/send/{bot_id}", {"text": text, "message_id": message_id})["message_id"]
        )
        self.acknowledged[message_id, bot_id] = text
        return message_id

    def stop(self, bot_id: str) -> None:
        self.ask("POST", f"/api/bot/stop/{bot_id}")

    def kill_nine(self, program: subprocess.Popen[bytes]) -> None:
        program.kill()
        program.wait()

    # What is seen of it

    def bot(self, bot_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/api/bot/{bot_id}/status")
        return found

    def until_bot(self, bot_id: str, **wanted: Any) -> dict[str, Any]:
        """The bot, once it is as wanted."""
        last: dict[str, Any] = {}

        def found() -> dict[str, Any] | None:
            nonlocal last
            try:
                last = self.bot(bot_id)
            except NEVER:
                return None
            return last if all(last[name] == value for name, value in wanted.items()) else None

        try:
            return until(found, f"{bot_id} to be {wanted}", pause=0.03)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last}") from None

    def until_running(self, *bot_ids: str, run: int) -> None:
        for bot_id in bot_ids:
            self.until_bot(bot_id, state="running", run=run)

    def host(self) -> int:
        """The pid of the host process, as its supervisor knows it."""
        pid: int = until(lambda: self.ask("GET", "/api/status")["hive"]["host_pid"], "a host")
        return pid

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the store as another program would, without writing to it."""
        with closing(sqlite3.connect(f"{self.folder.state_db.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
            return database.execute(sql, values).fetchall()

    def events(self, *kinds: str, bot_id: str | None = None) -> list[Event]:
        """What is stored, in order."""
        rows = self.query("SELECT data FROM events ORDER BY seq")
        found: list[Event] = [json.loads(data) for (data,) in rows]
        return [
            event
            for event in found
            if (not kinds or event["type"] in kinds) and (bot_id is None or event.get("bot_id") == bot_id)
        ]

    def until_event(self, kind: str, **wanted: Any) -> Event:
        """The first event that is as wanted."""

        def found() -> Event | None:
            with suppress(sqlite3.OperationalError):  # the fault may concern the store itself
                for event in self.events(kind):
                    if all(event.get(name) == value for name, value in wanted.items()):
                        return event
            return None

        return until(found, f"{kind} with {wanted}", pause=0.05)

    def alerts(self, kind: str, bot_id: str | None = None) -> list[Event]:
        return [event for event in self.events("alert_raised", bot_id=bot_id) if event["kind"] == kind]

    def turn(self, message_id: str) -> Event:
        """How the message ended, once it has."""
        return self.until_event("turn_ended", message_id=message_id)

    def answer(self, message_id: str) -> str:
        """What is stored of the answer."""
        rows = self.query("SELECT text FROM output WHERE message_id = ? ORDER BY seq", message_id)
        return "".join(text for (text,) in rows)

    def journal(self, name: str) -> list[dict[str, Any]]:
        """The lines of a file in bot-logs/."""
        path = self.folder.logs / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def needs(*tools: str) -> None:
    """Skip the test where a program that it needs is not there."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def needs_root() -> None:
    """Skip the test for whoever may not mount, or be somebody else."""
    if os.geteuid():
        pytest.skip("needs root")


def hit(pid: int, signum: signal.Signals = signal.SIGKILL) -> float:
    """Send the signal; returns when (unix seconds)."""
    at = time.time()
    os.kill(pid, signum)
    return at


def gone(*pids: int) -> None:
    """Wait until all of them have ended."""
    until(lambda: all(map(ended, pids)), f"{pids} to end")


def is_live(console: Terminal) -> float:
    """Ask for help and leave it again; returns the seconds until the screen showed it."""
    asked = time.monotonic()
    console.press("?")
    console.until("Help: ")
    took_s = time.monotonic() - asked
    console.press("escape")
    console.until(lambda screen: not any("Help: " in line for line in screen))
    return took_s
