"""How a host is found under `.deia/run/`: `host-PID.json` introduces it, on `host-PID.sock` it listens.

The folder of the records is the lock: whoever starts to serve, or takes over runs, holds a flock on it meanwhile. So
there is no lock file that could be lost, and several hosts (of several versions) can live in one hive.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from deia_tui.folder import Folder, socket_path, write_atomic
from deia_tui.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """Which process, speaking what (wire.py), forking which code. Fields may be added, none may go."""

    pid: int
    start_ticks: int
    boot_id: str
    protocol: int
    fingerprint: str

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, self.boot_id)

    @property
    def socket(self) -> str:
        return f"host-{self.pid}.sock"


class Presence:
    """The files of the host `me`: made by `listen`, put back by `restore`, removed by `leave`."""

    def __init__(self, folder: Folder, me: Introduction) -> None:
        self.me = me
        self._folder = folder
        self._introduction = introduction_file(folder, me.pid)
        self._socket = folder.run / me.socket

    def listen(self) -> socket.socket:
        """Be there for whoever connects from now on. Raises OSError."""
        self._socket.unlink(missing_ok=True)
        listener = _listen(self._folder, self.me.socket)
        write_atomic(self._introduction, json.dumps(asdict(self.me)).encode(), sync=False)
        return listener

    def is_complete(self) -> bool:
        return self._introduction.exists() and self._socket.exists()

    def leave(self) -> None:
        with suppress(OSError):
            self._introduction.unlink(missing_ok=True)
            self._socket.unlink(missing_ok=True)


def introduction_file(folder: Folder, pid: int) -> Path:
    return folder.run / f"host-{pid}.json"


def living_hosts(folder: Folder) -> list[Introduction]:
    """The hosts of this hive that run now. Raises OSError when that cannot be found out."""
    found = (_read(path) for path in sorted(folder.run.glob("host-*[0-9].json")))
    return [host for host in found if host is not None and host.identity.lives()]


def remove_traces_of_the_dead(folder: Folder) -> None:
    """Sockets and introductions of hosts that did not come to say goodbye; call it `in_turn`."""
    living = {host.pid for host in living_hosts(folder)}
    for path in folder.run.glob("host-*[0-9].json"):
        if (host := _read(path)) is not None and host.pid not in living:
            (folder.run / host.socket).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


@contextmanager
def in_turn(folder: Folder) -> Iterator[None]:
    """While the context is entered no other host starts to serve or takes over runs. Raises OSError."""
    fd = os.open(folder.runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _read(path: Path) -> Introduction | None:
    """None for what no host wrote, or what its host has just removed."""
    try:
        about = json.loads(path.read_bytes())
        return Introduction(**{name: about[name] for name in Introduction.__dataclass_fields__})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _listen(folder: Folder, name: str) -> socket.socket:
    path, directory = socket_path(folder.run, name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
        os.close(directory)
    return listener
