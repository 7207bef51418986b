import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from deia_tui.core.metrics import Window
from deia_tui.core.metricsreport import add_up
from deia_tui.core.spread import Spread
from deia_tui.folder import Folder
from deia_tui.store.samples import Samples
from deia_tui.store.store import Store

AT = 1_760_000_400
"""A full hour."""
DAY_S = 86_400


def rows(folder: Folder, table: str) -> list[Any]:
    with closing(sqlite3.connect(folder.samples_db)) as samples:
        return samples.execute(f"SELECT * FROM {table}").fetchall()


async def test_a_damaged_samples_file_is_replaced(folder: Folder) -> None:
    folder.samples_db.write_bytes(b"this is not a database, and long enough to be sure of it" * 100)
    store = await Store.open(folder)
    await store.add_samples(AT, {"B": (1.0, 2.0, 3, 4)})
    await store.close()
    assert rows(folder, "samples") == [(AT, "B", 1.0, 2.0, 3, 4)]


async def test_seconds_become_minutes_after_a_day_and_hours_after_a_month(folder: Folder) -> None:
    samples = await Samples.open(folder.samples_db, busy_timeout_s=1.0)
    for second in range(150):
        await samples.add(AT + second, {"A": (float(second), 10.0, 1, 1), "B": (0.0, 20.0 + second % 60, 1, 1)})
    assert len(rows(folder, "samples")) == 300
    await samples.roll_up(AT + DAY_S + 130)
    assert rows(folder, "minutes") == [
        (AT, "A", 29.5, 59.0, 10.0, 10.0),
        (AT, "B", 0.0, 0.0, 49.5, 79.0),
        (AT + 60, "A", 89.5, 119.0, 10.0, 10.0),
        (AT + 60, "B", 0.0, 0.0, 49.5, 79.0),
    ]
    assert [row[0] for row in rows(folder, "samples")] == [at for at in range(AT + 120, AT + 150) for _ in "AB"]
    await samples.roll_up(AT + 31 * DAY_S)
    assert rows(folder, "samples") == []
    await samples.roll_up(AT + 31 * DAY_S)
    assert rows(folder, "minutes") == []
    assert rows(folder, "hours") == [(AT, "A", 84.5, 149.0, 10.0, 10.0), (AT, "B", 0.0, 0.0, 44.5, 79.0)]
    await samples.roll_up(AT + 401 * DAY_S)
    assert rows(folder, "hours") == []
    await samples.close()


def window(at: float, **fields: Any) -> Window:
    return Window(at=at, bot_id="B", window_s=300.0, **fields)


async def test_metrics_are_kept_and_become_hours_after_a_week(folder: Folder) -> None:
    samples = await Samples.open(folder.samples_db, busy_timeout_s=1.0)
    fives = [window(AT + 300 * number, messages=number, answers=Spread.of([0.5])) for number in range(1, 25)]
    for one in fives:
        await samples.add_windows([one, replace(one, bot_id="A")])
    await samples.add_windows([])
    assert [one for one in await samples.windows(AT) if one.bot_id == "B"] == fives
    assert len(await samples.windows(AT + 6600)) == 4
    await samples.roll_up(AT + 8 * DAY_S + 3600)
    await samples.roll_up(AT + 8 * DAY_S + 3600)
    kept = [one for one in await samples.windows(AT) if one.bot_id == "B"]
    assert kept == [add_up(fives[:12]), *fives[12:]]
    for _ in range(3):
        await samples.roll_up(AT + 30 * DAY_S)
    assert [one.messages for one in await samples.windows(AT) if one.bot_id == "B"] == [78, 222]
    await samples.roll_up(AT + 401 * DAY_S)
    assert await samples.windows(0) == []
    await samples.close()
