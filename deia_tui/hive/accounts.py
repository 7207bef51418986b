"""What work costs: prices what agents report by the hive's own table, and says so when the two disagree."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

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
    """One turn, by the table and by its agent, which may tell of tokens and of cost at different times."""

    models: set[str] = field(default_factory=set)
    table_usd: float = 0.0
    agent_usd: float | None = None
    is_priced: bool = True


class Accounts:
    def __init__(self, folder: Folder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._seen: tuple[int, int] | None = None
        self._problem = ""
        self._table: PriceTable = shipped_prices()
        self._read()
        self._bills: dict[str, _Bill] = {}
        self._told: set[tuple[str, str]] = set()

    def price(self, event: ev.UsageReported) -> ev.UsageReported:
        """With its cost: by the table, else what the agent says, else unknown."""
        usage = _sound(event.usage)
        by_table = self._table.cost_usd(usage)
        return replace(event, usage=usage, cost_usd=usage.cost_usd if by_table is None else by_table)

    def review(self, events: Iterable[ev.Event]) -> list[ev.Event]:
        """Where table and agent disagree about a turn, or a budget does not see it, a line for the bot's log, once a
        day for each model."""
        lines: list[ev.Event] = []
        for event in events:
            match event:
                case ev.UsageReported(usage=usage):
                    bill = self._bills.setdefault(event.message_id, _Bill())
                    bill.models |= {usage.model} - {""}
                    bill.table_usd += event.cost_usd or 0.0
                    bill.is_priced = bill.is_priced and event.cost_usd is not None
                    if usage.cost_usd is not None:
                        bill.agent_usd = (bill.agent_usd or 0.0) + usage.cost_usd
                case ev.TurnEnded() if (ended := self._bills.pop(event.message_id, None)) is not None:
                    lines += self._compare(ended, event)
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

    def _compare(self, bill: _Bill, turn: ev.TurnEnded) -> Iterator[ev.Event]:
        day, models = day_of(turn.at), ", ".join(sorted(bill.models)) or "an unnamed model"
        if (day, models) in self._told:
            return
        if bill.agent_usd is None and not bill.is_priced and self._has_budget(turn.bot_id):
            text = f"{models} has no price: add it to .deia/prices.toml, or it does not count against budget_usd"
        elif bill.agent_usd is not None and differ(bill.table_usd, bill.agent_usd):
            text = (
                f"{models}: this turn cost ${bill.table_usd:.4f} by the price table, ${bill.agent_usd:.4f} by its "
                "agent: correct .deia/prices.toml if the agent is right"
            )
        else:
            return
        self._told = {(other, name) for other, name in self._told if other == day} | {(day, models)}
        yield ev.BotLogged(at=turn.at, bot_id=turn.bot_id, run=turn.run, level="warning", text=text, source_seq=0)

    def _has_budget(self, bot_id: str) -> bool:
        view = self._record.state.bots.get(bot_id)
        return view is not None and view.spec.budget_usd is not None


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
