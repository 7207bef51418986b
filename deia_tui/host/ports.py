"""Chooses the port of a new bot by binding it: what listens cannot be taken by anybody else."""

import errno
import socket

LOOPBACK = "127.0.0.1"


class Ports:
    """Goes round through a range, so that a port rests as long as possible before it is used again."""

    def __init__(self) -> None:
        self._last = 0

    def listen(self, first: int, last: int) -> socket.socket:
        """A socket listening on the next free port; raises OSError (EADDRINUSE) when none is free."""
        after = self._last + 1 if first <= self._last < last else first
        for port in (*range(after, last + 1), *range(first, after)):
            listener = _listen(port)
            if listener is not None:
                self._last = port
                return listener
        raise OSError(errno.EADDRINUSE, f"all ports {first}–{last} on {LOOPBACK} are taken")


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise
    return listener
