"""The real console in a real terminal: what an operator does with it, how it is left, and what survives that."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deia_tui.identity import ended

from .hives import PROGRAM, TrialHive, trial_hive, until
from .terminal import DEADLINE_S, Terminal

# Says one sentence, and the next only when the file `go` lies beside it.
TELLER = """
import pathlib, sys, time
print("once upon a time", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("the very end", flush=True)
"""
CHOICES = ("background", "leave", "stop")


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[TrialHive]:
    with trial_hive(tmp_path) as hive:
        hive.folder.create()
        hive.folder.hive_toml.write_text("[agents.teller]\nkind = 'command'\n" + f"argv = {_teller(tmp_path)!r}\n")
        yield hive


def _teller(root: Path) -> list[str]:
    script = root / "teller.py"
    script.write_text(TELLER)
    return [sys.executable, str(script), str(root / "go")]


def open_console(hive: TrialHive, columns: int = 200, lines: int = 50) -> Terminal:
    """A console whose supervisor is there."""
    console = hive.console(columns, lines)
    console.until(lambda screen: any("No bots yet" in line or "BOT-" in line for line in screen))
    return console


def leave(console: Terminal, choice: str) -> None:
    """Quit with this choice for the bots; the console must end well and leave the terminal as it was."""
    console.press("q")
    console.until("Stop all bots")
    console.press(*["down"] * CHOICES.index(choice), "enter")
    assert console.wait() == 0
    assert console.left_behind() == []


def nothing_runs(hive: TrialHive) -> bool:
    return until(lambda: not hive.processes(), "every process of the hive to end")


def supervised(hive: TrialHive, mode: str) -> dict[str, int]:
    """The pids of the running bots, as a supervisor of this mode knows them."""

    def found() -> dict[str, int] | None:
        status = hive.status()
        if status is None or status["supervisor"]["mode"] != mode:
            return None
        running = {bot["id"]: bot["pid"] for bot in status["bots"] if bot["state"] == "running"}
        return running if len(running) == len(status["bots"]) else None

    return until(found, f"a {mode} supervisor of running bots")


@pytest.mark.parametrize("size", [(200, 50), (80, 24)], ids=["200x50", "80x24"])
def test_an_operator_launches_a_bot_talks_to_it_and_kills_it(hive: TrialHive, size: tuple[int, int]) -> None:
    console = open_console(hive, *size)

    console.press("l")
    console.until(lambda screen: any("teller" in line for line in screen))
    console.press("down", "tab")
    console.until(lambda _: console.is_bold("How many"))  # it has the focus
    console.press("2")
    console.until("How many  2")
    console.press("enter")
    console.until(lambda screen: sum(re.search(r"idle .*BOT-00[12]\b", line) is not None for line in screen) == 2)
    pids = supervised(hive, "console")
    assert pids == hive.pids()

    console.press("enter")
    console.until("Message BOT-001")
    console.press("tell me a story", "enter")
    screen = console.until("once upon a time")
    assert not any("the very end" in line for line in screen)
    (hive.root / "go").touch()
    console.until("the very end")
    console.press("escape")
    console.until(lambda screen: any(re.search(r"K Kill|q Quit", line) for line in screen))

    console.press("K")
    console.until("Kill BOT-001?")
    console.until(lambda _: console.is_bold("Cancel"))  # it has the focus
    console.press("enter")
    console.until(lambda screen: not any("Kill BOT-001?" in line for line in screen))
    assert supervised(hive, "console") == pids
    console.press("K")
    console.until("Kill BOT-001?")
    console.until(lambda _: console.is_bold("Cancel"))
    console.press("right")
    console.until(lambda _: not console.is_bold("Cancel"))
    console.press("enter")
    until(lambda: ended(pids["BOT-001"]), "the killed bot to end")
    console.press("!")
    console.until(lambda screen: any(re.search(r"\d\d:\d\d +BOT-001 +killed by hand", line) for line in screen))

    leave(console, "stop")
    assert nothing_runs(hive)


def test_bots_live_on_when_the_console_is_left(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("shell", 2)
    pids = supervised(hive, "console")
    console.until("BOT-002")
    leave(console, "leave")
    assert hive.status() is None
    assert hive.pids() == pids
    assert not any(map(ended, pids.values()))

    console = open_console(hive)
    assert supervised(hive, "console") == pids
    console.until("BOT-002")
    leave(console, "background")
    assert "in the background (pid" in console.written().decode()
    assert supervised(hive, "background") == pids
    assert "(background)" in hive.cli("status")

    console = open_console(hive)
    assert supervised(hive, "console") == pids
    leave(console, "stop")
    assert nothing_runs(hive)


def test_without_bots_nothing_is_asked(hive: TrialHive) -> None:
    console = open_console(hive)
    console.press("q")
    assert console.wait() == 0
    assert console.left_behind() == []


def test_without_a_terminal_it_says_what_to_do(hive: TrialHive) -> None:
    argv = [*PROGRAM, "--hive", str(hive.root)]
    refused = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S)
    assert refused.returncode == 2
    assert refused.stdout == ""
    [sentence] = refused.stderr.splitlines()
    assert "not a terminal" in sentence
    assert "deia-tui serve" in sentence
    assert "demo --headless" in sentence


def test_a_tiny_terminal_is_no_reason_to_fail(hive: TrialHive) -> None:
    console = hive.console(30, 8)
    console.until("Bots")
    hive.launch("shell", 1)
    console.until("idle")
    console.press("?")
    console.until("Help")
    console.press("escape")
    console.until("idle")
    console.resize(200, 50)
    console.until("Alerts")
    console.until("BOT-001")
    leave(console, "stop")
    assert nothing_runs(hive)


def test_bots_live_on_when_the_console_is_ended(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("shell", 5)
    pids = supervised(hive, "console")
    assert len(pids) == 5
    console.process.send_signal(signal.SIGTERM)
    assert console.wait() == 0
    assert console.left_behind() == []
    assert hive.status() is None
    assert hive.pids() == pids
    assert not any(map(ended, pids.values()))

    console = open_console(hive)
    assert supervised(hive, "console") == pids
    console.process.send_signal(signal.SIGKILL)
    console.wait()

    open_console(hive)
    assert supervised(hive, "console") == pids


def test_a_dropped_line_leaves_the_hive_supervised(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("shell", 2)
    pids = supervised(hive, "console")
    supervisor = hive.supervisor()
    console.hang_up()
    assert supervised(hive, "background") == pids
    assert hive.supervisor() == supervisor
    assert hive.events("console_lost")

    console = open_console(hive)
    assert supervised(hive, "console") == pids
    leave(console, "stop")
    assert nothing_runs(hive)
