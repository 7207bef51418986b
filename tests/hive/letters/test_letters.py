"""Messages between bots: written from inside an agent, read as a turn, and none lost or read twice whoever dies."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.commands import (
    AddTask,
    CancelTask,
    KillBot,
    LaunchBots,
    ReadLetter,
    SendLetter,
    SendMessage,
    StopBot,
)
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.core.state import Alert
from deia_tui.hive.hive import Hive

from ..conftest import HiveInTest
from ..test_refusing_store import refusing

ECHO = """
import sys, time, pathlib
text = sys.stdin.read()
with open("read.txt", "a") as file:
    file.write(text + "\\n=====\\n")
while pathlib.Path("wait").exists():
    time.sleep(0.01)
print(text)
"""
AGENTS = f"""
[agents.reader]
kind = "command"
provider = "reading"
argv = [{sys.executable!r}, "-c", '''{ECHO}''']
[messages]
backoff_base_s = 0.05
"""


async def send(hive: Hive, text: str, to: str = "BOT-002", **more: object) -> str:
    letter = {"from_bot": "BOT-001", "to_bot": to, "text": text, **more}
    [letter_id] = await hive.submit(SendLetter(**letter))  # type: ignore[arg-type]
    return letter_id


async def reached(hive: Hive, letter_id: str, state: LetterState, *, timeout_s: float = 20.0) -> Letter:
    deadline = time.monotonic() + timeout_s
    while True:
        letter = await hive.letter(letter_id)
        assert letter is not None
        if letter.state is state:
            return letter
        assert time.monotonic() < deadline, letter
        await asyncio.sleep(0.01)


async def told(hive: Hive, kind: type[ev.LetterEvent], letter_id: str) -> list[ev.LetterEvent]:
    """What was recorded of this kind of a letter."""
    events = [entry.event for entry in await hive.events(limit=5000)]
    return [event for event in events if isinstance(event, kind) and event.letter_id == letter_id]


def texts(lab: HiveInTest, bot_id: str = "BOT-002") -> list[str]:
    """What its agent was given, in order."""
    path = lab.folder.workspace(bot_id) / "read.txt"
    return path.read_text().split("\n=====\n")[:-1] if path.exists() else []


def hold(lab: HiveInTest, bot_id: str = "BOT-002") -> Callable[[], None]:
    """Its agent's turns take until this is called."""
    gate = lab.folder.workspace(bot_id) / "wait"
    gate.touch()
    return gate.unlink


async def busy(lab: HiveInTest, bot_id: str = "BOT-002") -> Callable[[], None]:
    """It is in the middle of a turn until this is called."""
    assert lab.hive is not None
    before = len(texts(lab, bot_id))
    release = hold(lab, bot_id)
    await lab.hive.submit(SendMessage(bot_id=bot_id, text="long"))
    await lab.until(lambda: len(texts(lab, bot_id)) > before)
    return release


async def test_a_letter_is_read_as_a_turn_and_answered_by_its_reader(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        first = await send(hive, "is the site up?", priority=1)
        letter = await reached(hive, first, LetterState.READ)
        assert (letter.attempt, letter.tries, letter.from_bot) == (1, 1, "BOT-001")
        await lab.until(lambda: texts(lab))
        [text] = texts(lab)
        assert text.startswith(f"Message {first} from BOT-001 (P1):\n\nis the site up?\n")
        assert f"deia-tui msg reply {first} " in text
        [answer] = await hive.submit(
            SendLetter(from_bot="BOT-002", to_bot="BOT-001", text="it is", reply_to=first, letter_id="answer-1")
        )
        await reached(hive, answer, LetterState.READ)
        assert [one.letter_id for one in await hive.letters(bot_id="BOT-001", partner="BOT-002")] == [answer, first]
        assert len(await hive.letters()) == 2, "what its agent says in the turn is no letter"
        assert hive.snapshot().work.letters_pending == 0
        assert hive.snapshot().work.letters_revision >= 4
        for kind in (ev.LetterHanded, ev.LetterDelivered, ev.LetterRead):
            assert len(await told(hive, kind, first)) == 1, kind


async def test_the_most_urgent_is_read_first_and_one_at_a_time(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        release = await busy(lab)
        sent = [await send(hive, f"P{priority}", priority=priority) for priority in (3, 2, 1, 0, 2)]
        assert hive.snapshot().work.letters_pending == 5
        waiting = [letter.priority for letter in await hive.unread_letters("BOT-002")]
        assert waiting == [0, 1, 2, 2, 3]
        release()
        for letter_id in sent:
            await reached(hive, letter_id, LetterState.READ)
        await lab.until(lambda: len(texts(lab)) == 6)
        assert [text.split("\n\n")[1] for text in texts(lab)[1:]] == ["P0", "P1", "P2", "P2", "P3"]


async def test_a_letter_waits_for_a_bot_that_is_off(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        await hive.submit(StopBot(bot_id="BOT-002"))
        letter_id = await send(hive, "for later")
        assert (await reached(hive, letter_id, LetterState.PENDING)).attempt == 0
    async with lab.supervised() as hive:
        assert (await reached(hive, letter_id, LetterState.PENDING)).attempt == 0
        await hive.submit(LaunchBots(what="reader", bot_id="BOT-002"))
        await reached(hive, letter_id, LetterState.READ)
        await lab.until(lambda: len(texts(lab)) == 1)


async def test_what_happened_while_nobody_supervised_is_found_again(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        release = await busy(lab)
        one, two = await send(hive, "one"), await send(hive, "two")
        await lab.until(lambda: any("letter:" in message_id for message_id, _ in lab.bot("BOT-002").queued))
    release()
    async with lab.supervised() as hive:
        for letter_id in (one, two):
            letter = await reached(hive, letter_id, LetterState.READ)
            assert (letter.attempt, letter.tries) == (1, 1)
            assert len(await told(hive, ev.LetterRead, letter_id)) == 1
        await lab.until(lambda: len(texts(lab)) == 3)
        assert [text.split("\n\n")[1] for text in texts(lab)[1:]] == ["one", "two"]


async def test_a_letter_whose_bot_is_killed_before_it_read_it_is_read_by_the_next_run_once(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        release = await busy(lab)
        letter_id = await send(hive, "do not lose me")
        await lab.until(lambda: any("letter:" in message_id for message_id, _ in lab.bot("BOT-002").queued))
        pid = lab.bot("BOT-002").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        release()
        await reached(hive, letter_id, LetterState.READ)
        await lab.until(lambda: any("do not lose me" in text for text in texts(lab)))
        await lab.ask("BOT-002", "more")
        assert lab.bot("BOT-002").run == 2
        assert len(await told(hive, ev.LetterRead, letter_id)) == 1
        assert sum("do not lose me" in text for text in texts(lab)) == 1


async def test_a_letter_nobody_could_be_given_expires_and_is_told_of(lab: HiveInTest) -> None:
    lab.configure(AGENTS + "keep_expired_h = 0.0002\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        await hive.submit(KillBot(bot_id="BOT-002"))
        letter_id = await send(hive, "too late", ttl_s=0.2)
        await lab.until(lambda: any(alert.kind == "messages-expired" for alert in lab.state.alerts))
        assert len(await told(hive, ev.LetterExpired, letter_id)) == 1
        assert hive.snapshot().work.letters_pending == 0
        deadline = time.monotonic() + 20
        while not any(isinstance(entry.event, ev.LettersCleaned) for entry in await hive.events(limit=5000)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert await hive.letter(letter_id) is None


async def test_one_that_waits_behind_work_expires_too(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        release = await busy(lab)
        letter_id = await send(hive, "too late", ttl_s=0.3)
        await reached(hive, letter_id, LetterState.EXPIRED)
        release()
        await lab.until(lambda: lab.bot("BOT-002").state is BotState.RUNNING and not lab.bot("BOT-002").message_id)
        assert len(texts(lab)) == 1


async def test_what_was_marked_as_read_is_not_given_to_the_agent(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        release = await busy(lab)
        letter_id = await send(hive, "seen already")
        await lab.until(lambda: any("letter:" in message_id for message_id, _ in lab.bot("BOT-002").queued))
        await hive.submit(ReadLetter(letter_id=letter_id, by="BOT-002"))
        assert (await reached(hive, letter_id, LetterState.READ)).state is LetterState.READ
        await hive.submit(ReadLetter(letter_id=letter_id, by="BOT-002"))
        assert len(await told(hive, ev.LetterRead, letter_id)) == 1
        await lab.until(lambda: not lab.bot("BOT-002").queued)
        release()
        await lab.ask("BOT-002", "next")
        assert not any("seen already" in text for text in texts(lab))


async def test_a_storm_of_letters_is_refused_and_says_when_to_come_back(lab: HiveInTest) -> None:
    lab.configure(AGENTS + "unread_sent = 7\nwarn_depth = 20\ncritical_depth = 22\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=4))
        for bot_id in ("BOT-002", "BOT-003", "BOT-004"):
            await hive.submit(KillBot(bot_id=bot_id))

        async def flood(to: str, sender: str, priority: int = 2) -> CommandRejected:
            with pytest.raises(CommandRejected) as refusal:
                for number in range(100):
                    await hive.submit(SendLetter(from_bot=sender, to_bot=to, text=f"{number}", priority=priority))
            return refusal.value

        own = await flood("BOT-003", "BOT-001")
        assert (own.status, str(own)) == (
            429,
            "7 messages of BOT-001 wait to be delivered: send no more before some are.",
        )
        depth = await flood("BOT-002", "human")
        assert (depth.status, str(depth)) == (
            429,
            "Bot busy, please wait: 10 messages wait for BOT-002.",
        )
        assert own.retry_after_s == depth.retry_after_s == 5.0
        await flood("BOT-002", "human", priority=0)
        assert len(await hive.unread_letters("BOT-002")) == 15, "what is urgent has a reserve"
        await lab.until(lambda: any(one.level == "critical" for one in open_alerts(lab)))
        assert [one.text for one in open_alerts(lab)] == ["22 messages between bots wait, most of them for BOT-002"]
        for letter in await hive.unread_letters("BOT-002"):
            await hive.submit(ReadLetter(letter_id=letter.letter_id))
        await lab.until(lambda: not open_alerts(lab))


def open_alerts(lab: HiveInTest) -> list[Alert]:
    """Those that tell of too many letters."""
    return [one for one in lab.state.alerts if one.kind == "messages-waiting" and one.cleared_at is None]


REFUSED = (
    ({"text": " "}, 400, "empty"),
    ({"text": "x" * 65_537}, 413, "64 KiB"),
    ({"text": "half \ud800"}, 400, "Unicode"),
    ({"to_bot": "BOT-7"}, 404, "did you mean BOT-001"),
    ({"from_bot": ""}, 400, "sender's name"),
    ({"from_bot": "BOT-001"}, 400, "BOT-001 cannot write to itself"),
    ({"priority": 4}, 400, "0 \\(urgent\\) to 3"),
    ({"ttl_s": 0.0}, 400, "choose such a time"),
    ({"letter_id": "a b"}, 400, "1 to 64"),
    ({"letter_id": "taken"}, 409, "used for another message"),
    ({"reply_to": "ghost"}, 404, "no message 'ghost' to answer"),
    ({"reply_to": "half \ud800"}, 404, "to answer"),
)


async def test_bad_letters_are_refused_in_a_sentence(lab: HiveInTest) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell"))
        good = {"from_bot": "human", "to_bot": "BOT-001", "text": "uname"}
        taken = SendLetter(**good, letter_id="taken")  # type: ignore[arg-type]
        assert await hive.submit(taken) == await hive.submit(taken) == ["taken"], "once more is nothing new"
        for wrong, status, reason in REFUSED:
            with pytest.raises(CommandRejected, match=reason) as refusal:
                await hive.submit(SendLetter(**{**good, "text": "other", **wrong}))  # type: ignore[arg-type]
            assert refusal.value.status == status, wrong
        with pytest.raises(CommandRejected, match="no message 'ghost'"):
            await hive.submit(ReadLetter(letter_id="ghost"))
        assert len(await hive.letters()) == 1


async def test_a_letter_to_a_shell_is_a_command_line(lab: HiveInTest, tmp_path: Path) -> None:
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="shell", count=2))
        letter_id = await send(hive, "touch came")
        await reached(hive, letter_id, LetterState.READ)
        await lab.until((lab.folder.workspace("BOT-002") / "came").exists)


FLAKY = f"""
[agents.flaky]
kind = "command"
provider = ""
argv = ["test", "-e", "healed"]
[bots.LATER]
agent = "reader"
{AGENTS}
"""


async def test_a_letter_waits_for_a_bot_that_recovers_and_is_its_trial(lab: HiveInTest) -> None:
    lab.configure(FLAKY)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="flaky"))
        for _ in range(5):
            await lab.ask("BOT-001", "try")
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        [letter_id] = await hive.submit(SendLetter(from_bot="human", to_bot="BOT-001", text="better?"))
        (lab.folder.workspace("BOT-001") / "healed").touch()
        assert (await reached(hive, letter_id, LetterState.READ)).tries == 1
        await lab.until(lambda: lab.bot().breaker is Phase.CLOSED)


async def test_a_bot_that_is_declared_and_was_never_launched_has_an_inbox(lab: HiveInTest) -> None:
    lab.configure(FLAKY)
    async with lab.supervised() as hive:
        [letter_id] = await hive.submit(SendLetter(from_bot="human", to_bot="LATER", text="welcome"))
        await hive.submit(LaunchBots(what="LATER"))
        await reached(hive, letter_id, LetterState.READ)
        await lab.until(lambda: texts(lab, "LATER"))


async def test_what_became_of_a_letter_is_written_down_once_the_store_takes_it(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        async with refusing(lab.folder, "WHEN NEW.type = 'letter_read'"):
            letter_id = await send(hive, "hello")
            await lab.until(lambda: texts(lab))
            await lab.ask("BOT-002", "and then?")
            waiting = await hive.letter(letter_id)
            assert waiting is not None and waiting.state is not LetterState.READ and waiting.attempt == 1
        await reached(hive, letter_id, LetterState.READ)
        assert len(await told(hive, ev.LetterRead, letter_id)) == 1
        assert len(texts(lab)) == 2


async def test_while_the_hive_is_strained_what_is_not_important_waits(lab: HiveInTest) -> None:
    lab.configure(AGENTS + "[strain]\nqueue_degraded = 1\nqueue_critical = 9\n")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        await hive.submit(StopBot(bot_id="BOT-001"))
        [task_id] = await hive.submit(AddTask(text="waits for its bot", to="BOT-001"))
        await lab.until(lambda: hive.snapshot().work.strain == "degraded")
        low, normal = await send(hive, "low", priority=3), await send(hive, "normal")
        await reached(hive, normal, LetterState.READ)
        assert (await reached(hive, low, LetterState.PENDING)).attempt == 0
        await hive.submit(CancelTask(task_id=task_id))
        await reached(hive, low, LetterState.READ)


async def test_a_paused_bot_is_given_no_letter(lab: HiveInTest) -> None:
    lab.configure(AGENTS)
    pause = lab.folder.controls / "BOT-002-PAUSE"
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="reader", count=2))
        pause.touch()
        await lab.until(lambda: lab.bot("BOT-002").paused)
        letter_id = await send(hive, "when you are back")
        other = await send(hive, "and you?", to="BOT-001", from_bot="human")
        await reached(hive, other, LetterState.READ)
        assert (await reached(hive, letter_id, LetterState.PENDING)).attempt == 0
        pause.unlink()
        await reached(hive, letter_id, LetterState.READ)
