"""A drain ends a bot after all the work it has accepted; a plain stop meanwhile ends it soon."""

import asyncio

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.commands import LaunchBots, SendMessage, StopAll, StopBot
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest

GATED = """
[agents.gated]
kind = "command"
provider = ""  # it takes several messages at once
argv = ["sh", "-c", "until test -e gate; do sleep 0.02; done; cat"]
"""


async def accepted(hive: Hive) -> list[str]:
    """The messages the bots have taken."""
    entries = await hive.events(limit=5000)
    return [entry.event.message_id for entry in entries if isinstance(entry.event, ev.MessageAccepted)]


async def open_gate(lab: HiveInTest, bot_id: str = "BOT-001") -> None:
    await asyncio.to_thread((lab.folder.workspace(bot_id) / "gate").touch)


async def test_accepted_work_is_done_first_however_long_it_takes(lab: HiveInTest) -> None:
    lab.configure(GATED + "[process]\ngrace_period_s = 0.3\nwork_grace_s = 0.1\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="gated"))
        ids = [(await hive.submit(SendMessage(bot_id="BOT-001", text=text)))[0] for text in ("one", "two")]
        while await accepted(hive) != ids:
            await asyncio.sleep(0.01)
        draining = asyncio.create_task(hive.submit(StopBot(bot_id="BOT-001", drain=True)))
        await lab.until(lambda: lab.bot().state is BotState.STOPPING)
        await asyncio.sleep(0.5)  # longer than the grace period, which does not count
        assert lab.bot().state is BotState.STOPPING
        await open_gate(lab)
        await draining
        assert (lab.bot().state, lab.bot().reason) == (BotState.STOPPED, "drained")
        answers = [await lab.answer("BOT-001", message_id) for message_id in ids]
        assert [(text, turn.status) for text, turn in answers] == [("one", "answered"), ("two", "answered")]


async def test_what_was_acknowledged_before_is_handed_over_first(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        sends = [SendMessage(bot_id="BOT-001", text=f"echo {number}") for number in range(8)]
        ids = [(await hive.submit(send))[0] for send in sends]
        await hive.submit(StopBot(bot_id="BOT-001", drain=True))
        assert [await lab.answer("BOT-001", message_id) for message_id in ids]
        assert [turn.status for turn in await hive.chat("BOT-001")] == ["answered"] * 8


async def test_a_plain_stop_ends_a_drain(lab: HiveInTest) -> None:
    lab.configure(GATED)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="gated"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="never"))
        await lab.until(lambda: lab.bot().message_id == message_id)
        draining = asyncio.create_task(hive.submit(StopAll(drain=True)))
        await lab.until(lambda: lab.bot().reason == "all drained")
        await hive.submit(StopBot(bot_id="BOT-001"))
        await draining
        assert (lab.bot().state, lab.bot().reason) == (BotState.STOPPED, "stopped")
        assert (await lab.answer("BOT-001", message_id))[1].status == "interrupted"


async def test_the_next_supervisor_goes_on_draining(lab: HiveInTest) -> None:
    lab.configure(GATED + "[process]\ngrace_period_s = 0.3\nwork_grace_s = 0.1\n")
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="gated"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="later"))
        await lab.until(lambda: lab.bot().message_id == message_id)
        draining = asyncio.create_task(hive.submit(StopBot(bot_id="BOT-001", drain=True)))
        await lab.until(lambda: lab.bot().state is BotState.STOPPING)
        draining.cancel()
    async with lab.supervised() as hive:
        await lab.until(lambda: lab.bot().reason == "drained")
        await open_gate(lab)
        await lab.until(lambda: lab.bot().state is BotState.STOPPED)
        assert (await lab.answer("BOT-001", message_id))[0] == "later"
