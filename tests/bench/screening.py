"""What an operator feels: how soon the console paints, and how soon a key shows on a screen full of bots."""

import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from ..terminal import Chunk, Picture
from .figures import Figure, p95
from .subject import all_run, empty_hive

STARTS = 7
ROWS = 200
KEYS = 60
COLUMNS, LINES = 200, 50
COLUMN_IN_TABLE = 5


def paint() -> Iterator[Figure]:
    with empty_hive() as hive:
        took_ms = []
        for _ in range(1 + STARTS):
            console = hive.console(COLUMNS, LINES)
            took_ms.append(1000 * (console.until_written(b"Bots") - console.started_at))
            console.until("No bots yet")
            console.press("q")
            console.wait()
    measured = statistics.median(took_ms[1:])
    yield Figure(what=f"first paint, median of {STARTS}", measured=measured, unit="ms", at_most=400, digits=0)


def keys() -> Iterator[Figure]:
    with empty_hive() as hive:
        console = hive.console(COLUMNS, LINES)
        hive.launch("shell", ROWS)
        all_run(hive, "console", ROWS)
        console.until(f"{ROWS} running")
        time.sleep(5.0)
        pressed = []
        for number in range(KEYS):
            pressed.append(console.press("j" if number < KEYS / 2 else "k"))
            time.sleep(random.uniform(0.15, 0.35))
        painted_ms = [1000 * took for took in latencies(console.chunks, pressed)]
    what = f"key to paint, {ROWS} rows"
    yield Figure(what=f"{what}, median of {KEYS}", measured=statistics.median(painted_ms), unit="ms", at_most=15)
    yield Figure(what=f"{what}, p95", measured=p95(painted_ms), unit="ms")
    yield Figure(what="keys that showed nothing", measured=KEYS - len(painted_ms), at_most=0, digits=0)


def latencies(chunks: Sequence[Chunk], pressed: Sequence[float]) -> list[float]:
    """Seconds from each key to the first chunk after which another row is the highlighted one."""
    picture = Picture(COLUMNS, LINES)
    waiting = list(pressed)
    found = []
    before: str | None = None
    since: float | None = None
    for chunk in chunks:
        if waiting and chunk.at >= waiting[0]:
            since, before = waiting.pop(0), highlighted(picture)
        picture.feed(chunk.data)
        if since is not None and highlighted(picture) != before:
            found.append(chunk.at - since)
            since = None
    return found


def highlighted(picture: Picture) -> str | None:
    """The bot whose row has another background than most."""
    backgrounds = picture.backgrounds(COLUMN_IN_TABLE)
    [(usual, _)] = Counter(backgrounds).most_common(1)
    lines = picture.lines()
    for line, background in zip(lines, backgrounds, strict=True):
        bot = re.search(r"BOT-\d{3}", line)
        if background != usual and bot:
            return bot[0]
    return None
