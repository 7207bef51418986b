"""How a host process comes to be: one per hive and code, independent of the terminal and the process it came from."""

import argparse
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.host import titles
from deia_tui.host.host import Host
from deia_tui.host.newborn import Child, close_all_but
from deia_tui.host.nofile import raise_nofile
from deia_tui.host.presence import Introduction, Presence, in_turn, living_hosts, remove_traces_of_the_dead
from deia_tui.host.wire import PROTOCOL, fingerprint
from deia_tui.identity import identify


def start(arguments: list[str], load: Callable[[], Child]) -> int:
    """Be a host of a hive until nobody needs it; returns the exit status, 0 at once when one of this code serves it.

    `load` imports and warms everything a bot needs and returns what bots run; no import happens after it.
    """
    titles.ensure_room()
    folder = Folder(_root(arguments))
    presence = Presence(folder, _introduction())
    try:
        folder.create()
        listener = _claim(folder, presence)
    except (ConfigError, OSError) as error:
        print(f"The host cannot start: {error}", file=sys.stderr)
        return 1
    if listener is None:
        return 0
    try:
        _stand_alone(folder, listener.fileno())
        nofile = raise_nofile()
        child = load()
        _warm_traceback()
        gc.collect()
        gc.freeze()  # forks share what was warmed: the collector must not touch it
        Host(folder, child, presence, listener, nofile).serve()
    finally:
        presence.leave()
    return 0


def _claim(folder: Folder, presence: Presence) -> socket.socket | None:
    """A listening socket, or None when another host that runs the same code lives already."""
    with in_turn(folder):
        remove_traces_of_the_dead(folder)
        if any(other.fingerprint == presence.me.fingerprint for other in living_hosts(folder)):
            return None
        return presence.listen()


def _root(arguments: list[str]) -> Path:
    parser = argparse.ArgumentParser(prog="python -m deia_tui.host", description="Own the bot processes of a hive.")
    parser.add_argument("--hive", required=True, metavar="DIR", help="the folder that holds .deia/")
    hive: str = parser.parse_args(titles.without_padding(arguments)).hive
    return Path(hive).absolute()


def _stand_alone(folder: Folder, listener: int) -> None:
    """Leave the terminal, the working directory and the open files of whoever started us."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getpid() != os.getpgrp():
        os.setsid()
    os.chdir("/")
    titles.show(f"deia-host {folder.root}", "deia-host")
    titles.become_subreaper()
    close_all_but({listener})
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    log = os.open(folder.run / "host.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for fd, own in enumerate((null, log, log)):
        os.dup2(own, fd)
    os.close(null)
    os.close(log)


def _introduction() -> Introduction:
    me = identify(os.getpid())
    assert me is not None
    return Introduction(
        pid=me.pid,
        start_ticks=me.start_ticks,
        boot_id=me.boot_id,
        protocol=PROTOCOL,
        fingerprint=fingerprint(),
    )


def _warm_traceback() -> None:
    """Load what printing a traceback needs, since a child must not import."""
    try:
        raise ConfigError("nothing is wrong")
    except ConfigError:
        traceback.format_exc()
