"""An agent that is any command line: how it gets the prompt, and what a broken declaration leads to."""

from pathlib import Path
from typing import Literal

import pytest

from deia_tui.bot.agents.command import resumed
from deia_tui.core.bots import AgentSpec

from .conftest import PYTHON, Launch, logs_of, text_of

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


# JSON lines

CODEX = {
    "message": "[type=item.completed].item[type=agent_message].text",
    "thought": "[type=item.completed].item[type=reasoning].text",
    "error": "[type=turn.failed].error.message | [type=error].message",
    "session": "thread_id",
    "total_input_tokens": "usage.input_tokens",
    "cache_read_tokens": "usage.cached_input_tokens",
    "output_tokens": "usage.output_tokens",
}
CODEX_LINES = """\
{"type":"thread.started","thread_id":"0199a213-81c0-7800-8aa1-bbab2a035a53"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"reasoning","text":"**Looking**"}}
{"type":"item.started","item":{"id":"item_1","type":"command_execution","command":"bash -lc ls","status":"in_progress"}}
not JSON at all
{"type":"error","message":"Reconnecting... 1/5"}
{"type":"item.completed","item":{"id":"item_2","type":"agent_message","text":"Two files."}}
{"type":"item.completed","item":{"id":"item_3","type":"agent_message","text":"That is all."}}
{"type":"turn.completed","usage":{"input_tokens":24763,"cached_input_tokens":24448,"output_tokens":122}}"""
OPENCODE = {
    "message": "[type=text].part.text",
    "error": "[type=error].error.data.message | [type=error].error.name",
    "session": "sessionID",
    "input_tokens": "part.tokens.input",
    "output_tokens": "part.tokens.output",
    "cache_read_tokens": "part.tokens.cache.read",
    "cache_write_tokens": "part.tokens.cache.write",
    "cost_usd": "part.cost",
}
OPENCODE_LINES = """\
{"type":"step_start","timestamp":1,"sessionID":"ses_494719016f","part":{"id":"prt_1","type":"step-start"}}
{"type":"text","timestamp":2,"sessionID":"ses_494719016f","part":{"id":"prt_2","type":"text","text":"Hello"}}
{"type":"step_finish","timestamp":3,"sessionID":"ses_494719016f","part":{"type":"step-finish","reason":"stop",\
"cost":0.001,"tokens":{"input":671,"output":8,"reasoning":0,"cache":{"read":21415,"write":3}}}}
"""
PRINT = "import sys; sys.stdout.write(sys.argv[1]); print(sys.argv[3:], file=sys.stderr)"


def jsonl(lines: str, fields: dict[str, str], *more: str) -> AgentSpec:
    argv = (PYTHON, "-c", PRINT, lines, *more)
    return AgentSpec(name="mine", kind="command", argv=argv, output="jsonl", fields=tuple(fields.items()))


async def test_json_lines_of_codex_become_a_turn_that_can_be_resumed(launch: Launch) -> None:
    bot = await launch(jsonl(CODEX_LINES, CODEX, "--", "exec", "resume", "{session}", "-"))
    frames = await bot.answer("how many files?")
    assert text_of(frames) == "Two files.\n\nThat is all."
    assert [frame["text"] for frame in frames if frame["type"] == "thought"] == ["**Looking**"]
    [usage] = [frame["usage"] for frame in frames if frame["type"] == "usage"]
    assert (usage["input_tokens"], usage["cache_read_tokens"], usage["output_tokens"]) == (315, 24448, 122)
    [session] = [frame for frame in frames if frame["type"] == "session"]
    assert session["session_id"] == "0199a213-81c0-7800-8aa1-bbab2a035a53"
    assert sorted(logs_of(frames)) == ["['exec', '-']", "not JSON at all"]
    assert frames[-1]["status"] == "answered"
    frames = await bot.answer("and now?")
    assert "['exec', 'resume', '0199a213-81c0-7800-8aa1-bbab2a035a53', '-']" in logs_of(frames)
    assert not [frame for frame in frames if frame["type"] == "session"]


async def test_json_lines_of_opencode(launch: Launch) -> None:
    bot = await launch(jsonl(OPENCODE_LINES, OPENCODE))
    frames = await bot.answer("hello")
    assert text_of(frames) == "Hello"
    [usage] = [frame["usage"] for frame in frames if frame["type"] == "usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]) == (671, 8, 0.001)
    assert (usage["cache_read_tokens"], usage["cache_write_tokens"]) == (21415, 3)
    assert not [frame for frame in frames if frame["type"] == "session"], "nothing in argv could resume it"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"type":"turn.failed","error":{"message":"usage limit"}}', "usage limit"),
        ('{"type":"error","message":"no such model"}', "no such model"),
    ],
)
async def test_an_error_in_json_lines_is_the_failure(launch: Launch, line: str, error: str) -> None:
    end = (await (await launch(jsonl(line, CODEX))).answer("go"))[-1]
    assert (end["status"], end["error"], end["failure"]) == ("failed", error, "error")


async def test_hostile_json_lines_are_data(launch: Launch) -> None:
    lines = (
        '[1]\nnull\n{"a": {"text": 7}}\n{"text": "\\ud800\\u0000x"}\n{"usage":{"output_tokens":1e999}}\n' + "[" * 5000
    )
    bot = await launch(jsonl(lines, {"text": "text", "output_tokens": "usage.output_tokens", "session": "text"}))
    frames = await bot.answer("go")
    assert frames[-1]["status"] == "answered"
    assert text_of(frames) == "?\0x"
    assert [frame["usage"]["output_tokens"] for frame in frames if frame["type"] == "usage"] == [0]


async def test_fields_that_do_not_exist_end_the_bot_with_a_sentence(launch: Launch) -> None:
    bot = await launch(jsonl("", {"txt": "a"}), ready=False)
    assert bot.wait() == 78
    assert bot.log().startswith("The fields of agent 'mine' in hive.toml: there is no field 'txt': known are text, ")


def test_a_word_for_a_session_that_is_not_there_is_left_out() -> None:
    assert resumed(("a", "--resume", "{session}", "b"), "") == ("a", "b")
    assert resumed(("a", "--resume={session}", "b"), "") == ("a", "b")
    assert resumed(("a", "{session}", "b"), "") == ("a", "b")
    assert resumed(("a", "--resume", "{session}", "s={session}"), "x") == ("a", "--resume", "x", "s=x")
