"""What many bots that stream at the same time cost, and how soon one reads what an agent says among them."""

import random
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..hives import TrialHive, until
from ..terminal import Chunk
from .figures import Figure, p95
from .screening import COLUMNS, LINES, latencies
from .subject import all_run, cpu_s, empty_hive

AGENT = Path(__file__).parents[1] / "agents" / "acp_agent.py"
SETTINGS = f"[agents.acp]\nkind = 'acp'\nargv = ['{sys.executable}', '{AGENT}']\n"
BESIDE = 20
ANSWERS = 15
STREAMING = 50
WINDOW_S = 15.0
KEYS = 40
_LONGEST = 64
"""Bytes of such an answer."""
ENDLESS = "[[slow:1000000:0.025]]"
"""An answer of 40 chunks a second."""


def first_byte() -> Iterator[Figure]:
    """From an agent's write, whose time stands in what it writes, to the read in which the terminal gets it."""
    with empty_hive(SETTINGS) as hive:
        console = hive.console(COLUMNS, LINES)
        reader, *others = hive.launch("acp", 1 + BESIDE)
        all_run(hive, "console", 1 + BESIDE)
        _stream(hive, others)
        console.until(lambda screen: _rows(screen)[-1:] == [reader])  # the idle one is the last
        console.press("G", "enter")
        console.until(f"To {reader}")
        for number in range(ANSWERS):
            console.press(f"[[clock:{number}]]", "enter")
            time.sleep(random.uniform(0.7, 1.0))  # whoever looked for the answer meanwhile would hold up the reader
        took_ms = [1000 * _age(console.chunks, number) for number in range(ANSWERS)]
    what = f"agent's write → terminal, {BESIDE} other bots stream"
    yield Figure(what=f"{what}, median of {ANSWERS}", measured=statistics.median(took_ms), unit="ms", at_most=30)
    yield Figure(what=f"{what}, slowest", measured=max(took_ms), unit="ms")


def streams() -> Iterator[Figure]:
    with empty_hive(SETTINGS) as hive:
        console = hive.console(COLUMNS, LINES)
        bots = hive.launch("acp", STREAMING)
        all_run(hive, "console", STREAMING)
        _stream(hive, bots)
        time.sleep(3.0)
        before, began = cpu_s([console.process.pid]), time.perf_counter()
        time.sleep(WINDOW_S)
        used_s, took_s = cpu_s([console.process.pid]) - before, time.perf_counter() - began
        pressed = []
        for number in range(KEYS):
            pressed.append(console.press("j" if number < KEYS / 2 else "k"))
            time.sleep(random.uniform(0.15, 0.35))
        painted_ms = [1000 * took for took in latencies(console.chunks, pressed)]
    what = f"{STREAMING} bots stream 40 chunks/s"
    yield Figure(what=f"{what}: CPU of the console", measured=100 * used_s / took_s, unit="%", at_most=50, digits=1)
    yield Figure(what=f"{what}: key to paint, median of {KEYS}", measured=statistics.median(painted_ms), unit="ms")
    yield Figure(what=f"{what}: key to paint, p95", measured=p95(painted_ms), unit="ms", at_most=50)
    yield Figure(what=f"{what}: keys that showed nothing", measured=KEYS - len(painted_ms), at_most=0, digits=0)


def _stream(hive: TrialHive, bots: Sequence[str]) -> None:
    for bot_id in bots:
        hive.ask("POST", f"/api/bot/send/{bot_id}", {"text": ENDLESS})
    until(lambda: len(_busy(hive)) == len(bots), "all bots stream", timeout=60)


def _rows(screen: list[str]) -> list[str]:
    """The bots in the order in which the table shows them."""
    return [row[1] for line in screen if (row := re.match(r"│.*(?:busy|idle) .*(BOT-\d+) +acp", line))]


def _busy(hive: TrialHive) -> list[str]:
    status = hive.status()
    assert status is not None
    return [bot["id"] for bot in status["bots"] if bot["activity"] == "busy"]


def _age(chunks: Sequence[Chunk], number: int) -> float:
    """Seconds from the time that this answer holds to the read that brought it."""
    written = re.compile(rf"clock {number} (\d+\.\d+)".encode())
    tail = b""
    for chunk in chunks:
        tail += chunk.data
        if found := written.search(tail):
            return chunk.at - float(found[1])
        tail = tail[-_LONGEST:]
    raise ValueError(f"answer {number} never came")
