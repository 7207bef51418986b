"""Wrong use and broken surroundings: one sentence on stderr, the right exit code, no traceback, nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.terminal import Terminal


def refused(done: "subprocess.CompletedProcess[str]", code: int, *said: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for words in said:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["send", "BOT-01", "hi"], 2, ("no bot 'BOT-01'", "did you mean BOT-001")),
        (["launch", "shall"], 2, ("no template or agent 'shall'", "did you mean 'shell'")),
        (["launch", "shell", "--id", "../etc"], 2, ("cannot name a bot",)),
        (["launch", "shell", "--id", "BOT-001"], 1, ("BOT-001 runs already", "pid")),
        (["launch", "shell", "--count", "5000"], 2, ("1 to 999",)),
        (["launch", "shell", "--count", "2", "--id", "X"], 2, ("One id cannot name 2 bots",)),
        (["launch", "pathless"], 1, ("[agents.pathless]", "has no argv")),
        (["launch", "ghost"], 1, ("'no-such-program'", "not on PATH")),
        (["stop", "BOT-404"], 2, ("no bot 'BOT-404'",)),
        (["interrupt", "BOT-404"], 2, ("no bot 'BOT-404'",)),
        (["logs", "BOT-404"], 2, ("no bot 'BOT-404'",)),
        (["send", "BOT-001", "   "], 2, ("empty",)),
    ],
)
def test_what_cannot_be_is_said_and_nothing_changes(
    bot_lab: Operator, args: list[str], code: int, said: tuple[str, ...]
) -> None:
    before = [(bot["id"], bot["state"], bot["run"]) for bot in bot_lab.status()["bots"]]
    refused(bot_lab.run(*args), code, *said)
    assert [(bot["id"], bot["state"], bot["run"]) for bot in bot_lab.status()["bots"]] == before


@pytest.fixture(scope="module")
def bot_lab(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """One hive with one bot for all refusals: none of them changes it."""
    operator = Operator(tmp_path_factory.mktemp("refusals"))
    operator.folder.create()
    from deia_tui.settings import furnish

    furnish(operator.folder)
    with operator.folder.hive_toml.open("a") as settings:
        settings.write('\n[agents.ghost]\nkind = "command"\nargv = ["no-such-program"]\n')
        settings.write('[agents.pathless]\nkind = "acp"\n')
    operator.serve()
    operator.ok("launch", "shell")
    yield operator
    operator.leave()


@pytest.mark.parametrize("command", [["status"], ["launch", "shell"], ["send", "BOT-001", "hi"], ["stop", "--all"]])
def test_without_a_supervisor_the_exit_code_is_three(operator: Operator, command: list[str]) -> None:
    refused(operator.run(*command), 3, "No supervisor runs", "deia-tui serve")


def test_wrong_usage_is_exit_code_two(operator: Operator) -> None:
    for args in (["stop"], ["launch"], ["frobnicate"], ["stop", "A", "--all"]):
        done = operator.run(*args)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_no_terminal_names_what_works_without_one(operator: Operator) -> None:
    refused(operator.run(), 2, "not a terminal", "serve", "demo --headless")


def test_a_second_supervisor_is_refused_with_the_pid_of_the_first(bot_lab: Operator) -> None:
    pid = bot_lab.status()["supervisor"]["pid"]
    refused(bot_lab.run("serve"), 2, f"pid {pid}", "--take-over")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[restart]\nmax_restart = 3\n", ("line 2", "restart.max_restart", "did you mean 'max_restarts'")),
        ("[restart]\n\nmax_restarts = 'many'\n", ("line 3", "restart.max_restarts", "integer")),
        ("[hive]\non_term = 'explode'\n", ("line 2", "hive.on_term", "'leave' or 'stop'")),
        ("[bots.'a b']\nagent = 'shell'\n", ("cannot name a bot",)),
        ("[hive\n", ("line 1",)),
    ],
)
def test_a_malformed_hive_toml_is_named_with_file_line_and_field(
    operator: Operator, toml: str, said: tuple[str, ...]
) -> None:
    operator.folder.create()
    operator.folder.hive_toml.write_text(toml)
    refused(operator.run("serve"), 2, str(operator.folder.hive_toml), *said)


def test_a_broken_hive_toml_refuses_launches_and_the_running_hive_goes_on(serving: Operator) -> None:
    serving.ok("launch", "shell")
    serving.folder.hive_toml.write_text("[hive]\nnmae = 'x'\n")
    refused(serving.run("launch", "shell"), 1, "line 2", "did you mean 'name'")
    assert serving.ok("send", "BOT-001", "echo on") == "on\n"


@pytest.mark.skipif(os.geteuid() != 0 and not os.access("/proc", os.W_OK), reason="needs a folder nobody may write")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    refused(Operator(Path("/proc/1/nowhere")).run("serve"), 2, "Cannot write", "--hive")


def test_a_folder_too_deep_for_a_unix_socket_works_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    operator = Operator(deep)
    try:
        operator.serve()
        operator.ok("launch", "shell")
        assert operator.ok("send", "BOT-001", "echo deep") == "deep\n"
    finally:
        operator.leave()


def test_another_system_than_linux_is_refused() -> None:
    code = "import sys; sys.platform = 'darwin'; from deia_tui.main import main; main(['status'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    refused(done, 2, "needs Linux", "darwin")


def test_demo_without_a_terminal_says_so_runs_headless_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deia_tui", "demo", "--seconds", "9"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("No terminal here")
    assert any("backoff" in line for line in lines)
    assert any("breaker" in line and "open" in line for line in lines)
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("ID ")) :]
    assert len(table) == 10
    assert any("JANITOR" in line and "asks" in line for line in lines)
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "deia-bot BURNER" not in shown


def test_doctor_and_version(operator: Operator) -> None:
    assert operator.ok("version").startswith("deia-tui 0.")
    done = operator.run("doctor")
    assert done.returncode == 0
    assert "✓ kernel" in done.stdout
    operator.folder.create()
    operator.folder.hive_toml.write_text("[hive\n")
    broken = operator.run("doctor")
    assert broken.returncode == 1
    assert "✖ settings" in broken.stdout


def test_a_console_that_cannot_stay_asks_nobody_to_go(serving: Operator) -> None:
    serving.folder.hive_toml.write_text("[hive]\nnmae = 'x'\n")
    refused(serving.run("serve", "--take-over"), 2, "line 2", "did you mean 'name'")
    pid = serving.status()["supervisor"]["pid"]
    with Terminal([sys.executable, "-m", "deia_tui", "--hive", str(serving.root)]) as console:
        assert console.wait() == 2
        assert "did you mean 'name'" in console.written().decode()
    assert serving.status()["supervisor"]["pid"] == pid
