"""Starts host processes: in a session of their own, with only what they need of the supervisor's environment."""

import contextlib
import os
import sys
from collections.abc import Mapping

from deia_tui.folder import Folder
from deia_tui.host.nofile import Limits, raise_nofile, restore_nofile

_NEEDED = frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"})
_NEEDED_BEGIN = ("LC_", "PYTHON")


class Starter:
    """`nofile` are the limits the supervisor was started with: what the host gets, agents get."""

    def __init__(self, folder: Folder, nofile: Limits) -> None:
        self._folder = folder
        self._nofile = nofile
        self._started: set[int] = set()

    @property
    def log(self) -> str:
        return str(self._folder.run / "host.log")

    def start(self) -> None:
        """Unless one that we started is on its way. No Popen, which would insist on being waited for."""
        if self._started:
            return
        restore_nofile(self._nofile)
        try:
            self._started.add(self._spawn())
        finally:
            raise_nofile()

    def has_started(self, pid: int) -> bool:
        return pid in self._started

    def has_failed(self) -> bool:
        """Collect the hosts we started that have ended; was there one that could not start?"""
        failed = False
        for pid in list(self._started):
            with contextlib.suppress(ChildProcessError):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended:
                    continue
                failed = failed or os.waitstatus_to_exitcode(status) > 0
            self._started.discard(pid)
        return failed

    def _spawn(self) -> int:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "deia_tui.host", "--hive", str(self._folder.root)],
            host_environment(os.environ, self._folder),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )


def host_environment(environ: Mapping[str, str], folder: Folder) -> dict[str, str]:
    """What the interpreter needs to run our code, and no secret; agents get theirs with each spawn.

    `DEIA_HIVE` tells in /proc to which hive the host and its bots belong.
    """
    needed = {name: value for name, value in environ.items() if name in _NEEDED or name.startswith(_NEEDED_BEGIN)}
    return {**needed, "DEIA_HIVE": str(folder.root)}
