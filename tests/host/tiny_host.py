"""A host whose bots do what their agent's argv says: real processes that are quicker to start than real bots."""

import os
import random
import resource
import signal
import socket
import sys
from pathlib import Path

from deia_tui.bot.seed import Seed
from deia_tui.folder import Folder
from deia_tui.host.newborn import Child
from deia_tui.host.start import start

_modules_before_fork: set[str] = set()
_nofile_before = resource.getrlimit(resource.RLIMIT_NOFILE)


def load() -> Child:
    _modules_before_fork.update(sys.modules)
    return Child(run=live, prepare=lambda kind: None, prepared=frozenset({"shell", "command"}))


def live(seed: Seed, listener: socket.socket) -> int:
    act, *rest = seed.spec.agent.argv
    workdir = Path(seed.spec.workdir)
    match act:
        case "exit":
            print("going", rest[0], file=sys.stderr)
            return int(rest[0])
        case "raise":
            raise ValueError("broken bot")
        case "talk":
            print("\n".join(f"line {number}" for number in range(1, 101)), flush=True)
            return 0
        case "burn":
            while True:
                pass
        case "burn_below":
            if os.fork() == 0:
                while True:
                    pass
        case "grow":
            hoard = bytearray(os.urandom(4096) * (int(rest[0]) * 250))
            say(workdir / "grown", str(len(hoard)))
        case "grow_below":
            if os.fork() == 0:
                os.setsid()
                hoard = bytearray(os.urandom(4096) * (int(rest[0]) * 250))
                say(workdir / "grown", str(len(hoard)))
        case "tree":
            say(workdir / f"{seed.bot_id}.tree", " ".join(map(str, grow_tree())))
        case "tree_and_exit":
            say(workdir / f"{seed.bot_id}.tree", " ".join(map(str, grow_tree())))
            return 7
        case "describe":
            say(workdir / "described", describe(listener))
        case "last_words":
            signal.signal(signal.SIGTERM, lambda *_: last_words(seed))
    while True:
        signal.pause()


def grow_tree() -> tuple[int, int, int]:
    """A child, a grandchild, and a daemon: double fork, session of its own, empty environment. Their pids."""
    out, into = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            sleep_as("daemon", into, {}) if os.fork() == 0 else os._exit(0)
        sleep_as("child", into, dict(os.environ)) if os.fork() else sleep_as("grandchild", into, dict(os.environ))
    os.close(into)
    with os.fdopen(out) as pids:
        found = dict(line.split() for line in pids)
    return int(found["child"]), int(found["grandchild"]), int(found["daemon"])


def sleep_as(name: str, into: int, env: dict[str, str]) -> None:
    if name == "daemon":
        os.setsid()
    os.write(into, f"{name} {os.getpid()}\n".encode())
    os.close(into)
    os.execve("/bin/sleep", ["sleep", "1000"], env)


def describe(listener: socket.socket) -> str:
    fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
    files = [fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")]
    modules = sorted(set(sys.modules) - _modules_before_fork)
    facts = {
        "fds": [os.readlink(f"/proc/self/fd/{fd}") for fd in files],
        "modules": modules,
        "random": random.random(),
        "sid": os.getsid(0),
        "nice": os.nice(0),
        "run": os.environ["DEIA_RUN"],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nofile_before": _nofile_before,
        "port": listener.getsockname()[1],
    }
    return repr(facts)


def last_words(seed: Seed) -> None:
    say(Folder(seed.root).own_exit_record(seed.bot_id, seed.run), '{"code": 0, "at": 1234.5}')
    os._exit(0)


def say(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.rename(path)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:], load))
