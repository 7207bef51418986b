"""The output log of a bot stays small, whatever its agent writes, and loses nothing before it is full."""

import os
import re
import signal
from pathlib import Path

from deia_tui import segments
from deia_tui.bot.output_log import SHARE
from deia_tui.folder import Folder

from .conftest import PYTHON, Launch, text_of

FULL = segments.full_at(SHARE)


def everything(log: Path) -> bytes:
    return b"".join(path.read_bytes() for path in [*segments.older(log), log])


async def test_it_is_set_aside_between_two_lines_and_the_oldest_goes(launch: Launch, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    log = folder.output_log("BOT-001")
    for number, size in ((9, 1000), (10, FULL)):
        with log.with_name(f"{log.name}.{number:06d}").open("wb") as file:
            file.truncate(size)
    with log.open("wb") as file:
        file.truncate(FULL - 1_000_000)
    bot = await launch()
    await bot.answer("seq 300000")
    ninth, tenth, older = (log.with_name(f"{log.name}.{number:06d}") for number in (9, 10, 11))
    assert segments.older(log) == [older]  # with another full one, they would be more than the share
    assert not ninth.exists() and not tenth.exists()
    assert FULL - 70_000 < older.stat().st_size <= FULL
    assert older.read_bytes().endswith(b"\n")
    written = older.read_bytes().lstrip(b"\0\n") + log.read_bytes()
    assert written == b"".join(b"%d\n" % number for number in range(1, 300_001))
    assert log.stat().st_mode & 0o777 == 0o600
    assert text_of(await bot.answer("echo hello")) == "hello\n"
    assert log.read_bytes().endswith(b"hello\n")


async def test_a_million_lines_are_kept_on_either_stream(launch: Launch) -> None:
    bot = await launch()
    script = "import os; [os.write(2, b'%d %d' % (n, n) + b' is a line\\n') for n in range(200_000)]"
    await bot.answer(f'{PYTHON} -c "{script}"')
    await bot.answer("seq 1000000")
    assert len(re.findall(rb"(?m)^(\d+) \1 is a line$", everything(bot.folder.output_log("BOT-001")))) == 200_000
    lines = bot.log().splitlines()[200_000:]
    assert lines == [str(number) for number in range(1, 1_000_001)]


async def test_two_voices_do_not_tear_each_others_lines(launch: Launch) -> None:
    bot = await launch()
    script = (
        "import os\n"
        "voice = 1 if os.fork() else 2\n"
        "text = b''.join(b'%d:%d\\n' % (voice, n) for n in range(100_000))\n"
        "while text: text = text[os.write(voice, text[:5000]):]\n"
        "if voice == 1: os.wait()\n"
    )
    (bot.root / "voices.py").write_text(script)
    await bot.answer(f"{PYTHON} {bot.root}/voices.py")
    assert sorted(bot.log().splitlines()) == sorted(f"{voice}:{n}" for voice in (1, 2) for n in range(100_000))


async def test_what_the_bot_itself_says_begins_a_line(launch: Launch) -> None:
    bot = await launch()
    await bot.answer("printf unfinished")
    await bot.answer("echo next")
    assert bot.log() == "unfinished\nnext\n"
    os.kill(bot.pid, signal.SIGTERM)
    assert bot.wait() == 0


async def test_a_new_run_begins_a_line(launch: Launch, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    folder.output_log("BOT-001").write_text("killed in mid-")
    bot = await launch()
    await bot.answer("echo hello")
    assert bot.log() == "killed in mid-\nhello\n"
