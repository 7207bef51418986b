"""Says on standard error what a command waits for, when that takes longer than a second."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from deia_tui.core.bots import LIVE
from deia_tui.core.errors import DeiaError
from deia_tui.core.stopping import progress
from deia_tui.core.text import clean
from deia_tui.remote import RemoteHive

_QUIET_S = 1.0
_AT_ONCE = 32
_LIVE = {str(state) for state in LIVE}


def stop_all(remote: RemoteHive, *, drain: bool) -> list[str]:
    """Until every bot is off; the ids of those that were not."""
    with _Teller(remote, None):
        bots: list[str] = remote.post("/api/bots/stop", {"drain": drain})["bots"]
        return bots


def stop(remote: RemoteHive, bot_ids: Sequence[str], *, drain: bool) -> None:
    """All of them at once, until they are off. Raises what was said against the first one that was refused."""
    with _Teller(remote, bot_ids):
        for_each(bot_ids, lambda bot_id: remote.post(f"/api/bot/stop/{bot_id}", {"drain": drain}))


def for_each(bot_ids: Sequence[str], ask: Callable[[str], Any]) -> None:
    """Ask about all of them at once."""
    with ThreadPoolExecutor(min(_AT_ONCE, len(bot_ids))) as pool:
        list(pool.map(ask, bot_ids))


class _Teller:
    """While entered: a line whenever another bot is off, the first after a second. None means every bot of the hive."""

    def __init__(self, remote: RemoteHive, bot_ids: Sequence[str] | None) -> None:
        self._remote = remote
        self._bot_ids = bot_ids
        self._total = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="teller", daemon=True)

    def __enter__(self) -> None:
        self._total = len(self._waiting())
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _tell(self) -> None:
        said = 0
        while not self._done.wait(_QUIET_S):
            try:
                waiting = self._waiting()
            except DeiaError:  # the command itself says it
                return
            if waiting and len(waiting) != said:
                said = len(waiting)
                click.echo(clean(progress(waiting, max(self._total, said))), err=True)

    def _waiting(self) -> list[tuple[str, str]]:
        bots = self._remote.get("/api/status")["bots"]
        ours = [bot for bot in bots if bot["state"] in _LIVE and (self._bot_ids is None or bot["id"] in self._bot_ids)]
        return [(bot["id"], bot["waits_for"]) for bot in ours]
