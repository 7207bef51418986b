"""From the supervisor's thread to the screen: coalesced, paced, and without loss."""

import asyncio
import threading
import time

from deia_tui.core.client import Recorded
from deia_tui.core.state import Snapshot
from deia_tui.ui.bridge import Bridge
from deia_tui.ui.feed import Continued, Feed, Opened
from tests.ui.scripted import ScriptedHive


async def until(condition: object) -> None:
    end = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_a_storm_of_wakes_from_another_thread_is_few_looks_and_the_last_state() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    seen: list[Snapshot] = []
    bridge = Bridge(hive, seen.append, pace_s=0.05)
    storm = threading.Thread(target=lambda: [hive.alert(None, f"a{number}") for number in range(500)])
    begun = time.monotonic()
    storm.start()
    await until(lambda: seen and len(seen[-1].state.alerts) == 500)
    assert len(seen) <= (time.monotonic() - begun) / 0.05 + 2
    bridge.close()
    storm.join()


async def test_nothing_is_shown_after_closing() -> None:
    hive = ScriptedHive()
    seen: list[Snapshot] = []
    bridge = Bridge(hive, seen.append, pace_s=0.01)
    await until(lambda: seen)
    bridge.close()
    shown = len(seen)
    hive.run("BOT-001")
    await asyncio.sleep(0.05)
    assert len(seen) == shown


def test_a_wake_after_the_loop_closed_is_no_error() -> None:
    hive = ScriptedHive()
    bridges = []

    async def briefly() -> None:
        bridges.append(Bridge(hive, lambda _: None))

    asyncio.run(briefly())
    hive.run("BOT-001")
    bridges[0].close()


async def test_the_feed_reads_every_event_of_its_bot_once_and_in_order() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002")
    message = hive.ask("BOT-001", "go")
    rows: list[Recorded] = []
    opened: list[str | None] = []

    def show(news: Opened | Continued) -> None:
        rows.extend(news.recorded)
        if isinstance(news, Opened):
            opened.append(news.bot_id)

    feed = Feed(hive, show, lambda sentence: None, pace_s=0.001)
    running = asyncio.create_task(feed.run())
    feed.select("BOT-001")
    for number in range(300):
        hive.answer("BOT-001", message, f"{number}\n")
        hive.alert("BOT-002", "of another bot")
        feed.wake(hive.snapshot())
        if number % 10 == 0:
            await asyncio.sleep(0)
    hive.finish("BOT-001", message)
    feed.wake(hive.snapshot())
    everything = await hive.events(bot_id="BOT-001", limit=10_000)
    await until(lambda: rows and rows[-1] == everything[-1])
    assert rows == everything
    assert opened == ["BOT-001"]
    running.cancel()
