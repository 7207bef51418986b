"""A program that is kept: its lines, what it writes beside them, and every way it ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deia_tui.bot.agents.companion import MAX_LINE, Companion
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted
from deia_tui.bot.agents.protocol import AgentFailed
from deia_tui.bot.children import Children

from .conftest import DEADLINE_S, PYTHON, is_running, until

Start = Callable[..., Awaitable[Companion]]
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
async def start(tmp_path: Path, logged: list[str]) -> AsyncIterator[Start]:
    companions: list[Companion] = []

    async def start(*argv: str, program: str = "") -> Companion:
        place = Place(folder=tmp_path, own=False, spools=tmp_path, env={"PATH": "/usr/bin:/bin", "MARK": "mine"})
        line = argv or (PYTHON, "-c", program)
        companions.append(await Companion.start(line, place, Children(), logged.append))
        return companions[-1]

    yield start
    for companion in companions:
        await companion.close()


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_lines_go_in_and_come_out(start: Start) -> None:
    echo = await start(program=ECHO)
    for line in (b"one", b"x" * 5_000_000, b""):
        await echo.write(line)
        assert await echo.line() == line
    assert echo.running
    await echo.close()
    assert not echo.running
    assert echo.how == "exit 0"
    assert await echo.line() is None


async def test_it_works_where_it_should_with_that_environment_and_no_other(start: Start, tmp_path: Path) -> None:
    env = await start("sh", "-c", "pwd; exec env")
    lines = [await env.line() for _ in range(2)]
    while (line := await env.line()) is not None:
        lines.append(line)
    assert lines[0] == str(tmp_path).encode()
    assert b"MARK=mine" in lines
    names = {line.split(b"=")[0] for line in lines[1:] if line}
    assert names - {b"PWD", b"OLDPWD", b"SHLVL", b"_"} == {b"PATH", b"MARK"}


async def test_a_line_without_end_is_a_failure_and_no_hang(start: Start) -> None:
    yes = await start("sh", "-c", "exec tr '\\0' x </dev/zero")
    with pytest.raises(AgentFailed, match=f"more than {MAX_LINE >> 20} MiB"):
        await yes.line()


async def test_stderr_is_taken_always_and_told_within_bounds(start: Start, logged: list[str]) -> None:
    flood = "import sys\nsys.stderr.write('x' * 3_000_000 + '\\nlast words\\n')\nprint('done', flush=True)\ninput()"
    program = await start(program=flood)
    assert await program.line() == b"done"
    await program.close()
    assert 0 < sum(map(len, logged)) < 1_000_000
    assert [line for line in logged if "were dropped" in line]


async def test_stderr_belongs_to_the_turn_while_there_is_one(start: Start, logged: list[str]) -> None:
    warned: list[bytes] = []
    program = await start(program="import sys\nfor line in sys.stdin: sys.stderr.write(line); sys.stderr.flush()")
    with program.turn(warned.append):
        await program.write(b"in the turn")
        await eventually(lambda: warned)
    await program.write(b"after it")
    await eventually(lambda: logged)
    assert b"".join(warned) == b"in the turn\n"
    assert logged == ["after it"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit('no such model')", "exit 1: no such model"),
        ("raise SystemExit(7)", "exit 7"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
async def test_how_it_ended(start: Start, program: str, words: str) -> None:
    ended = await start(program=program)
    assert await ended.ended() == ended.how == words
    assert await ended.line() is None
    with pytest.raises(AgentFailed, match="takes nothing any more"):
        for _ in range(3):
            await ended.write(b"hello?")


async def test_a_daemon_that_keeps_its_pipes_holds_nobody_up(start: Start, tmp_path: Path) -> None:
    program = await start("sh", "-c", "echo $$; setsid sleep 300 & echo $!; exit 3")
    leader, daemon = int(await program.line() or 0), int(await program.line() or 0)
    assert leader
    assert await program.line() is None
    assert await program.ended() == "exit 3"
    os.kill(daemon, signal.SIGKILL)


async def test_what_does_not_want_to_end_is_killed_with_its_group(start: Start) -> None:
    program = await start("sh", "-c", "trap '' TERM HUP; sleep 300 & echo $!; while :; do wait; done")
    sleeper = int(await program.line() or 0)
    await program.close()
    assert program.how == "SIGKILL"
    until(lambda: not is_running(sleeper), "the group ended")


async def test_a_program_that_reads_nothing_can_be_closed(start: Start) -> None:
    program = await start("sleep", "300")
    writing = asyncio.create_task(program.write(b"x" * 1_000_000))
    await asyncio.sleep(0)
    await program.close()
    with pytest.raises(AgentFailed):
        await writing


async def test_what_cannot_start_says_why(start: Start) -> None:
    with pytest.raises(NotStarted, match="'no-such-program' is not on PATH"):
        await start("no-such-program")
