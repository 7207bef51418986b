"""The agent of the task storm, a script: does the order that stands in its prompt, and keeps the reciter's diary of it.

An order is `ORDER LABEL KIND LINES PAUSE_S`. KIND: good, flaky (fails the first time), failing, poison (kills its bot).
In the diary stands `LABEL@PID` for the message, so that every time an order is done has a name of its own.
"""

import os
import re
import signal
import sys
import time

ORDER = re.compile(r"ORDER (\S+) (good|flaky|failing|poison) (\d+) ([\d.]+)")


def labour(diary: str) -> int:
    found = ORDER.search(sys.stdin.read())
    if found is None:
        print("this prompt holds no order", file=sys.stderr)
        return 2
    label, kind, lines, pause_s = found.groups()
    turn = f"{label}@{os.getpid()}"
    first = kind == "flaky" and not _was_begun(diary, label)
    note(diary, "begins", turn)
    for number in range(int(lines)):
        os.write(1, f"{label} line {number}\n".encode())
        note(diary, "works", turn)
        time.sleep(float(pause_s))
    if kind == "poison":
        os.kill(_bot(), signal.SIGKILL)
        time.sleep(60)
    if kind == "failing" or first:
        print(f"{label} cannot be done", file=sys.stderr)
        return 1
    note(diary, "ends", turn)
    return 0


def _was_begun(diary: str, label: str) -> bool:
    try:
        with open(diary, encoding="utf-8") as lines:
            return any(f" {label}@" in line for line in lines)
    except FileNotFoundError:
        return False


def _bot() -> int:
    """The nearest ancestor that is a bot."""
    pid = os.getppid()
    while pid > 1:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            if line.read().startswith(b"deia-bot"):
                return pid
        pid = int(_stat(pid)[1])
    raise SystemExit("no bot is an ancestor")


def _stat(pid: int) -> list[str]:
    """From the state on."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].decode().split()


def note(diary: str, what: str, turn: str) -> None:
    about = (os.environ["DEIA_BOT_ID"], os.environ["DEIA_RUN"], turn)
    line = " ".join((what, repr(time.monotonic()), str(os.getpid()), _stat(os.getpid())[19], *about))
    fd = os.open(diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(fd, line.encode() + b"\n")
    os.close(fd)


if __name__ == "__main__":
    sys.exit(labour(sys.argv[1]))
