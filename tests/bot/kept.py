"""The smallest agent whose program is kept between turns, and a worker that hands it messages: for what the bot does
about programs that die, hang or do not listen, whichever adapter drives them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from deia_tui.bot.agents.protocol import AgentFailed, Opened, Turn, TurnResult
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.children import Children
from deia_tui.bot.conversation import Conversation
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.spool import Spool
from deia_tui.bot.worker import Message, Worker
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.frames import Frame, decode
from deia_tui.core.turns import Failure, PermissionOption, PermissionPolicy, ToolCall
from deia_tui.folder import Folder

PROGRAM = """\
import json, os, signal, sys, time

class Cancelled(Exception): pass

def cancel(*_):
    raise Cancelled

def say(**what):
    print(json.dumps(what), flush=True)

if os.path.exists(sys.argv[1] + ".broken"):
    sys.exit("it is broken")
signal.signal(signal.SIGUSR1, cancel)
say(session=sys.argv[2] or f"new-{os.getpid()}")
for line in sys.stdin:
    try:
        for word in json.loads(line).split():
            if word == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif word == "deaf":
                for number in (signal.SIGUSR1, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)
            elif word == "hang":
                time.sleep(1000)
            elif word == "tool":
                say(tool="t")
            elif word == "ask":
                say(ask="x")
                sys.stdin.readline()
            else:
                say(text=word)
        say(end="answered")
    except Cancelled:
        say(end="interrupted")
"""
ALLOW = PermissionOption(option_id="1", name="Yes", kind="allow_once")


class Kept:
    """Drives PROGRAM. The text "raise" is a fault of the adapter itself."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.folder = folder
        self.children = children
        self.process: asyncio.subprocess.Process | None = None
        self.gone: str | None = None
        """Set: the program cannot be found any more."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def ended(self) -> str:
        assert self.process
        code = await self.process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    async def open(self, session: str) -> Opened:
        if self.gone:
            raise ConfigError(self.gone)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-E", "-c", PROGRAM, self.folder / "agent", session, stdin=-1, stdout=-1, stderr=-3
        )
        self.children.expect(self.process.pid)
        hello = await self._line()
        if hello is None:
            raise AgentFailed("It says nothing.")
        return Opened(session=hello["session"], resumed=bool(session), note="" if session else "A new one.")

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        assert self.process and self.process.stdin
        if text == "raise":
            raise LookupError("a fault")
        with suppress(ConnectionError):
            self.process.stdin.write(json.dumps(text).encode() + b"\n")
        while (said := await self._line()) is not None:
            match said:
                case {"text": text}:
                    turn.output(f"{text} ".encode())
                case {"tool": tool}:
                    turn.tool(ToolCall(call_id="1", tool=tool, title="works", status="in_progress"))
                case {"ask": input}:
                    await turn.ask(tool="t", title="may it", input=input, options=(ALLOW,))
                    self.process.stdin.write(b"\n")
                case {"end": "answered"}:
                    return TurnResult(status="answered")
                case _:
                    return TurnResult(status="interrupted", error="interrupted")
        return TurnResult(status="failed", error="its stdout ended", failure=Failure.OUTAGE)

    def cancel(self) -> None:
        if self.process and self.running:
            self.process.send_signal(signal.SIGUSR1)

    async def close(self) -> None:
        if self.process and self.running:
            self.process.kill()
            await self.process.wait()

    async def _line(self) -> dict[str, Any] | None:
        assert self.process and self.process.stdout
        line = await self.process.stdout.readline()
        return dict(json.loads(line)) if line else None


class Scene:
    def __init__(self, root: Path, *, idle_timeout_s: float, timeout_s: float, session: str) -> None:
        folder = Folder(root)
        folder.create()
        children = Children()
        self.agent = Kept(root, children)
        spec = AgentSpec(name="kept", kind="kept", idle_timeout_s=idle_timeout_s, timeout_s=timeout_s)
        log = OutputLog(folder.output_log("BOT-001"))
        self.spool = Spool(folder.spool("BOT-001", 1), log.line)
        self.approvals = Approvals(self.spool, log.line, 60.0, PermissionPolicy(), ())
        self.conversation = Conversation(self.agent, spec, self.spool, log, children, session=session, pause_s=0.01)
        self.worker = Worker(self.conversation, self.spool, log, self.approvals, grace_s=0.1)
        self.working: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self.agent.process
        return self.agent.process.pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def frames(self, *kinds: str) -> list[Frame]:
        frames = [frame for line in self.spool.after(0, 10_000) if (frame := decode(line))]
        return [frame for frame in frames if not kinds or frame["type"] in kinds]

    async def until(self, kind: str, count: int = 1) -> Frame:
        """The count-th frame of this kind."""
        async with asyncio.timeout(30):
            while len(found := self.frames(kind)) < count:
                await self.spool.news(self.spool.last_seq)
        return found[count - 1]

    async def answer(self, text: str) -> Frame:
        """How the message ended."""
        count = len(self.frames("turn_ended"))
        self.worker.accept(Message(f"m{count}", text))
        return await self.until("turn_ended", count + 1)

    def text(self) -> str:
        return "".join(frame["text"] for frame in self.frames("output"))


@asynccontextmanager
async def scene(
    root: Path, *, idle_timeout_s: float = 60.0, timeout_s: float = 60.0, session: str = ""
) -> AsyncIterator[Scene]:
    scene = Scene(root, idle_timeout_s=idle_timeout_s, timeout_s=timeout_s, session=session)
    await scene.worker.open()
    scene.working = asyncio.create_task(scene.worker.run())
    try:
        yield scene
    finally:
        scene.worker.end(drain=False)
        await asyncio.wait({scene.working})
        await scene.conversation.close()
