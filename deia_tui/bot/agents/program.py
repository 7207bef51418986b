"""Runs one program to its end in a process group of its own, streams what it writes, and leaves nothing of it behind
when it is cut short. A daemon it started may outlive the turn, but not hold it up."""

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from deia_tui.bot.agents.backlog import Backlog
from deia_tui.bot.agents.protocol import Emit, TurnResult
from deia_tui.bot.agents.pump import Pump
from deia_tui.bot.children import Children, die_with

_LADDER = ((signal.SIGINT, 0.5), (signal.SIGTERM, 1.0))
"""How a program is asked to end, with the seconds it gets each time; then its tree is killed."""
_LAST_WORDS_S = 0.2
"""How long output is waited for once the program ended, if something else holds its stdout."""
_REST_S = 0.3
"""How long what it wrote before that is delivered in a turn that was cancelled."""

Cut = Literal["cancelled", "timeout"]
Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`argv[0]` is looked up on the PATH of `env`; `stdin` is all the program will read there; in `spools` lies what it
    writes faster than it can be relayed."""

    argv: tuple[str, ...]
    cwd: Path
    env: dict[str, str]
    spools: Path
    timeout_s: float
    stdin: bytes = b""


class NotStarted(Exception):
    """The program could not be run; the message is one sentence."""


async def run(program: Program, emit: Emit, *, cancelled: asyncio.Event, children: Children) -> TurnResult:
    """The exit status decides: 0 is answered. Raises NotStarted."""
    try:
        earlier, launched = children.pids(), _launch(program)
    except (OSError, ValueError) as error:
        raise NotStarted(why_not(program.argv[0], program.cwd, error)) from error
    with launched as process:
        children.expect(process.pid)
        try:
            with _exit_of(process.pid) as exited:
                streams = _Streams(process, emit, program.spools)
                cut = await _exit_or_cut(exited, cancelled, program.timeout_s)
                if cut:
                    await _ask_to_end(process.pid, exited)
                    await children.kill(spare=earlier)
                is_whole = await streams.finish(cancelled)
        finally:
            process.kill()
            process.wait()
            children.release(process.pid)
    return _result(process.returncode, cut if is_whole else "cancelled", program.timeout_s)


def _result(code: int, cut: Cut | None, timeout_s: float) -> TurnResult:
    match cut:
        case "cancelled":
            return TurnResult(status="interrupted", error="interrupted")
        case "timeout":
            return TurnResult(status="failed", error=f"not done after {timeout_s:g} s")
        case None if code == 0:
            return TurnResult(status="answered")
        case None:
            return TurnResult(status="failed", error=f"exit {code}" if code > 0 else signal_name(-code))


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# Start


class _Streams:
    """The program's stdout becomes the answer, its stderr lines beside it."""

    def __init__(self, process: Process, emit: Emit, folder: Path) -> None:
        assert process.stdout and process.stderr
        self._emit = emit
        self._pumps = (
            Pump(Backlog(process.stdout, folder, emit.remark), emit.output),
            Pump(Backlog(process.stderr, folder, emit.remark), emit.warn),
        )

    async def finish(self, cancelled: asyncio.Event) -> bool:
        """Take what is still in the pipes; whoever else holds them must not make anybody wait. Returns whether
        it is whole: what is left is dropped soon after `cancelled`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                for pump in self._pumps:
                    await pump.complete.wait()
        for pump in self._pumps:
            pump.close()
        for pump in self._pumps:
            await _first_of(pump.ended, cancelled)
        with suppress(TimeoutError):
            async with asyncio.timeout(_REST_S):
                for pump in self._pumps:
                    await pump.ended.wait()
        dropped = sum(pump.drop() for pump in self._pumps)
        self._emit.drop(dropped)
        return not dropped


def _launch(program: Program) -> Process:
    with _filled(program.stdin) as stdin:
        return subprocess.Popen(
            program.argv,
            cwd=program.cwd,
            env=program.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=partial(die_with, os.getpid()),  # a bot has one thread, so this is safe
        )


@contextmanager
def _filled(data: bytes) -> Iterator[IO[bytes]]:
    """A file that reads as `data`, however slowly, and ends there."""
    with open(os.memfd_create("stdin"), "r+b", buffering=0) as file:
        file.write(data)
        file.seek(0)
        yield file


def why_not(name: str, cwd: Path, error: OSError | ValueError) -> str:
    """Why the program `name` could not be started in `cwd`."""
    match error:
        case FileNotFoundError() if not cwd.is_dir():
            return f"its folder {cwd} does not exist"
        case FileNotFoundError() if "/" not in name:
            return f"'{name}' is not on PATH"
        case FileNotFoundError():
            return f"'{name}' does not exist"
        case OSError(errno=errno.E2BIG):
            return f"'{name}' cannot take so long an argument"
        case OSError():
            return f"'{name}' cannot run: {error.strerror}"
        case _:
            return f"'{name}' cannot run: {error}"


# End


@contextmanager
def _exit_of(pid: int) -> Iterator[asyncio.Event]:
    """Is set as soon as the process ended, whatever it left behind and whoever holds its pipes."""
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        raise NotStarted(f"the program cannot be watched: {error.strerror}") from error

    def ended() -> None:
        loop.remove_reader(pidfd)
        exited.set()

    loop.add_reader(pidfd, ended)
    try:
        yield exited
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


async def _exit_or_cut(exited: asyncio.Event, cancelled: asyncio.Event, timeout_s: float) -> Cut | None:
    await _first_of(exited, cancelled, timeout_s=timeout_s)
    if cancelled.is_set():
        return "cancelled"
    return None if exited.is_set() else "timeout"


async def _first_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _ask_to_end(group: int, exited: asyncio.Event) -> None:
    """The group's number is safe: its leader is not reaped before this is over."""
    for signum, patience_s in _LADDER:
        _signal_group(group, signum)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await exited.wait()
                return


def _signal_group(group: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)
