"""How a host process comes to be: one per hive, independent of the terminal and the process that started it."""

import argparse
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder, socket_path, write_atomic
from deia_tui.host import titles
from deia_tui.host.host import Host
from deia_tui.host.newborn import Child, close_all_but
from deia_tui.host.nofile import raise_nofile
from deia_tui.host.wire import PROTOCOL, fingerprint
from deia_tui.identity import identify

SOCKET = "host.sock"


def start(arguments: list[str], load: Callable[[], Child]) -> int:
    """Be the host of a hive until nobody needs it; returns the exit status, 0 at once when another host serves it.

    `load` imports and warms everything a bot needs and returns what bots run; no import happens after it.
    """
    titles.ensure_room()
    folder = Folder(_root(arguments))
    try:
        folder.create()
        lock = _lock(folder.run / "host.lock")
    except (ConfigError, OSError) as error:
        print(f"The host cannot start: {error}", file=sys.stderr)
        return 1
    if lock is None:
        return 0
    try:
        _stand_alone(folder, lock)
        _serve(folder, load)
    finally:
        os.close(lock)
    return 0


def _serve(folder: Folder, load: Callable[[], Child]) -> None:
    listener = _listen(folder)
    host_json = folder.run / "host.json"
    try:
        write_atomic(host_json, _introduction(), sync=False)
        child = load()
        _warm_traceback()
        gc.collect()
        gc.freeze()  # forks share what was warmed: the collector must not touch it
        Host(folder, child, listener, raise_nofile()).serve()
    finally:
        (folder.run / SOCKET).unlink(missing_ok=True)
        host_json.unlink(missing_ok=True)


def _root(arguments: list[str]) -> Path:
    parser = argparse.ArgumentParser(prog="python -m deia_tui.host", description="Own the bot processes of a hive.")
    parser.add_argument("--hive", required=True, metavar="DIR", help="the folder that holds .deia/")
    hive: str = parser.parse_args(titles.without_padding(arguments)).hive
    return Path(hive).absolute()


def _lock(path: Path) -> int | None:
    """The lock of this hive, held until its descriptor is closed; None when another host has it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:
            pass
        os.close(fd)  # somebody deleted the file we locked


def _stand_alone(folder: Folder, lock: int) -> None:
    """Leave the terminal, the working directory and the open files of whoever started us."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getpid() != os.getpgrp():
        os.setsid()
    os.chdir("/")
    titles.show(f"deia-host {folder.root}", "deia-host")
    titles.become_subreaper()
    close_all_but({lock})
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    log = os.open(folder.run / "host.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for fd, own in enumerate((null, log, log)):
        os.dup2(own, fd)
    os.close(null)
    os.close(log)


def _listen(folder: Folder) -> socket.socket:
    (folder.run / SOCKET).unlink(missing_ok=True)
    path, directory = socket_path(folder.run, SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
        os.close(directory)
    listener.listen(128)
    return listener


def _introduction() -> bytes:
    me = identify(os.getpid())
    assert me is not None
    about = {"pid": me.pid, "start_ticks": me.start_ticks, "boot_id": me.boot_id}
    return json.dumps({**about, "protocol": PROTOCOL, "fingerprint": fingerprint()}).encode()


def _warm_traceback() -> None:
    """Load what printing a traceback needs, since a child must not import."""
    try:
        raise ConfigError("nothing is wrong")
    except ConfigError:
        traceback.format_exc()
