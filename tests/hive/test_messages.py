"""Messages reach exactly the bot they name, once, and answers stream back into the store."""

import asyncio
import os
import signal
import sys

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.commands import Command, InterruptBot, LaunchBots, SendMessage
from deia_tui.core.errors import CommandRejected
from tests.hive.conftest import HiveInTest

AGENTS = f"""
[agents.echo]
kind = "command"
argv = ["cat"]
[agents.broken]
kind = "command"
argv = ["false"]
[agents.slowly]
kind = "command"
argv = [{sys.executable!r}, "-c", '''
import sys, time
for word in sys.stdin.read().split():
    print(word, flush=True)
    time.sleep(0.1)
''']
"""


async def test_an_answer_streams_and_stays_in_the_chat(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="slowly"))
        text, turn = await lab.ask("BOT-001", "one two three four five")
        assert turn.status == "answered"
        assert text == "one\ntwo\nthree\nfour\nfive\n"
        events = [entry.event for entry in await hive.events(bot_id="BOT-001", limit=5000)]
        assert sum(isinstance(event, ev.OutputAdded) for event in events) >= 3, "the answer came in one piece"
        [turn_row] = await hive.chat("BOT-001")
        assert (turn_row.text, turn_row.answer, turn_row.status) == ("one two three four five", text, "answered")


async def test_every_bot_answers_its_own_messages_in_order(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        bots = await hive.submit(LaunchBots(what="echo", count=3))
        wanted = {bot_id: [f"{bot_id} says {number}" for number in range(6)] for bot_id in bots}
        for number in range(6):
            for bot_id in bots:
                await hive.submit(SendMessage(bot_id=bot_id, text=wanted[bot_id][number]))
        await lab.until(lambda: not any(bot.queued or bot.message_id for bot in lab.state.bots.values()))
        for bot_id in bots:
            turns = await hive.chat(bot_id)
            assert [(turn.text, turn.answer) for turn in turns] == [(text, text) for text in wanted[bot_id]]


async def test_the_same_message_id_is_answered_once(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo"))
        message = SendMessage(bot_id="BOT-001", text="hello", message_id="once")
        assert await asyncio.gather(*(hive.submit(message) for _ in range(3))) == [["once"]] * 3
        await lab.answer("BOT-001", "once")
        await hive.submit(message)
        assert len(await hive.chat("BOT-001")) == 1


async def test_a_message_id_of_another_bot_is_refused(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo", count=2))
        await hive.submit(SendMessage(bot_id="BOT-001", text="hello", message_id="taken"))
        with pytest.raises(CommandRejected, match="'taken' was used for BOT-001"):
            await hive.submit(SendMessage(bot_id="BOT-002", text="hello", message_id="taken"))
        assert (await lab.ask("BOT-002", "mine"))[0] == "mine"
        assert len(await hive.chat("BOT-002")) == 1


async def test_interrupt_ends_the_answer_and_keeps_the_bot(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="sleep 300"))
        await lab.until(lambda: lab.bot().message_id == message_id)
        await hive.submit(InterruptBot(bot_id="BOT-001"))
        _, turn = await lab.answer("BOT-001", message_id)
        assert turn.status == "interrupted"
        assert (await lab.ask("BOT-001", "echo still here"))[0] == "still here\n"
        assert lab.bot().run == 1


async def test_what_a_bot_said_before_it_died_is_kept_and_the_turn_is_interrupted(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="slowly"))
        words = " ".join(f"w{number}" for number in range(100))
        [message_id] = await hive.submit(SendMessage(bot_id="BOT-001", text=words))
        [waiting_id] = await hive.submit(SendMessage(bot_id="BOT-001", text="after"))
        seen = 0
        while not seen:
            events = await hive.events(bot_id="BOT-001", limit=5000)
            seen = sum(isinstance(entry.event, ev.OutputAdded) for entry in events)
        pid = lab.bot().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        text, turn = await lab.answer("BOT-001", message_id)
        assert turn.status == "interrupted"
        assert "SIGKILL" in turn.error
        assert text.startswith("w0")  # its line feed may have been on the way
        _, second = await lab.answer("BOT-001", waiting_id)
        assert second.status in ("interrupted", "answered"), "accepted by the dead run, or handed to the next"
        await lab.until(lambda: lab.bot().state is BotState.RUNNING)


async def test_messages_written_while_it_starts_are_delivered(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="echo", wait=False))
        assert (await lab.ask("BOT-001", "early bird"))[0] == "early bird"


async def test_the_breaker_opens_lets_one_trial_through_and_closes(lab: HiveInTest) -> None:
    lab.configure(AGENTS + '[agents.flaky]\nkind = "command"\nargv = ["test", "-e", "healed"]\n')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="flaky"))
        for _ in range(5):
            assert (await lab.ask("BOT-001", "try"))[1].status == "failed"
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        with pytest.raises(CommandRejected, match=r"Bot Unavailable \(recovering\)"):
            await hive.submit(SendMessage(bot_id="BOT-001", text="try"))
        (lab.folder.workspace("BOT-001") / "healed").touch()
        trial = await _when_admitted(lab, "try")
        assert lab.bot().breaker is Phase.HALF_OPEN
        await lab.answer("BOT-001", trial)
        await lab.until(lambda: lab.bot().breaker is Phase.CLOSED)
        assert "breaker" in [alert.kind for alert in lab.state.alerts if alert.cleared_at is not None]


async def _when_admitted(lab: HiveInTest, text: str) -> str:
    assert lab.hive is not None
    while True:
        try:
            [message_id] = await lab.hive.submit(SendMessage(bot_id="BOT-001", text=text))
            return message_id
        except CommandRejected as refusal:
            assert refusal.retry_after_s is not None
            await asyncio.sleep(min(0.1, refusal.retry_after_s))


REFUSED: tuple[tuple[Command, str], ...] = (
    (SendMessage(bot_id="BOT-001", text="  "), "empty"),
    (SendMessage(bot_id="BOT-001", text="x" * (1 << 20) + "y"), "1 MiB"),
    (SendMessage(bot_id="BOT-001", text="half \ud800"), "no valid Unicode"),
    (SendMessage(bot_id="BOT-001", text="hi", sender="\ud800"), "no valid Unicode"),
    (SendMessage(bot_id="BOT-001", text="hi", sender="x" * 129), "longer than 128"),
    (SendMessage(bot_id="BOT-001", text="hi", message_id="two words"), "visible ASCII"),
    (SendMessage(bot_id="BOT-9", text="hi"), "did you mean BOT-001"),
    (InterruptBot(bot_id="GHOST"), "no bot 'GHOST'"),
    (LaunchBots(what="shall"), "did you mean 'shell'"),
    (LaunchBots(what="shell", count=0), "1 to 999"),
    (LaunchBots(what="shell", bot_id="../x"), "cannot name a bot"),
    (LaunchBots(what="shell", bot_id="B", count=2), "One id cannot name 2 bots"),
    (LaunchBots(what="gone"), "'no-such-program', the program of agent 'gone', is not on PATH"),
)


async def test_bad_input_is_one_sentence_and_changes_nothing(lab: HiveInTest) -> None:
    lab.configure('[agents.gone]\nkind = "command"\nargv = ["no-such-program"]\n')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        for command, reason in REFUSED:
            before = lab.state
            with pytest.raises(CommandRejected, match=reason):
                await hive.submit(command)
            assert lab.state.bots == before.bots, command


async def test_too_many_waiting_messages_are_refused_until_few_wait(lab: HiveInTest) -> None:
    lab.configure('[agents.gate]\nkind = "command"\nargv = ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"]\n')
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="gate"))
        with pytest.raises(CommandRejected, match="Bot busy, please wait: 10 messages wait") as refusal:
            for _ in range(40):
                await hive.submit(SendMessage(bot_id="BOT-001", text="more"))
        assert refusal.value.status == 429
        assert refusal.value.retry_after_s
        (lab.folder.workspace("BOT-001") / "go").touch()
        last = await _when_admitted(lab, "the last")
        await lab.answer("BOT-001", last)
    told = [(row["event"], row["queue_depth"]) for row in lab.log("backpressure")]
    assert told[:2] == [("engaged", 10), ("refused", 10)] and ("released", 4) in told
