"""An agent that is any command line: how it gets the prompt, and what a broken declaration leads to."""

from pathlib import Path
from typing import Literal

import pytest

from deia_tui.core.bots import AgentSpec

from .conftest import PYTHON, Launch, text_of

READ_FILE = "import sys; sys.stdout.write('<' + open(sys.argv[1]).read() + '>')"
READ_STDIN = "import sys; sys.stdout.write('<' + sys.stdin.read() + '>')"
READ_ARGUMENT = "import sys; sys.stdout.write('<' + sys.argv[1] + '>')"
PROMPT = "two lines;\n$HOME 'ünïcode' {prompt}"


def command(*argv: str, prompt: Literal["stdin", "argument", "file"] = "stdin") -> AgentSpec:
    return AgentSpec(name="mine", kind="command", argv=argv, prompt=prompt)


@pytest.mark.parametrize(
    "agent",
    [
        command(PYTHON, "-c", READ_STDIN),
        command(PYTHON, "-c", READ_ARGUMENT, "{prompt}", prompt="argument"),
        command(PYTHON, "-c", READ_ARGUMENT, prompt="argument"),
        command(PYTHON, "-c", READ_FILE, "{prompt_file}", prompt="file"),
        command(PYTHON, "-c", READ_FILE, prompt="file"),
    ],
    ids=["stdin", "argument", "argument-last", "file", "file-last"],
)
async def test_the_prompt_arrives_as_it_was_sent(launch: Launch, agent: AgentSpec) -> None:
    bot = await launch(agent, PYTHONUTF8="1")
    frames = await bot.answer(PROMPT)
    assert text_of(frames) == f"<{PROMPT}>"
    assert frames[-1]["status"] == "answered"
    assert not list(bot.folder.spools.glob("*.prompt"))


async def test_a_large_prompt_to_a_program_that_does_not_read_it(launch: Launch) -> None:
    bot = await launch(command("true"))
    assert (await bot.answer("x" * (1 << 20)))[-1]["status"] == "answered"


async def test_what_no_argument_can_carry_is_a_failed_turn(launch: Launch) -> None:
    bot = await launch(command("echo", prompt="argument"))
    assert (await bot.answer("x" * 500_000))[-1]["error"] == "not run: 'echo' cannot take so long an argument"
    end = (await bot.answer("a\0b"))[-1]
    assert (end["status"], end["error"]) == ("failed", "not run: 'echo' cannot run: embedded null byte")


async def test_the_exit_status_is_the_result(launch: Launch) -> None:
    bot = await launch(command("sh", "-c", "echo working; exit 5"))
    frames = await bot.answer("anything")
    assert text_of(frames) == "working\n"
    assert (frames[-1]["status"], frames[-1]["error"], frames[-1]["failure"]) == ("failed", "exit 5", None)


async def test_it_works_in_the_folder_that_was_declared(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "answer").write_text("#!/bin/sh\npwd\n")
    (tmp_path / "work" / "answer").chmod(0o700)
    bot = await launch(command("./answer"), workdir=str(tmp_path / "work"))
    assert text_of(await bot.answer("where?")).strip() == str(tmp_path / "work")
    await bot.http.post("/stop")
    assert bot.wait() == 0
    assert (tmp_path / "work").is_dir()


@pytest.mark.parametrize(
    ("agent", "workdir", "sentence"),
    [
        (command("no-such-agent"), "", "'no-such-agent', the program of agent 'mine', is not on PATH."),
        (command("./nothing"), "", "'./nothing', the program of agent 'mine', does not exist or cannot be executed."),
        (command(), "", "Agent 'mine' has no argv: declare its command line in hive.toml."),
        (command("true"), "/no/such/folder", "The working folder /no/such/folder does not exist or cannot be entered."),
    ],
    ids=["path", "file", "argv", "workdir"],
)
async def test_an_agent_that_cannot_start_ends_the_bot(
    launch: Launch, agent: AgentSpec, workdir: str, sentence: str
) -> None:
    bot = await launch(agent, ready=False, workdir=workdir)
    assert bot.wait() == 78
    assert bot.log() == sentence + "\n"
    [frame] = bot.spooled()
    assert (frame["type"], frame["level"], frame["text"]) == ("log", "error", sentence)
    assert '"code": 78' in bot.folder.own_exit_record("BOT-001", 1).read_text()


async def test_a_daemon_that_keeps_stdout_open_leaves_nothing_in_the_log(launch: Launch) -> None:
    bot = await launch(AgentSpec(name="daemon", kind="command", argv=("sh", "-c", "sleep 300 & echo done")))
    assert text_of(await bot.answer("go")) == "done\n"
    await bot.answer("go")
    assert "Traceback" not in bot.log()
