"""What looks like a credential is in no frame, no log and no spool, whichever way it comes and however it is cut."""

import os
import subprocess
import sys

from deia_tui.core.bots import AgentSpec

from .conftest import PYTHON, Bot, Launch, logs_of, text_of, until

SECRET = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"


def traces(bot: Bot) -> list[str]:
    """The files of the hive in which the secret stands."""
    files = [path for path in bot.folder.deia.rglob("*") if path.is_file()]
    return [path.name for path in files if SECRET[20:].encode() in path.read_bytes()]


async def test_in_two_pieces_on_both_streams(bot: Bot) -> None:
    script = (
        "import os, time\n"
        f"for piece in ('using {SECRET[:25]}', '{SECRET[25:]} now\\\\n', 'next'):\n"
        "    for stream in (1, 2):\n"
        "        os.write(stream, piece.encode())\n"
        "    time.sleep(0.15)\n"
    )
    (bot.root / "speaker.py").write_text(script.replace("\\\\n", "\\n"))
    frames = await bot.answer(f"{PYTHON} {bot.root}/speaker.py")
    assert text_of(frames) == "using [redacted] now\nnext"
    assert logs_of(frames) == ["using [redacted] now", "next"]
    assert bot.log() == "using [redacted] now\nusing [redacted] now\nnextnext"
    assert traces(bot) == []


async def test_in_errors_and_reasons(launch: Launch) -> None:
    bot = await launch()
    assert (await bot.answer(f"./{SECRET}"))[-1]["error"] == "not run: './[redacted]' does not exist"
    broken = await launch(AgentSpec(name="x", kind="command", argv=(f"/{SECRET}",)), bot_id="BOT-002", ready=False)
    assert broken.wait() == 78
    assert [frame["level"] for frame in broken.spooled()] == ["error"]
    assert traces(bot) == []


async def test_a_word_is_shown_while_the_agent_thinks(bot: Bot) -> None:
    fifo = bot.root / "go"
    os.mkfifo(fifo)
    script = f"import os; os.write(1, b'Hello wor'); os.write(1, open('{fifo}', 'rb').read())"
    sent = await bot.send(f'{PYTHON} -c "{script}"')
    async with bot.events() as events:
        shown = ""
        while shown != "Hello wor":
            shown += text_of(await events.until("output"))
        until(lambda: bot.log() == "Hello wor", "the unfinished line in the log")
        fifo.write_text("ld\n")
        assert text_of(await events.turn(sent["message_id"])) == "ld\n"
    assert bot.log() == "Hello world\n"


def test_a_traceback_of_the_bot_itself() -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deia_tui.bot.output_log import OutputLog\n"
        "sys.stderr = OutputLog(Path('/nonexistent'))\n"
        f"raise ValueError('{SECRET} is wrong')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.stderr.endswith("ValueError: [redacted] is wrong\n")
    assert ended.stderr.startswith("Traceback")
