"""What becomes of a message: streamed answers, refusals, failures, interruption, floods; with the shell agent."""

import os
import resource
import stat
import time

import pytest

from deia_tui.core.bots import AgentSpec

from .conftest import PYTHON, SHELL, Bot, Launch, is_running, logs_of, text_of, until


async def test_an_answer_streams_while_it_is_produced(bot: Bot) -> None:
    fifo = bot.root / "go"
    os.mkfifo(fifo)
    script = f"print('first', flush=True); open({str(fifo)!r}).read(); print('second')"
    sent = await bot.send(f'{PYTHON} -c "{script}"')
    async with bot.events() as events:
        before = await events.until("output")
        assert text_of(before) == "first\n"
        assert (await bot.status())["activity"] == "busy"
        fifo.write_text("")
        after = await events.turn(sent["message_id"])
    assert text_of(after) == "second\n"
    end = after[-1]
    assert (end["status"], end["error"], end["failure"]) == ("answered", "", None)
    assert end["duration_s"] > 0


async def test_frames_of_a_turn_come_in_order(bot: Bot) -> None:
    frames = await bot.answer("echo hello", message_id="m")
    assert [frame["type"] for frame in frames] == ["accepted", "turn_started", "output", "turn_ended"]
    assert all(frame["message_id"] == "m" for frame in frames)
    assert [frame["seq"] for frame in frames] == [2, 3, 4, 5]
    assert all(abs(frame["at"] - time.time()) < 60 for frame in frames)


async def test_a_program_finds_itself_in_the_bots_workspace(launch: Launch) -> None:
    bot = await launch(SHELL, GREETING="hello")
    workspace = bot.folder.workspace("BOT-001")
    assert text_of(await bot.answer("pwd")).strip() == str(workspace)
    assert stat.S_IMODE(workspace.stat().st_mode) == 0o700
    environment = dict(line.split("=", 1) for line in text_of(await bot.answer("env")).splitlines())
    assert environment["GREETING"] == "hello"
    assert environment["DEIA_BOT_ID"] == "BOT-001"
    assert environment["DEIA_RUN"] == "n" * 32
    assert environment["DEIA_HIVE"] == str(bot.root)
    assert text_of(await bot.answer("cat")) == ""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("a\0b", "not run: there is a NUL character in it"),
        ("no-such-program x", "not run: 'no-such-program' is not on PATH"),
        ("./missing", "not run: './missing' does not exist"),
        ("/etc/passwd", "not run: '/etc/passwd' cannot run: Permission denied"),
    ],
)
async def test_what_cannot_run_is_refused_with_a_sentence(bot: Bot, line: str, error: str) -> None:
    end = (await bot.answer(line))[-1]
    assert (end["status"], end["error"], end["failure"]) == ("failed", error, "request")


@pytest.mark.parametrize(
    ("line", "error"),
    [("sh -c 'exit 3'", "exit 3"), (f"{PYTHON} -c 'import os; os.abort()'", "SIGABRT"), ("false", "exit 1")],
)
async def test_a_failed_program_names_its_exit(bot: Bot, line: str, error: str) -> None:
    end = (await bot.answer(line))[-1]
    assert (end["status"], end["error"], end["failure"]) == ("failed", error, None)
    assert (await bot.status())["failed"] == 1


async def test_a_program_that_takes_too_long_is_ended(launch: Launch) -> None:
    bot = await launch(AgentSpec(name="shell", kind="shell", timeout_s=0.1))
    end = (await bot.answer("sleep 60"))[-1]
    assert (end["status"], end["error"]) == ("failed", "not done after 0.1 s")


async def test_a_program_that_is_silent_for_too_long_is_ended(launch: Launch) -> None:
    bot = await launch(AgentSpec(name="shell", kind="shell", idle_timeout_s=1.0))
    end = (await bot.answer("sleep 60"))[-1]
    assert (end["status"], end["error"], end["failure"]) == ("failed", "nothing came for 1 s", "outage")
    script = "import time; [(print(n, flush=True), time.sleep(0.1)) for n in range(15)]"
    assert (await bot.answer(f'{PYTHON} -c "{script}"'))[-1]["status"] == "answered"


async def test_interrupt_ends_even_what_ignores_signals_and_its_tree(bot: Bot) -> None:
    script = bot.root / "stubborn.py"
    script.write_text(
        "import os, signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "time.sleep(60)\n"
    )
    sent = await bot.send(f"{PYTHON} {script}")
    async with bot.events() as events:
        pids = ""
        while pids.count("\n") < 2:
            pids += text_of(await events.until("output"))
        assert (await bot.http.post("/interrupt")).json() == {"interrupted": sent["message_id"]}
        end = (await events.turn(sent["message_id"]))[-1]
    assert (end["status"], end["error"]) == ("interrupted", "interrupted")
    for pid in map(int, pids.split()):
        until(lambda pid=pid: not is_running(pid), f"{pid} gone")
    assert text_of(await bot.answer("echo alive")) == "alive\n"


async def test_interrupt_reaches_a_program_that_listens(bot: Bot) -> None:
    script = "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit('bye')); print(1, flush=True); "
    sent = await bot.send(f'{PYTHON} -c "{script}signal.pause()"')
    async with bot.events() as events:
        await events.until("output")
        await bot.http.post("/interrupt")
        frames = await events.turn(sent["message_id"])
    assert frames[-1]["status"] == "interrupted"
    assert logs_of(frames) == ["bye"]


async def test_bytes_that_are_no_text_survive(bot: Bot) -> None:
    script = r"import os; os.write(1, b'a\0b\xff\xfe\xe2\x82'); os.write(1, b'\xac\xf0\x9f')"
    assert text_of(await bot.answer(f'{PYTHON} -c "{script}"')) == "a\0b��€�"
    frames = await bot.answer("head -c 300000 /dev/urandom")
    assert frames[-1]["status"] == "answered"
    assert all(len(frame["text"]) <= 64 * 1024 for frame in frames if frame["type"] == "output")


async def test_a_long_line_arrives_whole(bot: Bot) -> None:
    script = "print('x' * 1_000_000)"
    frames = await bot.answer(f'{PYTHON} -c "{script}"')
    assert text_of(frames) == "x" * 1_000_000 + "\n"


async def test_a_flood_is_bounded(bot: Bot) -> None:
    sent = await bot.send("yes")
    async with bot.events() as events:
        frames = await events.until("log")
        await bot.http.post("/interrupt")
        frames += await events.turn(sent["message_id"])
    assert frames[-1]["status"] == "interrupted"
    assert len(text_of(frames)) == 8 * 1024 * 1024
    assert len(frames) < 1000
    first, *_, last = logs_of(frames)
    assert first == "The answer is longer than 8 MiB: the rest goes to the output log only."
    assert last.endswith("bytes of the answer are in the output log only.")
    left_out = sum(int(line.split()[0]) for line in logs_of(frames)[1:])
    assert (await bot.status())["dropped_output_bytes"] == left_out > 0


async def test_stderr_becomes_warnings_a_few_a_second(bot: Bot) -> None:
    script = "import sys; sys.stderr.write('one\\n\\ntwo'); sys.exit(4)"
    frames = await bot.answer(f'{PYTHON} -c "{script}"')
    assert logs_of(frames) == ["one", "two"]
    assert all(frame["level"] == "warning" for frame in frames if frame["type"] == "log")
    assert bot.log() == "one\n\ntwo"
    script = "import sys; sys.stderr.writelines(str(n) + '\\n' for n in range(5000))"
    logs = logs_of(await bot.answer(f'{PYTHON} -c "{script}"'))
    dropped = [int(line.split()[1]) for line in logs if line.endswith("lines dropped")]
    assert sum(dropped) + len(logs) - len(dropped) == 5000
    assert len(logs) < 1000


async def test_a_daemon_that_holds_stdout_does_not_hold_up_the_turn(bot: Bot) -> None:
    script = "import os, time; print(os.getpid(), flush=True); pid = os.fork(); pid or (os.setsid(), time.sleep(60))"
    frames = await bot.answer(f'{PYTHON} -c "{script}"')
    assert frames[-1]["status"] == "answered"
    assert text_of(await bot.answer("echo next")) == "next\n"


async def test_out_of_file_descriptors_is_a_failed_turn_and_passes(bot: Bot) -> None:
    async with bot.events() as events:
        await bot.status()
        highest = max(map(int, os.listdir(f"/proc/{bot.pid}/fd")))
        limits = resource.prlimit(bot.pid, resource.RLIMIT_NOFILE)
        for more in (1, 2, 4, 7):
            resource.prlimit(bot.pid, resource.RLIMIT_NOFILE, (highest + more, limits[1]))
            sent = await bot.send("echo hello")
            end = (await events.turn(sent["message_id"]))[-1]
            assert (end["status"], end["error"]) == ("failed", "not run: 'echo' cannot run: Too many open files")
        resource.prlimit(bot.pid, resource.RLIMIT_NOFILE, limits)
        sent = await bot.send("echo hello")
        assert text_of(await events.turn(sent["message_id"])) == "hello\n"
