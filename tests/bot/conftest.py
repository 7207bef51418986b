"""Real bots, forked from one warm process, and callers of their HTTP service."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

import deia_tui
from deia_tui.core.bots import AgentSpec, BotSpec, spec_to_json
from deia_tui.core.frames import Frame, decode
from deia_tui.folder import Folder

DEADLINE_S = 30.0
PACKAGE = Path(deia_tui.__file__).parent.parent
NURSERY = Path(__file__).with_name("nursery.py")
SHELL = AgentSpec(name="shell", kind="shell")
PYTHON = sys.executable


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
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


class Nursery:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, NURSERY],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        print(json.dumps({"op": op, **fields}), file=self._process.stdin, flush=True)
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Bot:
    nursery: Nursery
    root: Path
    pid: int
    port: int
    token: str
    bot_id: str
    modules: Path
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=DEADLINE_S,
            trust_env=False,
            verify=False,
        )

    @property
    def folder(self) -> Folder:
        return Folder(self.root)

    async def send(self, text: str, **more: Any) -> dict[str, Any]:
        response = await self.http.post("/message", json={"text": text, **more})
        assert response.status_code == 202, response.text
        return dict(response.json())

    async def status(self) -> dict[str, Any]:
        return dict((await self.http.get("/status")).json())

    @asynccontextmanager
    async def events(self, after: int = 0) -> AsyncIterator["Events"]:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"ws://127.0.0.1:{self.port}/events?after={after}"
        async with connect(url, additional_headers=headers, compression=None, proxy=None, max_size=4 << 20) as socket:
            yield Events(socket)

    async def answer(self, text: str, **more: Any) -> list[Frame]:
        """Send a message and return its frames, from `accepted` to `turn_ended` (logs between them included)."""
        sent = await self.send(text, **more)
        async with self.events(sent["seq"] - 1) as events:
            return await events.turn(sent["message_id"])

    def wait(self, timeout_s: float = DEADLINE_S) -> int | None:
        """The exit status once it ended; None if it has not."""
        code = self.nursery.ask("wait", pid=self.pid, timeout_s=timeout_s)["code"]
        return None if code is None else int(code)

    def log(self) -> str:
        return self.folder.output_log(self.bot_id).read_text(errors="replace")

    def spooled(self) -> list[Frame]:
        lines = self.folder.spool(self.bot_id, 1).read_bytes().splitlines()
        return [frame for line in lines if (frame := decode(line))]


class Events:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> Frame:
        frame = decode(await self.socket.recv())
        assert frame is not None
        return frame

    async def until(self, kind: str, message_id: str | None = None) -> list[Frame]:
        """Frames up to the first of this kind (for this message)."""
        frames = [await self.next()]
        while frames[-1]["type"] != kind or (message_id and frames[-1]["message_id"] != message_id):
            frames.append(await self.next())
        return frames

    async def turn(self, message_id: str) -> list[Frame]:
        return await self.until("turn_ended", message_id)

    async def ack(self, seq: int) -> None:
        await self.socket.send(json.dumps({"ack": seq}))


def text_of(frames: list[Frame]) -> str:
    return "".join(frame["text"] for frame in frames if frame["type"] == "output")


def logs_of(frames: list[Frame]) -> list[str]:
    return [frame["text"] for frame in frames if frame["type"] == "log"]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


Launch = Callable[..., Awaitable[Bot]]


@pytest.fixture
async def launch(nursery: Nursery, tmp_path: Path) -> AsyncIterator[Launch]:
    """Start a bot and wait until it is up (unless `ready` is false)."""
    bots: list[Bot] = []

    async def launch(
        agent: AgentSpec = SHELL, *, bot_id: str = "BOT-001", ready: bool = True, workdir: str = "", **env: str
    ) -> Bot:
        spec = BotSpec(bot_id=bot_id, agent=agent, workdir=workdir)
        seed = {
            "root": str(tmp_path),
            "bot_id": bot_id,
            "run": 1,
            "nonce": "n" * 32,
            "token": f"token of {bot_id}",
            "spec": spec_to_json(spec),
            "env": {"PATH": "/usr/bin:/bin", **env},
        }
        modules = tmp_path / f"{bot_id}.modules"
        reply = nursery.ask("spawn", seed=seed, modules=str(modules))
        bot = Bot(nursery, tmp_path, reply["pid"], reply["port"], seed["token"], bot_id, modules)
        bots.append(bot)
        if ready:
            async with bot.events() as events:
                await events.until("ready")
        return bot

    yield launch
    for bot in bots:
        await bot.http.aclose()
        nursery.ask("end", pid=bot.pid)


@pytest.fixture
async def bot(launch: Launch) -> Bot:
    """A shell bot."""
    return await launch()
