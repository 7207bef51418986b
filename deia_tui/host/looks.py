"""One pass over /proc a second, for everybody who needs one: clients that want samples, and limits of memory. While
nobody samples and no limit is set there is none."""

import time
from contextlib import suppress

from deia_tui.host.clients import Client, Clients
from deia_tui.host.custody import Custody
from deia_tui.host.processes import Tree, by_parent, descendants, living
from deia_tui.host.records import Records, RunRecord
from deia_tui.host.sample import Sampler, memory_mb

PERIOD_S = 1.0
OOM = "oom"


class Looks:
    def __init__(self, records: Records, custody: Custody, clients: Clients) -> None:
        self._records = records
        self._custody = custody
        self._clients = clients
        self._sampler = Sampler()
        self._going_on = False

    def begin(self, delay_s: float = PERIOD_S) -> None:
        """There is something new to look at: go on until there is nothing any more."""
        if not self._going_on:
            self._going_on = True
            self._custody.loop.later(delay_s, self._look)

    def sample_for(self, client: Client, on: bool) -> None:
        if on and not any(other.sampling for other in self._clients):
            self._sampler.forget()
        client.sampling = on
        if on:
            with suppress(OSError):  # out of descriptors
                self._sample(by_parent())
            self.begin()

    def _look(self) -> None:
        audience = [client for client in self._clients if client.sampling]
        limited = [record for record in self._records.runs.values() if _limit_mb(record)]
        self._going_on = bool(audience or limited)
        if not self._going_on:
            return
        with suppress(OSError):  # out of descriptors: the next look sees it
            tree = by_parent()
            self._end_gluttons(tree, limited)
            bots = self._sample(tree) if audience else {}
            for client in audience:
                client.send("samples", at=time.time(), bots=bots)
        self._custody.loop.later(PERIOD_S, self._look)

    def _sample(self, tree: Tree) -> dict[str, list[float]]:
        lives = {bot_id: (record.pid, record.start_ticks) for bot_id, record in self._records.runs.items()}
        return self._sampler.take(tree, lives, time.monotonic())

    def _end_gluttons(self, tree: Tree, limited: list[RunRecord]) -> None:
        alive = living(tree) if limited else {}
        for record in limited:
            bot = alive.get(record.identity)
            if bot and memory_mb([bot, *descendants(tree, bot.pid)]) > _limit_mb(record):
                self._custody.kill(record, OOM)


def _limit_mb(record: RunRecord) -> float:
    """The hard limit of a run's memory, 0 where there is none."""
    limit = record.spec.get("memory_max_mb")
    return float(limit) if isinstance(limit, int | float) else 0.0
