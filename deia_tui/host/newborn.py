"""The first moments of a forked bot: it lets go of everything that is the host's and becomes a process of its own."""

import os
import random
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from deia_tui.bot.seed import Seed
from deia_tui.host import brand, titles


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What bots are. `run` is the life of one on its listening socket and returns its exit status.

    `prepare` imports, before the fork, what agents of a kind need that is not in `prepared` yet; raises ConfigError.
    """

    run: Callable[[Seed, socket.socket], int]
    prepare: Callable[[str], None]
    prepared: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What the child needs from before the fork. `gate` yields one byte once the run is on record.

    `inherited` are the host's sockets, `nofile` the limits it was started with.
    """

    seed: Seed
    child: Child
    listener: socket.socket
    output: int
    gate: int
    inherited: Iterable[socket.socket]
    nofile: tuple[int, int]


def live(birth: Birth) -> NoReturn:
    """Run the child and end the process; called right after the fork, with all signals blocked."""
    status = 1
    try:
        _let_go(birth)
        if os.read(birth.gate, 1):
            os.close(birth.gate)
            _settle(birth)
            status = birth.child.run(birth.seed, birth.listener)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 – nothing may unwind into the host's frames
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status & 0xFF)


def _let_go(birth: Birth) -> None:
    signal.set_wakeup_fd(-1)
    for sock in birth.inherited:
        sock.detach()  # a late close would hit whatever has its number then
    os.dup2(birth.output, 1)
    os.dup2(birth.output, 2)
    close_all_but({birth.listener.fileno(), birth.gate})
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)
    os.setsid()


def _settle(birth: Birth) -> None:
    seed = birth.seed
    titles.show(f"deia-bot {seed.bot_id}", seed.bot_id)
    titles.mark(seed.nonce)
    brand.wear(seed.nonce)
    os.environ[titles.NONCE_VARIABLE] = seed.nonce
    titles.become_subreaper()
    resource.setrlimit(resource.RLIMIT_NOFILE, birth.nofile)
    random.seed()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.nice(seed.spec.nice)
    except OSError as error:
        print(f"nice {seed.spec.nice}: {error.strerror}", file=sys.stderr)


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor except `kept` and 0, 1, 2."""
    first = 3
    for fd in sorted(kept):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue
