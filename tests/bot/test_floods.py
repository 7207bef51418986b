"""Floods of output: nothing is lost or out of order while there is room, nobody waits for what nobody wants."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.bot.agents.backlog import CHUNK, Backlog

from .conftest import PYTHON, Bot, is_running, logs_of, text_of, until

ROOM = 100_000
"""Of the files in these tests."""


class Line:
    """A pipe, what went into it and what came out of the backlog behind it."""

    def __init__(self, folder: Path) -> None:
        read, self.pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.pipe, False)
        self.complaints: list[str] = []
        self.backlog = Backlog(os.fdopen(read, "rb", 0), folder, self.complaints.append, read_ahead=ROOM)
        self.written = self.taken = b""

    def write(self, count: int) -> int:
        """As much of it as the pipe holds."""
        start = len(self.written)
        data = b"".join(b"%d\n" % number for number in range(start, start + count // 4))[:count]
        try:
            done = os.write(self.pipe, data)
        except BlockingIOError:
            return 0
        self.written += data[:done]
        return done

    def fill_up(self) -> None:
        """Until whoever writes would have to wait."""
        while self.write(CHUNK) or self.backlog.fill():
            pass

    def take(self) -> None:
        self.taken += self.backlog.take()

    def end(self) -> bytes:
        """All that is left."""
        os.close(self.pipe)
        while self.backlog.fill() or self.backlog:
            self.take()
        assert self.backlog.complete
        self.backlog.close()
        return self.taken


@given(st.lists(st.integers(0, 80_000) | st.none(), max_size=60))
def test_what_goes_in_comes_out_in_order(tmp_path_factory: pytest.TempPathFactory, steps: list[int | None]) -> None:
    """A number is written, None takes."""
    line = Line(tmp_path_factory.getbasetemp())
    for step in steps:
        if step is None:
            line.take()
        else:
            line.write(step)
            line.backlog.fill()
        assert len(line.backlog) <= ROOM + CHUNK
    assert line.end() == line.written
    assert line.complaints == []


def test_whoever_writes_waits_when_there_is_no_room(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.fill_up()
    assert line.backlog.is_tight
    assert len(line.backlog) == ROOM + CHUNK
    line.take()
    assert line.backlog.fill() == 0  # in order: the file first
    line.take()
    assert line.backlog.fill() > 0
    assert line.end() == line.written


def test_a_pipe_that_was_half_full_becomes_large(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.write(CHUNK // 2 - 1)
    line.backlog.fill()
    assert line.write(2 * CHUNK) == CHUNK
    line.backlog.fill()
    assert line.write(2 * CHUNK) == 2 * CHUNK
    assert line.end() == line.written


def test_only_what_is_in_the_pipe_by_now(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.write(10_000)
    line.backlog.limit()
    expected = line.written
    line.write(10_000)
    while line.backlog.fill() or line.backlog:
        line.take()
    assert line.taken == expected
    assert line.backlog.complete
    line.backlog.close()
    os.close(line.pipe)


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.fill_up()
    line.take()
    assert line.backlog.drop() == len(line.written) - CHUNK
    assert (len(line.backlog), line.backlog.drop(), line.backlog.complete) == (0, 0, True)
    line.backlog.close()
    os.close(line.pipe)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_is_full_slows_the_writer_and_says_so_once(full_disk: Path) -> None:
    line = Line(full_disk)
    for _ in range(3):
        line.fill_up()
        assert line.backlog.is_tight
        line.take()
    assert line.end() == line.written
    assert line.complaints == [
        "The agent has to wait for the bot, no disk takes what it writes: No space left on device."
    ]


def test_no_disk_at_all(tmp_path: Path) -> None:
    line = Line(tmp_path / "missing")
    line.fill_up()
    assert len(line.backlog) == CHUNK
    assert line.end() == line.written
    assert line.complaints == [
        "The agent has to wait for the bot, no disk takes what it writes: No such file or directory."
    ]


async def test_each_voice_of_a_flood_stays_in_order(bot: Bot) -> None:
    script = (
        "import os\n"
        "voice = 1 if os.fork() else 2\n"
        "text = b''.join(b'%d:%d\\n' % (voice, n) for n in range(300_000))\n"
        "while text: text = text[os.write(voice, text[:1 << 20]):]\n"
        "if voice == 1: os.wait()\n"
    )
    (bot.root / "voices.py").write_text(script)
    assert (await bot.answer(f"{PYTHON} {bot.root}/voices.py"))[-1]["status"] == "answered"
    lines = bot.log().splitlines()
    for voice in ("1:", "2:"):
        assert [line for line in lines if line.startswith(voice)] == [f"{voice}{n}" for n in range(300_000)]


FLOOD = (
    "import os\n"
    "os.write(1, b'%d\\n' % os.getpid())\n"
    "text = b'api_key=abcdefgh is shown to nobody\\n' * 1_000_000\n"
    "for _ in range({times}):\n"
    "    at = 0\n"
    "    while at < len(text): at += os.write(1, text[at : at + (1 << 20)])\n"
)


@pytest.mark.parametrize("times", [1_000_000, 4], ids=["while it runs", "when it is over"])
async def test_an_interrupt_drops_what_is_not_relayed_and_says_so(bot: Bot, times: int) -> None:
    (bot.root / "flood.py").write_text(FLOOD.format(times=times))
    sent = await bot.send(f"{PYTHON} {bot.root}/flood.py")
    async with bot.events() as events:
        frames = await events.until("output")
        pid = int(text_of(frames).split()[0])
        if times == 4:
            until(lambda: not is_running(pid), "the program over")
        else:
            frames += await events.until("log")
        assert (await bot.http.post("/interrupt")).json() == {"interrupted": sent["message_id"]}
        frames += await events.turn(sent["message_id"])
    assert (frames[-1]["status"], frames[-1]["error"]) == ("interrupted", "interrupted")
    (dropped,) = [line for line in logs_of(frames) if "dropped" in line]
    assert dropped.endswith(" bytes that the agent wrote were dropped: it was interrupted.")
    assert int(dropped.split()[0]) > 1_000_000
    assert dropped in bot.log()
    assert b"abcdefgh" not in bot.folder.output_log(bot.bot_id).read_bytes()
    assert text_of(await bot.answer("echo next")) == "next\n"


async def test_a_daemon_that_floods_does_not_hold_up_the_turn(bot: Bot) -> None:
    script = (
        "import os\n"
        "if os.fork():\n"
        "    os.write(1, b'done\\n')\n"
        "    os._exit(0)\n"
        "os.setsid()\n"
        "while True: os.write(1, b'and another thing\\n' * 1000)\n"
    )
    (bot.root / "daemon.py").write_text(script)
    frames = await bot.answer(f"{PYTHON} {bot.root}/daemon.py")
    assert frames[-1]["status"] == "answered"
    assert "done\n" in text_of(frames)
    assert text_of(await bot.answer("echo next")) == "next\n"
