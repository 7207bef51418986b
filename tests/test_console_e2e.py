"""The real console in a real terminal: what an operator does with it, how it is left, and what survives that."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deia_tui.identity import ended

from .hives import PROGRAM, TrialHive, trial_hive, until
from .terminal import DEADLINE_S, KEYS, Terminal

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


def write(console: Terminal, message: str) -> None:
    """To the selected bot."""
    console.press("enter")
    console.until("⏎ Send")  # its input has the focus
    console.press(message, "enter")


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


def settled(hive: TrialHive) -> list[dict[str, Any]] | None:
    """The bots, none of which starts or stops."""
    status = hive.status()
    bots: list[dict[str, Any]] = status["bots"] if status else []
    return bots if bots and all(bot["state"] in ("running", "stopped") for bot in bots) else None


def text_of(console: Terminal) -> str:
    return console.written().decode()


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

    console.until(lambda screen: not any("How many" in line for line in screen))
    write(console, "tell me a story")
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
    console.until("Help: ")
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


def test_a_console_says_who_shut_it_down(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("shell", 1)
    hive.cli("shutdown")
    assert console.wait() == 0
    assert console.left_behind() == []
    assert "Closed by 'deia-tui shutdown': the bots are stopped." in text_of(console)
    assert nothing_runs(hive)


def test_a_message_that_was_cut_is_offered_again(hive: TrialHive) -> None:
    console = open_console(hive)
    [bot_id] = hive.launch("teller", 1)
    console.until(bot_id)
    write(console, "tell me a story")
    console.until("once upon a time")
    os.kill(hive.pids()[bot_id], signal.SIGKILL)
    console.until("e sends it again")
    assert supervised(hive, "console")
    (hive.root / "go").touch()
    console.press("escape")
    console.until("e Send again")
    console.press("e")
    screen = console.until("the very end")
    assert sum("once upon a time" in line and "output" not in line for line in screen) >= 2
    assert len(hive.events("message_queued")) == 2
    leave(console, "stop")


def test_quitting_shows_what_it_waits_for(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("teller", 2)
    console.until("BOT-002")
    write(console, "tell me a story")
    console.until("once upon a time")
    console.press("ctrl+c")
    console.until("Stop all bots")
    console.press("down", "down", "enter")
    console.until(lambda screen: any(re.search(r'BOT-00[12] \(\d s left for "tell me a', line) for line in screen))
    (hive.root / "go").touch()
    assert console.wait() == 0
    assert console.left_behind() == []
    assert nothing_runs(hive)


def test_what_is_typed_ahead_acts_where_it_would_if_typed_slowly(hive: TrialHive) -> None:
    console = open_console(hive)
    hive.launch("shell", 2)
    console.until("BOT-002")
    console.press("".join(KEYS.get(key, key) for key in ("enter", "echo stop kill launch restart", "enter")))
    console.until(lambda screen: sum("stop kill launch restart" in line for line in screen) >= 2)
    console.press("escape")
    console.until("q Quit")
    console.press("".join(KEYS.get(key, key) for key in ("q", "down", "down", "enter")))
    assert console.wait() == 0
    assert console.left_behind() == []
    assert nothing_runs(hive)


@pytest.mark.parametrize("choice", CHOICES)
def test_leaving_while_bots_start_and_stop(hive: TrialHive, choice: str) -> None:
    console = open_console(hive)
    hive.launch("shell", 2)
    console.until(lambda screen: sum(re.search(r"idle .*BOT-00[12]\b", line) is not None for line in screen) == 2)
    console.press("g", "v", "v", "s")  # the cursor follows whichever of them was seen first
    hive.ask("POST", "/api/bot/launch", {"what": "shell", "bot_id": "LATE", "wait": False})
    leave(console, choice)
    if choice == "stop":
        assert nothing_runs(hive)
        return
    open_console(hive)
    bots = until(lambda: settled(hive), "every bot to run or be off")
    assert {bot["id"]: bot["state"] for bot in bots} == {"BOT-001": "stopped", "BOT-002": "stopped", "LATE": "running"}
    assert {bot["id"]: bot["pid"] for bot in bots if bot["pid"]} == hive.pids()
