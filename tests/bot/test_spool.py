"""Frames are there until somebody committed them: replay, acknowledgement, death of the bot, a full disk."""

import asyncio
import json
import os
import resource
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from deia_tui.bot.spool import Spool
from deia_tui.core.frames import Frame, decode

from .conftest import PYTHON, Bot, text_of, until


async def test_frames_survive_kill_9(bot: Bot) -> None:
    sent = await bot.send(f"{PYTHON} -c \"import time; print('written', flush=True); time.sleep(60)\"")
    async with bot.events() as events:
        seen = await events.until("output")
        os.kill(bot.pid, signal.SIGKILL)
    assert bot.wait() == -signal.SIGKILL
    assert bot.spooled() == seen
    assert text_of(bot.spooled()) == "written\n"
    assert bot.spooled()[-1]["message_id"] == sent["message_id"]
    assert stat.S_IMODE(bot.folder.spool("BOT-001", 1).stat().st_mode) == 0o600


async def test_listeners_get_what_follows_their_number_then_what_comes(bot: Bot) -> None:
    async with bot.events() as first:
        await bot.send("echo one", message_id="one")
        seen = await first.turn("one")
        for after in (0, 2, len(seen), 7):
            async with bot.events(after) as late:
                await bot.send("echo more", message_id=f"after-{after}")
                seen += await first.turn(f"after-{after}")
                assert await late.turn(f"after-{after}") == seen[after:]
        assert [frame["seq"] for frame in seen] == list(range(1, len(seen) + 1))


async def test_no_gap_and_no_double_for_listeners_that_come_and_go(bot: Bot) -> None:
    lines = 20_000
    script = f"for number in range({lines}): print(number)"
    await bot.send(f'{PYTHON} -c "{script}"', message_id="many")
    frames: list[Frame] = []
    while not frames or frames[-1]["type"] != "turn_ended":
        async with bot.events(len(frames)) as events:
            for _ in range(2):
                frames.append(await events.next())
                if frames[-1]["type"] == "turn_ended":
                    break
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert text_of(frames).split() == [str(number) for number in range(lines)]


async def test_what_is_acknowledged_is_forgotten(bot: Bot) -> None:
    last = (await bot.answer("echo hello"))[-1]["seq"]
    async with bot.events() as events:
        await events.ack(3)
        while (status := await bot.status())["acked_seq"] < 3:
            await asyncio.sleep(0.005)
        assert status["last_seq"] == last
        async with bot.events() as late:
            assert (await late.next())["seq"] == 4
        await events.ack(10**9)
        until(lambda: bot.folder.spool("BOT-001", 1).read_bytes() == b"", "an empty spool")
        assert (await bot.status())["acked_seq"] == last
        assert (await bot.answer("echo again"))[0]["seq"] == last + 1
    assert [frame["seq"] for frame in bot.spooled()] == list(range(last + 1, last + 5))


@pytest.mark.parametrize("words", ["no JSON", "[]", '{"ack": "1"}', "", b"\xff"])
async def test_listeners_that_talk_nonsense_are_told(bot: Bot, words: str | bytes) -> None:
    async with bot.events() as events:
        await events.next()
        await events.socket.send(words)
        with pytest.raises(ConnectionClosed) as closed:
            await events.next()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1003, 'only {"ack": SEQ} is understood')
    assert (await bot.http.get("/health")).status_code == 200


# The spool by itself


def output(text: str) -> Frame:
    return {"type": "output", "message_id": "m", "text": text}


def seqs(path: Path) -> list[int]:
    return [frame["seq"] for line in path.read_bytes().splitlines() if (frame := decode(line))]


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def spool(tmp_path: Path, complaints: list[str]) -> Spool:
    return Spool(tmp_path / "spool", complaints.append)


def test_a_long_file_is_rewritten_once_most_of_it_is_acknowledged(spool: Spool, tmp_path: Path) -> None:
    for _ in range(30):
        spool.add(output("x" * 65536))
    spool.ack(5)
    assert seqs(tmp_path / "spool") == list(range(1, 31))
    spool.ack(20)
    assert seqs(tmp_path / "spool") == list(range(21, 31))
    spool.add(output("more"), output("and more"))
    assert seqs(tmp_path / "spool") == list(range(21, 33))
    assert [json.loads(line)["seq"] for line in spool.after(0)] == list(range(21, 33))
    spool.ack(32)
    assert (tmp_path / "spool").read_bytes() == b""
    assert spool.add(output("last")) == 33
    assert seqs(tmp_path / "spool") == [33]


def test_output_that_nobody_takes_is_dropped_at_last_and_nothing_else(spool: Spool, complaints: list[str]) -> None:
    chunk = "x" * (4 * 1024 * 1024)
    while not spool.dropped_output_bytes:
        last = spool.add(output(chunk))
    assert last == 15
    assert spool.dropped_output_bytes == len(chunk)
    assert spool.add({"type": "turn_ended"}, output(chunk), {"type": "log"}) == 17
    assert spool.dropped_output_bytes == 2 * len(chunk)
    spool.ack(16)
    assert spool.add(output(chunk)) == 19
    told = decode(spool.after(17)[0])
    assert told is not None
    assert (told["type"], int(told["text"].split()[0])) == ("log", 2 * len(chunk))
    spool.ack(19)
    assert spool.last_seq == 19
    assert complaints == []


def test_a_spool_that_cannot_be_written_works_in_memory_and_says_so_once(complaints: list[str]) -> None:
    spool = Spool(Path("/dev/full"), complaints.append)
    for number in range(5):
        assert spool.add(output("x")) == number + 1
    assert complaints == [
        "The spool cannot be written (No space left on device): what is said now is lost if the bot dies."
    ]
    assert spool.promise(output("y")) is None
    assert len(spool.after(0)) == 5
    spool.ack(5)
    assert spool.after(0) == []


def test_after_a_full_disk_everything_is_caught_up_on_fresh_lines(
    spool: Spool, tmp_path: Path, complaints: list[str]
) -> None:
    path = tmp_path / "spool"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    spool.add(output("before"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, old[1]))
    try:
        spool.add(output("a"), output("torn"))
        spool.add(output("nowhere"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert len(complaints) == 1
    assert set(seqs(path)) < {1, 2, 3, 4}
    _repeat(lambda: spool.add(output("after")), lambda: spool.last_seq in seqs(path))
    assert set(seqs(path)) == set(range(1, spool.last_seq + 1))
    assert sum(decode(line) is None for line in path.read_bytes().splitlines()) <= 1


def _repeat(act: Callable[[], object], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        act()
        time.sleep(0.05)
