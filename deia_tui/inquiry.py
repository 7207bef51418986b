"""Asks a program one question and waits a bounded time for its answer; nothing in its group outlives that."""

import contextlib
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_READ = 1 << 20
"""Bytes of each stream that are kept; what comes after them is read and dropped."""
_GOODBYE_S = 1.0
"""How long a program that is cut short may put things in order."""


class NoAnswer(Exception):
    """Why, as it stands after the program's name: "does not answer within 3 s"."""


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str


def ask(
    argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float, cwd: Path | None = None, stop: int | None = None
) -> Answer:
    """Run it without a terminal and without input, in a session of its own. Raises NoAnswer.

    Blocks for `timeout_s` and a second at most, or until the descriptor `stop` can be read.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NoAnswer(f"cannot run ({getattr(error, 'strerror', None) or error})") from error
    with process, _pidfd(process.pid) as exited:
        try:
            out, err = _listen(process, exited, time.monotonic() + timeout_s, stop)
        finally:
            in_time = _end(process.pid, exited)
            process.wait()
    if not in_time:
        raise NoAnswer(f"does not answer within {timeout_s:g} s")
    return Answer(process.returncode, out, err)


def _listen(process: subprocess.Popen[bytes], exited: int, deadline: float, stop: int | None) -> tuple[str, str]:
    """What it wrote until it ended or time is up, whoever else still holds its pipes."""
    assert process.stdout and process.stderr
    heard = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as selector:
        for fd in heard:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        for fd in (exited,) if stop is None else (exited, stop):
            selector.register(fd, selectors.EVENT_READ)
        ready: set[int] = set()
        while ready.isdisjoint((exited, stop)) and (left_s := deadline - time.monotonic()) > 0:
            ready = {key.fd for key, _ in selector.select(left_s)}
            for fd in ready & heard.keys():
                if _read(fd, heard[fd]) == b"":
                    selector.unregister(fd)
    for fd, kept in heard.items():
        while len(kept) < MOST_READ and _read(fd, kept):
            pass
    out, err = (bytes(kept[:MOST_READ]).decode("utf-8", "replace") for kept in heard.values())
    return out, err


def _read(fd: int, kept: bytearray) -> bytes | None:
    """Take what is there: b"" at the end, None when there is nothing yet."""
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return None
    if len(kept) < MOST_READ:
        kept += data
    return data


def _end(group: int, exited: int) -> bool:
    """End the group, whose number is safe as long as nobody has reaped its leader; had that ended by itself?"""
    in_time = _has_exited(exited, 0.0)
    if not in_time:
        _signal_group(group, signal.SIGTERM)
        _has_exited(exited, _GOODBYE_S)
    _signal_group(group, signal.SIGKILL)
    return in_time


def _has_exited(pidfd: int, wait_s: float) -> bool:
    poller = select.poll()  # the number may be above what select can take
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(wait_s * 1000))


def _signal_group(group: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)
