"""The agent of the chaos run, a script: recites numbered verses, and keeps a diary that outlives whatever hits it.

A line of the diary is `WHAT TIME PID START_TICKS BOT NONCE MESSAGE`, in one write; TIME is the monotonic clock, which
is the same for all processes.
"""

import os
import sys
import time

LONGEST = 600
"""How many seconds a daemon lives if nobody ends it."""


def verse(message: str, number: int) -> str:
    return f"{message} verse {number} {'~' * (number * 7 % 60)}\n"


def recital(message: str, verses: int) -> str:
    """The whole answer."""
    return "".join(verse(message, number) for number in range(verses))


def recite(diary: str) -> None:
    """The prompt is `MESSAGE VERSES PAUSE_S DAEMONS`."""
    message, verses, pause_s, daemons = sys.stdin.read().split()
    _note(diary, "begins", message)
    for number in range(int(daemons)):
        _leave_daemon(diary, message, {} if number % 2 else {"DEIA_RUN": os.environ["DEIA_RUN"]})
    for number in range(int(verses)):
        os.write(1, verse(message, number).encode())
        _note(diary, "recites", message)
        time.sleep(float(pause_s))
    _note(diary, "ends", message)


def _leave_daemon(diary: str, message: str, env: dict[str, str]) -> None:
    """In a session of its own; with an empty environment nothing about it betrays whose it is."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    _note(diary, "daemon", message)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.chdir("/")
    os.execve("/bin/sleep", ["sleep", str(LONGEST)], env)


def _note(diary: str, what: str, message: str) -> None:
    with open("/proc/self/stat", "rb") as stat:
        ticks = stat.read().rpartition(b")")[2].split()[19].decode()
    about = (os.environ["DEIA_BOT_ID"], os.environ["DEIA_RUN"], message)
    line = " ".join((what, repr(time.monotonic()), str(os.getpid()), ticks, *about))
    fd = os.open(diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(fd, line.encode() + b"\n")
    os.close(fd)


if __name__ == "__main__":
    recite(sys.argv[1])
