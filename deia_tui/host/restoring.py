"""Puts back the files of a host that somebody deleted, so that it is found again, and its runs by the host after it."""

import socket
import sys
from collections.abc import Callable

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.host.inotify import Deletions
from deia_tui.host.loop import Loop
from deia_tui.host.presence import Presence

AFTER_S = 0.2
"""Whoever deletes one file may not have finished."""
RETRY_S = 1.0


class Restoring:
    """`is_needed`: do bots run? `listen` gets the new socket, `save` writes whatever else there is to write."""

    def __init__(
        self,
        loop: Loop,
        folder: Folder,
        presence: Presence,
        *,
        is_needed: Callable[[], bool],
        listen: Callable[[socket.socket], None],
        save: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._presence = presence
        self._is_needed = is_needed
        self._listen = listen
        self._save = save
        self._going_on = False

    def begin(self) -> None:
        try:
            self._deletions = Deletions()
        except OSError as error:
            print(f"Nobody tells this host of deleted files ({error.strerror}): delete none.", file=sys.stderr)
            return
        self._loop.watch(self._deletions.fd, self._note)
        self._restore()

    def _note(self) -> None:
        self._deletions.drain()
        if not self._going_on:
            self._going_on = True
            self._loop.later(AFTER_S, self._restore)

    def _restore(self) -> None:
        """A hive that was removed as a whole comes back only where bots run, which nobody would find otherwise."""
        self._going_on = False
        if not (self._folder.deia.is_dir() or (self._folder.root.is_dir() and self._is_needed())):
            return
        try:
            self._folder.create()
            self._deletions.watch(self._folder.run)
            if not self._presence.is_complete():
                self._listen(self._presence.listen())
            self._save()
        except (OSError, ConfigError):
            self._loop.later(RETRY_S, self._restore)
