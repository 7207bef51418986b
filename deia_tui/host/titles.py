"""How processes forked from one image look from outside: the command line in `ps`, the nonce in `/proc/PID/environ`.

The kernel shows the memory the process was started with, so the host starts with room in it and forked bots overwrite
their copy in place. Where the addresses are unknown nothing is shown, and nothing else depends on it.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

NONCE_VARIABLE = "DEIA_RUN"
NONCE_LENGTH = 64
_PLACEHOLDER = "0" * NONCE_LENGTH
_PADDING = "--padding=" + "-" * 64

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def ensure_room() -> None:
    """Start this program again, once, with room for titles in its arguments and its environment."""
    if os.environ.get(NONCE_VARIABLE) == _PLACEHOLDER and _PADDING in sys.orig_argv:
        return
    arguments = [sys.executable, *sys.orig_argv[1:], _PADDING]
    os.execve(sys.executable, arguments, {**os.environ, NONCE_VARIABLE: _PLACEHOLDER})


def without_padding(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if argument != _PADDING]


def show(title: str, name: str) -> None:
    """Be `title` in `ps` and `pgrep -f`, and `name` (cut to 15 bytes) where only a short name fits."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    start, end, _, _ = _areas()
    room = end - start
    if room > 2:
        # A last byte that is not zero tells the kernel to end the command line at its first zero.
        ctypes.memmove(start, title.encode()[: room - 2].ljust(room - 1, b"\0") + b"\1", room)


def mark(nonce: str) -> None:
    """Carry `nonce` where a scan of `/proc/*/environ` finds it."""
    _, _, start, end = _areas()
    entry = f"{NONCE_VARIABLE}={_PLACEHOLDER}".encode()
    at = ctypes.string_at(start, end - start).find(entry)
    if at >= 0:
        marked = f"{NONCE_VARIABLE}={nonce}".encode()[: len(entry)]
        ctypes.memmove(start + at, marked.ljust(len(entry), b"\0"), len(entry))


def become_subreaper() -> None:
    """Orphaned descendants become children of this process, not of init."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _areas() -> tuple[int, int, int, int]:
    """Addresses of this process: arguments from, to, environment from, to; the same in every fork of it."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    arg_start, arg_end, env_start, env_end = (int(field) for field in fields[45:49])
    return arg_start, arg_end, env_start, env_end
