"""The real console on a real agent that asks leave: seen, answered and done, in a real terminal."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .hives import TrialHive, trial_hive
from .test_console_e2e import leave, nothing_runs, open_console, write

AGENT = [sys.executable, "-S", str(Path(__file__).parent / "agents" / "acp_agent.py")]
WORK = "[[think:is it safe]][[tool:Read:a.py]][[ask:Bash:make clean]][[say:It is **done**]][[usage:1200:34:0]]"


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[TrialHive]:
    with trial_hive(tmp_path) as hive:
        hive.folder.create()
        hive.folder.hive_toml.write_text(f"[agents.asker]\nkind = 'acp'\nargv = {AGENT!r}\n")
        yield hive


@pytest.mark.parametrize("size", [(200, 50), (80, 24)], ids=["200x50", "80x24"])
def test_an_operator_answers_what_an_agent_asks(hive: TrialHive, size: tuple[int, int]) -> None:
    console = open_console(hive, *size)
    hive.launch("asker", 1)
    console.until("idle")

    write(console, WORK)
    console.until("asks: Bash make clean" if size[0] == 200 else "asks  Bash make clean")
    console.press("escape")
    console.until("p Requests")
    console.press("p")
    console.until("BOT-001 (asker) asks: Bash make clean")
    console.press("a")
    console.until(lambda screen: not any("AGE   LEFT" in line for line in screen))

    console.press("tab")
    console.until("It is done")
    console.until("allowed once  Bash make clean")
    console.until("1.2k tokens in · 34 out")
    leave(console, "stop")
    assert nothing_runs(hive)
