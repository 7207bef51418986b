"""What it costs a program to write a million lines to a bot instead of to a file, and what it costs everybody else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from deia_tui.bot.output_log import SHARE
from deia_tui.hive.launching import agent_environment

from ..hives import TrialHive
from .figures import Figure
from .subject import empty_hive, pss_mb

ROUNDS = 7
LINES = 1_000_000
LINE = "What nobody wants to know, a little longer than seventy characters, plainly."
FLOODS = {
    "seq": ["seq", str(LINES)],
    "yes | head, 77 bytes a line": ["sh", "-c", f"yes '{LINE}' | head -n {LINES}"],
    "Python, stdout": [sys.executable, "-c", f"for n in range({LINES}): print(n)"],
    "Python, stdout, 77 bytes a line": [sys.executable, "-c", f"for n in range({LINES}): print('{LINE}')"],
    "Python, stderr": [sys.executable, "-c", f"import sys\nfor n in range({LINES}): print(n, file=sys.stderr)"],
}
YES_S = 3.0
TIMER = (
    "import subprocess, sys, time; began = time.perf_counter(); subprocess.run(sys.argv[2:]); "
    "open(sys.argv[1], 'w').write(str(time.perf_counter() - began))"
)
"""Runs a program and leaves in a file how long it took, whoever started it and wherever its output goes."""


def flood() -> Iterator[Figure]:
    with empty_hive() as hive:
        took = hive.root / "took"
        agents = {f"flood-{number}": argv for number, argv in enumerate(FLOODS.values())}
        hive.folder.create()
        hive.folder.hive_toml.write_text("".join(_agent(name, _timed(took, argv)) for name, argv in agents.items()))
        hive.serve()
        for what, (name, argv) in zip(FLOODS, agents.items(), strict=True):
            yield from _compared(hive, what, name, _timed(took, argv), took)
        yield from _yes(hive)


def _agent(name: str, argv: list[str]) -> str:
    return f"[agents.{name}]\nkind = 'command'\nargv = {json.dumps(argv)}\n"


def _timed(took: Path, argv: list[str]) -> list[str]:
    return [sys.executable, "-c", TIMER, str(took), *argv]


def _compared(hive: TrialHive, what: str, name: str, argv: list[str], took: Path) -> Iterator[Figure]:
    """By turns, for the machine has others to serve; the lines must all be in the output log afterwards, if that may
    become so large."""
    (bot,) = hive.launch(name, 1)
    under_bot, into_file, turns = [], [], []
    for finished in range(1, ROUNDS + 1):
        size = _run_into(hive.root / "output", argv)
        into_file.append(float(took.read_text()))
        began = time.perf_counter()
        hive.cli("send", bot, "go")
        turns.append(time.perf_counter() - began)
        under_bot.append(float(took.read_text()))
        if finished * size < SHARE // 2:
            found = sum(path.read_bytes().count(b"\n") for path in hive.folder.logs.glob(f"{bot}-output.log*"))
            assert found == finished * LINES, f"{found} lines of {finished * LINES} are in the output log"
    hive.cli("stop", bot)
    ratio = min(under_bot) / min(into_file)
    yield Figure(what=f"1e6 lines, {what}: bot / file, best of {ROUNDS}", measured=ratio, at_most=1.2, digits=2)
    yield Figure(what="  into a file", measured=1000 * min(into_file), unit="ms")
    yield Figure(what="  until the turn has ended", measured=1000 * min(turns), unit="ms")


def _run_into(path: Path, argv: list[str]) -> int:
    """Returns how much it wrote."""
    with path.open("wb") as output:
        env = agent_environment(os.environ)  # PYTHONUNBUFFERED makes a difference
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, check=True)
    return path.stat().st_size


def _yes(hive: TrialHive) -> Iterator[Figure]:
    """A flood that does not end."""
    (bot,) = hive.launch("shell", 1)
    status = hive.status()
    assert status is not None
    supervisor = psutil.Process(status["supervisor"]["pid"])
    before_mb = supervisor.memory_info().rss / 1e6
    sent = hive.start([sys.executable, "-m", "deia_tui", "--hive", str(hive.root), "send", bot, "yes"])
    time.sleep(YES_S)
    began = time.perf_counter()
    hive.status()
    answer_ms = 1000 * (time.perf_counter() - began)
    yield Figure(what="yes: memory of the bot (PSS)", measured=pss_mb(hive.pids()[bot]), unit="MB", at_most=64)
    grown_mb = supervisor.memory_info().rss / 1e6 - before_mb
    yield Figure(what="yes: the supervisor grows by", measured=grown_mb, unit="MB", at_most=64)
    yield Figure(what="yes: the supervisor answers in", measured=answer_ms, unit="ms")
    hive.cli("interrupt", bot)
    sent.kill()
