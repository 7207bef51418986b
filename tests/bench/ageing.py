"""What a year of 100 bots takes on disk: a fiftieth of it, lived day by day with pruning, and multiplied."""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.turns import ToolCall, Usage
from deia_tui.folder import Folder
from deia_tui.store.database import open_reader
from deia_tui.store.retention import Retention, used_bytes
from deia_tui.store.samples import Samples
from deia_tui.store.store import Store

from ..store import scenes
from .figures import Figure

SCALE = 50
BOTS, MESSAGES_A_DAY, RESTARTS_A_DAY = 100, 20, 5
PIECES = 20
THOUGHTS, TOOLS = 10, 10
"""Of a turn whose agent thinks (1 kB each) and uses tools (3 kB each once they ended), which costs two reports."""
STATE_MB = 1000.0
DAY_S = 86_400.0
SAMPLED_BOTS, SAMPLES = 20, 3000
_Detail = ev.ThoughtAdded | ev.ToolCallChanged | ev.UsageReported


def year() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="deia-bench-") as root:
        everything = asyncio.run(_state_mb(Folder(Path(root) / "all"), Retention(events_days=36_600, state_mb=1e6)))
        kept = Retention(
            events_days=30, state_mb=STATE_MB / SCALE, kept_events=100_000 // SCALE, kept_messages=1000 // SCALE
        )
        pruned = asyncio.run(_state_mb(Folder(Path(root) / "pruned"), kept))
        seconds = asyncio.run(_row_bytes(Path(root) / "seconds.db", "samples", 1))
        minutes = asyncio.run(_row_bytes(Path(root) / "minutes.db", "minutes", 60))
    rows = BOTS * 86_400 * seconds, BOTS * 1440 * 30 * minutes, BOTS * 24 * 400 * minutes
    samples = sum(rows) / 1e6
    yield Figure(what="state.db after a year of 100 bots, were nothing to go", measured=everything, unit="MB", digits=0)
    yield Figure(what="… as it is kept", measured=pruned, unit="MB", at_most=1300, digits=0)
    yield Figure(what="samples.db after a year of 100 bots", measured=samples, unit="MB", at_most=700, digits=0)
    yield Figure(what="both", measured=pruned + samples, unit="MB", at_most=2000, digits=0)


async def _state_mb(folder: Folder, retention: Retention) -> float:
    """The length of state.db at the end, times SCALE."""
    folder.create()
    store = await Store.open(folder)
    chance = random.Random(1)
    try:
        bots = [f"BOT-{number:03d}" for number in range(1, BOTS // SCALE + 1)]
        await store.commit([event for bot_id in bots for event in scenes.started(bot_id)])
        for day in range(365):
            now = scenes.AT + day * DAY_S
            for bot_id in bots:
                await store.commit([replace(event, at=now) for event in _day(bot_id, day, chance)])
            await store.prune(retention, now + DAY_S)
    finally:
        await store.close()
    return folder.state_db.stat().st_size * SCALE / 1e6


def _day(bot_id: str, day: int, chance: random.Random) -> Iterator[ev.Event]:
    for restart in range(RESTARTS_A_DAY):
        run = day * RESTARTS_A_DAY + restart + 2
        yield scenes.exited(bot_id, run - 1, at=scenes.AT + day * DAY_S)
        yield scenes.starting(bot_id, run, automatic=True)
        yield scenes.spawned(bot_id, run)
        yield ev.BotReady(at=0.0, bot_id=bot_id, run=run)
    for number in range(MESSAGES_A_DAY):
        message_id, frame = f"{chance.getrandbits(128):032x}", number * 1000 + 1
        yield scenes.asked(bot_id, message_id, _words(chance, 200))
        yield scenes.accepted(bot_id, message_id, frame, run)
        yield scenes.turn_started(bot_id, message_id, frame + 1, run)
        for piece in range(PIECES):
            yield scenes.output(bot_id, message_id, _words(chance, 75), frame + 2 + piece, run)
        details = list(_details(bot_id, run, message_id, chance))
        for place, detail in enumerate(details):
            yield replace(detail, source_seq=frame + 2 + PIECES + place)
        yield scenes.turn_ended(bot_id, message_id, frame + 2 + PIECES + len(details), run)


def _details(bot_id: str, run: int, message_id: str, chance: random.Random) -> Iterator[_Detail]:
    """What an agent does in a turn beside answering."""
    of: dict[str, Any] = {"at": 0.0, "bot_id": bot_id, "run": run, "message_id": message_id, "source_seq": 0}
    for _ in range(THOUGHTS):
        yield ev.ThoughtAdded(**of, text=_words(chance, 1000))
    for number in range(TOOLS):
        call = ToolCall(call_id=f"{message_id}-{number}", tool="Bash", title=_words(chance, 60), kind="execute")
        begun = replace(call, status="in_progress", input=_words(chance, 500))
        yield ev.ToolCallChanged(**of, call=begun)
        yield ev.ToolCallChanged(
            **of, call=replace(begun, status="completed", output=_words(chance, 2500), duration_s=1.5)
        )
    for _ in range(2):
        usage = Usage(model="claude-opus-5", input_tokens=250, output_tokens=800, cache_read_tokens=40_000)
        yield ev.UsageReported(**of, usage=usage, cost_usd=0.04)


def _words(chance: random.Random, length: int) -> str:
    return "".join(chance.choices("etaoin shrdlu ", k=length))


async def _row_bytes(path: Path, table: str, spacing_s: int) -> float:
    """Bytes of a row of `table`, from samples so far apart."""
    chance, start = random.Random(1), 1_760_000_400
    samples = await Samples.open(path, busy_timeout_s=1.0)
    reader = await open_reader(path, busy_timeout_s=1.0)
    try:
        for sample in range(SAMPLES):
            cpu, memory_mb = round(chance.uniform(0, 90), 1), round(chance.uniform(7, 400), 1)
            rows = {f"BOT-{bot:03d}": (cpu, memory_mb, 3, 4) for bot in range(SAMPLED_BOTS)}
            await samples.add(start + sample * spacing_s, rows)
        if table == "minutes":
            for _ in range(SAMPLES // 10 + 1):
                await samples.roll_up(start + SAMPLES * spacing_s + DAY_S)
        (row,) = await reader.execute_fetchall(f"SELECT count(*) FROM {table}")
        return await used_bytes(reader) / int(row[0])
    finally:
        await reader.close()
        await samples.close()
