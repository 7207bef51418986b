"""A provider that wants everybody to wait: who may ask it, and when."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import pytest

from deia_tui.core import events as ev
from deia_tui.core.state import HiveState, Pause, Snapshot
from deia_tui.core.turns import Failure
from deia_tui.folder import Folder
from deia_tui.hive.bell import Bell
from deia_tui.hive.clock import Clock
from deia_tui.hive.providers import Providers
from deia_tui.hive.record import Record
from deia_tui.store.store import Store


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    folder = Folder(tmp_path)
    folder.create()
    store = await Store.open(folder)
    yield Record(store, Snapshot(state=HiveState()), next_alert_id=1, publish=lambda snapshot: None)
    await store.close()


@pytest.fixture
async def providers(record: Record) -> AsyncIterator[Providers]:
    providers = Providers(record, Clock(), Bell(), {})
    tending = asyncio.create_task(providers.tend())
    yield providers
    tending.cancel()
    await asyncio.wait([tending])


def ended(message_id: str, failure: Failure | None = None, *, retry_after_s: float | None = None) -> ev.TurnEnded:
    status: Literal["answered", "failed"] = "failed" if failure else "answered"
    return ev.TurnEnded(
        at=time.time(),
        bot_id="BOT-001",
        run=1,
        message_id=message_id,
        status=status,
        error="429" if failure else "",
        duration_s=1.0,
        failure=failure,
        retry_after_s=retry_after_s,
    )


def said(message_id: str) -> ev.OutputAdded:
    return ev.OutputAdded(at=time.time(), bot_id="BOT-001", run=1, message_id=message_id, text="x", source_seq=1)


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)


async def test_one_tries_and_all_go_on_once_it_is_answered(record: Record, providers: Providers) -> None:
    assert providers.may_ask("p", "m1")
    providers.heard("p", [ended("m1", Failure.OVERLOAD, retry_after_s=1.0)])
    assert not providers.may_ask("p", "m2")
    assert providers.may_ask("another", "m3")
    await until(lambda: "p" in record.state.pauses)
    with providers.waiting("p"):
        await until(lambda: providers.may_ask("p", "m2"))
        assert not providers.may_ask("p", "m4"), "one is the trial"
        assert providers.may_ask("p", "m2"), "and stays it"
        providers.heard("p", [said("m4")])
        assert not providers.may_ask("p", "m4")
        providers.heard("p", [said("m2")])
        assert providers.may_ask("p", "m4")
    await until(lambda: not record.state.pauses)
    assert [alert.cleared_at is not None for alert in record.state.alerts] == [True]


async def test_a_trial_that_is_refused_makes_the_pause_longer(record: Record, providers: Providers) -> None:
    providers.heard("p", [ended("m1", Failure.OVERLOAD, retry_after_s=1.0)])
    with providers.waiting("p"):
        await until(lambda: providers.may_ask("p", "m2"))
        providers.heard("p", [ended("m2", Failure.OVERLOAD)])
    assert not providers.may_ask("p", "m2")
    assert 20.0 < (providers.opens_in_s("p") or 0.0) <= 30.0
    providers.heard("p", [ended("m9", Failure.OVERLOAD)])  # it was asked before: nobody waits longer for that
    assert (providers.opens_in_s("p") or 0.0) <= 30.0
    providers.lift("p")
    providers.heard("p", [ended("m3", Failure.OVERLOAD)])
    assert (providers.opens_in_s("p") or 0.0) > 50.0, "it has answered nobody since"
    providers.lift("p")
    providers.heard("p", [ended("m4"), ended("m5", Failure.OVERLOAD)])
    assert (providers.opens_in_s("p") or 0.0) <= 30.0


async def test_a_pause_nobody_waits_for_ends_by_itself(record: Record, providers: Providers) -> None:
    providers.heard("p", [ended("m1", Failure.OVERLOAD, retry_after_s=1.0)])
    await until(lambda: "p" in record.state.pauses)
    await until(lambda: not record.state.pauses)
    assert not providers.is_paused("p")


async def test_no_provider_is_believed_for_more_than_an_hour(record: Record) -> None:
    now = time.time()
    providers = Providers(record, Clock(), Bell(), {"p": Pause(since=now, until=now + 1e9, reason="")})
    assert 3590.0 < (providers.opens_in_s("p") or 0.0) <= 3600.0
    providers.lift("p")
    providers.heard("p", [ended("m", Failure.OVERLOAD, retry_after_s=1e9)])
    assert 3590.0 < (providers.opens_in_s("p") or 0.0) <= 3600.0


async def test_agents_without_a_provider_wait_for_nobody(providers: Providers) -> None:
    providers.heard("", [ended("m", Failure.OVERLOAD)])
    assert providers.may_ask("", "m2")
