"""What work costs, by the hive's own table."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec
from deia_tui.core.state import HiveState, Snapshot
from deia_tui.core.turns import Usage
from deia_tui.folder import Folder
from deia_tui.hive.accounts import Accounts
from deia_tui.hive.record import Record
from deia_tui.store.store import Store

AT = 1_760_000_000.0
LINE = """
[models."small*"]
input = {}
output = 0
cache_read = 0
cache_write = 0
as_of = 2026-01-31
source = "the bill"
"""


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    folder = Folder(tmp_path)
    folder.create()
    folder.prices.write_text(LINE.format(10))
    store = await Store.open(folder)
    yield Record(store, Snapshot(state=HiveState()), next_alert_id=1, publish=lambda snapshot: None)
    await store.close()


@pytest.fixture
def accounts(tmp_path: Path, record: Record) -> Accounts:
    return Accounts(Folder(tmp_path), record)


def used(
    tokens: int, cost_usd: float | None = None, *, model: str = "small-1", message_id: str = "m"
) -> ev.UsageReported:
    usage = Usage(model=model, input_tokens=tokens, cost_usd=cost_usd)
    return ev.UsageReported(at=AT, bot_id="B", run=1, message_id=message_id, usage=usage, source_seq=1)


def ended(message_id: str = "m", at: float = AT) -> ev.TurnEnded:
    return ev.TurnEnded(at=at, bot_id="B", run=1, message_id=message_id, status="answered", error="", duration_s=1.0)


def test_the_table_counts_then_what_the_agent_says_then_nobody_knows(accounts: Accounts) -> None:
    assert accounts.price(used(1_000_000, 3.0)).cost_usd == 10.0
    assert accounts.price(used(1_000_000, 3.0, model="other")).cost_usd == 3.0
    assert accounts.price(used(1_000_000, model="other")).cost_usd is None


def test_nobody_gets_anything_back(accounts: Accounts) -> None:
    assert accounts.price(used(-5)).cost_usd == 0.0
    assert accounts.price(used(1, -3.0, model="other")).cost_usd == 0.0


def test_a_turn_the_agent_prices_otherwise_is_told_once_a_day_for_each_model(accounts: Accounts) -> None:
    def turn(*costs: float | None, message_id: str, at: float = AT) -> list[str]:
        told = accounts.review(
            [*(accounts.price(used(100_000, cost, message_id=message_id)) for cost in costs), ended(message_id, at)]
        )
        return [event.text for event in told if isinstance(event, ev.BotLogged) and event.level == "warning"]

    assert turn(0.9, 1.1, message_id="a") == [], "over the turn they agree"
    assert turn(None, message_id="b") == []
    apart = [used(200_000, message_id="f"), used(0, 2.0, message_id="f")]  # first the tokens, then the cost
    assert accounts.review([*map(accounts.price, apart), ended("f")]) == []
    [text] = turn(1.5, 1.5, message_id="c")
    assert "$2.0000 by the price table, $3.0000 by its agent" in text
    assert turn(2.0, message_id="d") == []
    assert len(turn(2.0, message_id="e", at=AT + 86_400)) == 1


async def test_what_a_budget_does_not_see_is_told(accounts: Accounts, record: Record) -> None:
    def turn(model: str, *costs: float | None) -> list[ev.Event]:
        return accounts.review([*(accounts.price(used(9, cost, model=model)) for cost in costs), ended()])

    agent = AgentSpec(name="a", kind="command")
    await record.add(ev.BotLaunched(at=AT, bot_id="B", spec=BotSpec(bot_id="B", agent=agent)))
    assert turn("other", None) == []
    await record.add(ev.BotLaunched(at=AT, bot_id="B", spec=BotSpec(bot_id="B", agent=agent, budget_usd=1.0)))
    assert turn("other", None, 2.0) == [], "its agent told in the end"
    assert turn("small-1", None) == []
    [told] = turn("other", None)
    assert isinstance(told, ev.BotLogged) and told.text.startswith("other has no price")
    assert turn("other", None) == []


async def test_an_edited_table_counts_at_once_and_a_bad_one_changes_nothing(
    accounts: Accounts, record: Record, tmp_path: Path
) -> None:
    async def until_priced(usd: float) -> None:
        async with asyncio.timeout(20):
            while accounts.price(used(1_000_000)).cost_usd != usd:
                await asyncio.sleep(0.02)

    async def until_alerts(count: int) -> None:
        async with asyncio.timeout(20):
            while sum(not alert.cleared_at for alert in record.state.alerts) != count:
                await asyncio.sleep(0.02)

    tending = asyncio.create_task(accounts.tend())
    prices = Folder(tmp_path).prices
    prices.write_text(LINE.format(20.5))
    await until_priced(20.5)
    prices.write_text(LINE.format("'cheap'"))
    await until_alerts(1)
    assert "line 3: models.small*.input" in record.state.alerts[-1].text
    assert accounts.price(used(1_000_000)).cost_usd == 20.5, "the last good one"
    prices.write_text(LINE.format(7.125))
    await until_priced(7.125)
    await until_alerts(0)
    tending.cancel()
    await asyncio.wait([tending])
