"""A program that is kept between turns: lines go in and come out as they are, what it writes beside them is always
taken, so that it never waits for anybody to read it, and its end is told at once and in words."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO

from deia_tui.bot.agents.decode import Lines
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted, signal_name, why_not
from deia_tui.bot.agents.protocol import AgentFailed
from deia_tui.bot.children import Children, die_with

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line at most; agents put whole files into one."""
_READ_AHEAD = 256 * 1024
"""Twice as many bytes are taken before anybody wants them; then whoever writes has to wait."""
_PATIENCE_S = (0.6, 0.6)
"""How long it may take to end once its stdin is closed, and then once it got SIGTERM."""
_LAST_WORDS_S = 0.2
"""How long after its end its stdout is read, if something else holds it."""

Process = subprocess.Popen[bytes]


class Companion:
    """Made by `start`, ended by `close`, which must be called even when it has ended by itself."""

    def __init__(self, process: Process, children: Children, log: Callable[[str], None]) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._children = children
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(process.pid)
        self._exited = asyncio.Event()
        self._how = ""
        self._beside = _Beside(process.stderr, log)
        self._lines = asyncio.StreamReader(limit=_READ_AHEAD)
        self._begun: list[bytes] = []
        """Of the line that is read, what came so far."""
        self._stdout: asyncio.ReadTransport | None = None
        self._stdin: asyncio.StreamWriter | None = None

    @classmethod
    async def start(
        cls, argv: tuple[str, ...], place: Place, children: Children, log: Callable[[str], None]
    ) -> "Companion":
        """`log` gets the lines it writes on stderr between turns. Raises NotStarted."""
        try:
            process = _launch(argv, place)
        except (OSError, ValueError) as error:
            raise NotStarted(why_not(argv[0], place.folder, error)) from error
        children.expect(process.pid)
        try:
            companion = cls(process, children, log)
        except OSError as error:
            process.kill()
            process.wait()
            children.release(process.pid)
            raise NotStarted(f"the program cannot be watched: {error.strerror}") from error
        await companion._connect()
        return companion

    @property
    def running(self) -> bool:
        return not self._exited.is_set()

    @property
    def how(self) -> str:
        """How it ended, with the last it wrote on stderr: "exit 1: no such model"; "" as long as it runs."""
        return self._how

    async def ended(self) -> str:
        await self._exited.wait()
        return self._how

    async def line(self) -> bytes | None:
        """The next line it wrote, without its line feed; None when no more come. Raises AgentFailed for one that is
        too long, after which nothing can be understood any more."""
        while True:
            try:
                self._begun.append(await self._lines.readuntil())
                return self._whole()[:-1]
            except asyncio.LimitOverrunError as error:
                self._begun.append(await self._lines.readexactly(error.consumed))
            except asyncio.IncompleteReadError as error:
                self._begun.append(error.partial)
                return self._whole() or None
            if sum(map(len, self._begun)) > MAX_LINE:
                raise AgentFailed(f"the agent wrote a line of more than {MAX_LINE >> 20} MiB")

    async def write(self, line: bytes) -> None:
        """One line; waits while the program does not read. Raises AgentFailed when it cannot have it any more."""
        assert self._stdin
        try:
            self._stdin.write(line + b"\n")
            await self._stdin.drain()
        except OSError as error:
            raise AgentFailed(f"the agent takes nothing any more ({self._how or error.strerror or error})") from error

    @contextmanager
    def turn(self, warn: Callable[[bytes], None]) -> Iterator[None]:
        """What it writes on stderr meanwhile goes to `warn`."""
        self._beside.redirect(warn)
        try:
            yield
        finally:
            self._beside.redirect(None)

    async def close(self) -> None:
        """End it, within 1.5 s, and whatever is left of its process group."""
        if self._process.returncode is not None:
            return
        if self._stdin:
            self._stdin.close()
        for signum, patience_s in zip((None, signal.SIGTERM), _PATIENCE_S, strict=True):
            if signum:
                self._signal(signum)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._exited.wait()
                    break
        self._signal(signal.SIGKILL)
        await self._exited.wait()
        self._process.wait()  # not before: the group's number is safe as long as its leader is not reaped
        self._children.release(self._process.pid)
        os.close(self._pidfd)
        self._hang_up()

    def _whole(self) -> bytes:
        line = b"".join(self._begun)
        self._begun.clear()
        return line

    async def _connect(self) -> None:
        self._loop.add_reader(self._pidfd, self._see_the_end)
        out = asyncio.StreamReaderProtocol(self._lines)
        self._stdout, _ = await self._loop.connect_read_pipe(lambda: out, self._process.stdout)
        flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        pipe, _ = await self._loop.connect_write_pipe(lambda: flow, self._process.stdin)
        self._stdin = asyncio.StreamWriter(pipe, flow, None, self._loop)

    def _see_the_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._beside.close()
        self._how = _words(self._process.pid) + (f": {self._beside.last}" if self._beside.last else "")
        self._exited.set()
        self._loop.call_later(_LAST_WORDS_S, self._hang_up)

    def _hang_up(self) -> None:
        """Whoever else holds its pipes must not keep anybody waiting."""
        if self._stdout:
            self._stdout.close()
        if self._stdin and (pipe := self._stdin.transport) and (not pipe.is_closing() or pipe.get_write_buffer_size()):
            pipe.abort()

    def _signal(self, signum: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)


class _Beside:
    """Takes what a program writes on stderr, at a pace that costs nobody a processor, and passes on so much a second;
    whole lines to `log`, or as it comes to whoever it is redirected to."""

    _CHUNK = 64 * 1024
    _PACE_S = 0.005
    _PER_S = 256 * 1024

    def __init__(self, pipe: IO[bytes], log: Callable[[str], None]) -> None:
        self.last = ""
        """The last line so far that is not blank."""
        self._pipe = pipe
        self._log = log
        self._warn: Callable[[bytes], None] | None = None
        self._lines = Lines()
        self._loop = asyncio.get_running_loop()
        self._second = 0.0
        self._passed = self._dropped = 0
        self._next: asyncio.TimerHandle | None = None
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._take)

    def redirect(self, warn: Callable[[bytes], None] | None) -> None:
        self._report_dropped()
        self._warn = warn

    def close(self) -> None:
        """Take what is there by now, and no more."""
        if self._next:
            self._next.cancel()
        self._take(last=True)

    def _take(self, *, last: bool = False) -> None:
        if self._pipe.closed:
            return
        self._loop.remove_reader(self._pipe.fileno())
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self._pipe.fileno(), self._CHUNK * (16 if last else 1))
            last = last or not data
        self._pass_on(data, final=last)
        if last:
            self._report_dropped()
            self._pipe.close()
        else:
            self._next = self._loop.call_later(self._PACE_S, self._wait)

    def _wait(self) -> None:
        self._next = None
        self._loop.add_reader(self._pipe.fileno(), self._take)

    def _pass_on(self, data: bytes, *, final: bool) -> None:
        lines = [line for line in self._lines.feed(data, final=final) if line]
        self.last = lines[-1] if lines else self.last
        if self._loop.time() - self._second >= 1.0:
            self._report_dropped()
            self._second, self._passed = self._loop.time(), 0
        if self._passed > self._PER_S:
            self._dropped += len(data)
        elif self._warn:
            self._warn(data)
        elif lines:
            self._log("\n".join(lines))
        self._passed += len(data)

    def _report_dropped(self) -> None:
        if self._dropped:
            note = f"… {self._dropped} bytes that the agent wrote on stderr were dropped"
            self._dropped = 0
            self._warn(f"{note}\n".encode()) if self._warn else self._log(note)


def _launch(argv: tuple[str, ...], place: Place) -> Process:
    return subprocess.Popen(
        argv,
        cwd=place.folder,
        env=place.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        preexec_fn=partial(die_with, os.getpid()),  # a bot has one thread, so this is safe
    )


def _words(pid: int) -> str:
    """How a child ended that is not reaped yet."""
    result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if result is None:
        return "ended"
    return f"exit {result.si_status}" if result.si_code == os.CLD_EXITED else signal_name(result.si_status)
