"""What work costs: prices what agents report by the hive's own table, and says so when the two disagree."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.errors import ConfigError, StoreError
from deia_tui.core.prices import PriceTable, differ
from deia_tui.core.state import day_of
from deia_tui.core.turns import Usage
from deia_tui.folder import Folder
from deia_tui.hive.record import Record
from deia_tui.pricing import load_prices, shipped_prices

LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class _Bill:
    """One turn's use of one model, by the table and by the agent, which may tell of the costs apart from the tokens."""

    table_usd: float = 0.0
    agent_usd: float | None = None


class Accounts:
    def __init__(self, folder: Folder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._seen: tuple[int, int] | None = None
        self._problem = ""
        self._table: PriceTable = shipped_prices()
        self._read()
        self._bills: defaultdict[str, defaultdict[str, _Bill]] = defaultdict(lambda: defaultdict(_Bill))
        self._told: set[tuple[str, str]] = set()

    def price(self, event: ev.UsageReported) -> ev.UsageReported:
        """With its cost: by the table, else what the agent says, else unknown."""
        usage = _sound(event.usage)
        by_table = self._table.cost_usd(usage)
        return replace(event, usage=usage, cost_usd=usage.cost_usd if by_table is None else by_table)

    def review(self, events: Iterable[ev.Event]) -> list[ev.Event]:
        """Where table and agent disagree about a turn, a line for the bot's log, once a day for each model."""
        lines: list[ev.Event] = []
        for event in events:
            match event:
                case ev.UsageReported(usage=Usage(cost_usd=by_agent), cost_usd=float(by_table)):
                    bill = self._bills[event.message_id][event.usage.model]
                    bill.table_usd += by_table
                    if by_agent is not None:
                        bill.agent_usd = (bill.agent_usd or 0.0) + by_agent
                case ev.TurnEnded() if event.message_id in self._bills:
                    lines += self._compare(event)
        return lines

    async def tend(self) -> None:
        """Read the table again whenever it was edited, until cancelled; one that is wrong changes nothing."""
        told = ""
        while True:
            self._read()
            if self._problem != told:
                action = "mend it; until then the last good one counts"
                wish = Raise(None, "prices", "warning", self._problem, action)
                with suppress(StoreError):
                    await self._record.alert([wish if self._problem else Clear(None, "prices", "it can be read")])
                    told = self._problem
            await asyncio.sleep(LOOK_EVERY_S)

    def _read(self) -> None:
        try:
            info = self._folder.prices.stat()
            seen = (info.st_mtime_ns, info.st_size)
        except OSError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._table = load_prices(self._folder)
            self._problem = ""
        except ConfigError as error:
            self._problem = str(error)

    def _compare(self, turn: ev.TurnEnded) -> Iterable[ev.Event]:
        day = day_of(turn.at)
        for model, bill in self._bills.pop(turn.message_id).items():
            if bill.agent_usd is None or (day, model) in self._told:
                continue
            if differ(bill.table_usd, bill.agent_usd):
                self._told = {(other, name) for other, name in self._told if other == day} | {(day, model)}
                text = (
                    f"{model}: this turn cost ${bill.table_usd:.4f} by the price table, ${bill.agent_usd:.4f} by its "
                    "agent: correct .deia/prices.toml if the agent is right"
                )
                yield ev.BotLogged(
                    at=turn.at, bot_id=turn.bot_id, run=turn.run, level="warning", text=text, source_seq=0
                )


def _sound(usage: Usage) -> Usage:
    """Nobody gets anything back."""
    return Usage(
        model=usage.model,
        input_tokens=max(0, usage.input_tokens),
        output_tokens=max(0, usage.output_tokens),
        cache_read_tokens=max(0, usage.cache_read_tokens),
        cache_write_tokens=max(0, usage.cache_write_tokens),
        cost_usd=None if usage.cost_usd is None else max(0.0, usage.cost_usd),
    )
