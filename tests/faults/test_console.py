"""What happens to the console and its line: bots do not notice, and the terminal is left as it was."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from deia_tui.identity import ended
from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, hit, is_live, needs
from tests.hives import until
from tests.terminal import Terminal

LIVENESS = "[liveness]\nperiod_s = 0.3\ntimeout_s = 0.5\nfailure_threshold = 1\n"
"""Strict: one missed probe would kill."""


def cpu_s(pid: int) -> float:
    """CPU time the process has used."""
    return sum(int(stat.read_text().split()[0]) for stat in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def unharmed(hive: FaultyHive, pids: dict[str, int]) -> bool:
    """Do these processes run, and no others, and does the supervisor know it?"""
    known = {bot["id"]: bot["pid"] for bot in hive.ask("GET", "/api/bots") if bot["state"] == "running"}
    return known == pids == hive.pids()


@pytest.mark.fault(19)
def test_a_dropped_line_leaves_supervision_in_the_background(hive: FaultyHive, measured: Measured) -> None:
    console = hive.console()
    hive.launch("shell", 10)
    dropped = time.monotonic()
    console.hang_up()
    supervisor = hive.supervised("background")["supervisor"]["pid"]
    took_s = time.monotonic() - dropped
    until(lambda: unharmed(hive, hive.pids()), "the bots to be known again")
    assert {bot["run"] for bot in hive.ask("GET", "/api/bots")} == {1}
    hit(supervisor, signal.SIGHUP)  # a shell repeats it to its jobs
    before, began = cpu_s(supervisor), time.monotonic()
    assert hive.turn(hive.send("BOT-001", "sleep 1"))["status"] == "answered"
    share = (cpu_s(supervisor) - before) / (time.monotonic() - began)
    assert share < 0.5, "it spins"
    hit(hive.pids()["BOT-002"])
    hive.until_running("BOT-002", run=2)
    pids = hive.pids()

    again = hive.console()
    until(lambda: ended(supervisor), "the supervisor in the background to make room")
    until(lambda: unharmed(hive, pids), "the bots to be taken over")
    is_live(again)
    again.hang_up()
    hive.supervised("background")
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(20) == 0
    assert len(hive.events("console_lost")) == 2
    assert hive.pids() == pids
    measured(f"in the background after {took_s:.1f} s, using {100 * share:.1f} % CPU")


@pytest.mark.fault(20)
@pytest.mark.parametrize("screen", [True, False], ids=["console", "serve"])
def test_a_supervisor_that_was_stopped_for_a_while_kills_nobody(hive: FaultyHive, screen: bool) -> None:
    hive.configure(LIVENESS)
    supervisor = hive.console().process if screen else hive.serve()
    hive.launch("shell", 5)
    pids = hive.pids()
    hit(supervisor.pid, signal.SIGSTOP)
    time.sleep(1.2)  # the fault itself: twice as long as a probe may take
    hit(supervisor.pid, signal.SIGCONT)
    assert hive.turn(hive.send("BOT-001", "sleep 0.5"))["status"] == "answered"  # two more probes of each
    assert unharmed(hive, pids)
    assert hive.events("bot_stopping") == []


@pytest.mark.fault(21)
@pytest.mark.parametrize("on_term", ["leave", "stop"])
def test_sigterm_ends_the_console_and_restores_the_terminal(hive: FaultyHive, measured: Measured, on_term: str) -> None:
    hive.configure(f"[hive]\non_term = '{on_term}'\n")
    console = hive.console()
    hive.launch("shell", 3)
    message = hive.send("BOT-001", "echo flushed")
    hive.turn(message)
    pids = hive.pids()
    began = time.monotonic()
    console.process.send_signal(signal.SIGTERM)
    assert console.wait() == 0
    took_s = time.monotonic() - began
    assert console.left_behind() == []
    assert hive.status() is None
    assert took_s < 15
    assert [event["reason"] for event in hive.events("hive_closed")] == [
        "bots left" if on_term == "leave" else "no bot runs"
    ]
    assert [not ended(pid) for pid in pids.values()] == [on_term == "leave"] * 3
    measured(f"gone after {took_s:.1f} s ({on_term})")


@pytest.mark.fault(21)
def test_a_stalled_terminal_delays_neither_a_restart_nor_sigterm(hive: FaultyHive, measured: Measured) -> None:
    console = hive.console()
    hive.launch("shell", 8)
    pids = hive.pids()
    console.stall()
    _fill(hive, console)
    killed_at = hit(pids["BOT-002"])
    hive.until_running("BOT-002", run=2)
    back = hive.until_event("bot_ready", bot_id="BOT-002", run=2)["at"] - killed_at
    assert back < 15
    began = time.monotonic()
    console.process.send_signal(signal.SIGTERM)
    assert console.process.wait(20) == 0
    took_s = time.monotonic() - began
    assert [event["reason"] for event in hive.events("hive_closed")] == ["bots left"], "what happened is on record"
    assert not any(ended(pid) for bot_id, pid in pids.items() if bot_id != "BOT-002")
    measured(f"stalled: back after {1000 * back:.0f} ms, gone after {took_s:.1f} s")


def _fill(hive: FaultyHive, console: Terminal) -> None:
    """Make the console paint until the line takes no more."""
    full = 0
    for number in range(60):
        before = console.unread()
        console.resize(200 - number % 2, 50)
        hive.turn(hive.send("BOT-001", f"echo {number} {'x' * 200}"))
        full = full + 1 if console.unread() == before > 2000 else 0
        if full == 5:
            return
    raise AssertionError(f"the line still takes something: {console.unread()} bytes wait in it")


@pytest.mark.fault(22)
def test_two_ctrl_c_and_a_storm_of_resizes_break_nothing(hive: FaultyHive) -> None:
    console = hive.console()
    hive.launch("shell", 3)
    pids = hive.pids()
    random = Random(22)
    for _ in range(3):
        console.press("ctrl+c", "ctrl+c")
        for _ in range(20):
            console.resize(random.randint(20, 150), random.randint(6, 40))
            os.kill(console.process.pid, signal.SIGWINCH)
        console.resize(160, 48)
        console.until(lambda screen: "Help" in screen[47] and any("Stop all bots" in line for line in screen))
        _leave_dialog(console)
    is_live(console)
    assert unharmed(hive, pids)
    console.press("q")
    console.until("Stop all bots")
    _leave_dialog(console)
    console.press("q")
    console.until("Stop all bots")
    console.press("down", "down", "enter")
    assert console.wait() == 0
    assert console.left_behind() == []
    assert hive.pids() == {}, "the third answer stops them"


def _leave_dialog(console: Terminal) -> None:
    """Press esc and see it done: with a key that follows within 0.1 s it would be alt and that key, as in any terminal.

    Look for the title, which every size shows; on the way to the last size there are pictures that cut the answers off.
    """
    console.press("escape")
    console.until(lambda screen: not any("Quit: " in line for line in screen))


@pytest.mark.fault(23)
def test_a_starved_machine_kills_nobody(hive: FaultyHive) -> None:
    needs("stress-ng")
    hive.configure("[liveness]\nperiod_s = 0.5\ntimeout_s = 2.0\nfailure_threshold = 3\n")
    hive.serve()
    hive.launch("shell", 10)
    pids = hive.pids()
    hogs = hive.companion(["stress-ng", "--quiet", "--cpu", "8", "--timeout", "4s"])
    asked = [hive.send(bot_id, "echo squeezed") for bot_id in pids]
    assert {hive.turn(message)["status"] for message in asked} == {"answered"}
    assert hogs.wait(60) == 0
    assert unharmed(hive, pids)
    assert hive.events("bot_stopping") == []


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["", "nohup"])
def hang_ups(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the programs that are started inherit to do about a hang-up."""
    before = signal.signal(signal.SIGHUP, request.param)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.fault(19)
@pytest.mark.usefixtures("hang_ups")
def test_a_terminal_that_goes_while_the_console_starts_leaves_the_hive_to_the_next(hive: FaultyHive) -> None:
    lock = hive.folder.run / "lock"
    for _ in range(3):
        lock.unlink(missing_ok=True)
        console = hive.terminal()
        until(lock.exists, "a console that has the hive")
        console.hang_up()
        ended = until(partial(_ended_or_in_background, hive, console), "an end, or a supervisor without a screen")
        if ended == "background":  # it was quicker than we were
            hive.cli("shutdown")
            assert console.process.wait(30) == 0
    hive.serve()
    hive.launch("shell", 1)


def _ended_or_in_background(hive: FaultyHive, console: Terminal) -> str:
    if console.process.poll() is not None:
        return "ended"
    status = hive.status()
    return "background" if status is not None and status["supervisor"]["mode"] == "background" else ""
