"""What is read from state.db, but for chats (chats.py). One statement each, so that no reader ever holds a transaction
open."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import aiosqlite

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.costs import Cost
from deia_tui.core.state import Alert, Approval, BotView, Pause
from deia_tui.store import rows
from deia_tui.store.draft import Tables
from deia_tui.store.rows import BotRow, BreakerRow, RunRow

REGISTRY_CHANGES = "type IN ('bot_spawned', 'bot_adopted', 'bot_exited')"
_COUNTED = 100
"""How many of the events that a bot's breaker counts are looked at, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message as the hive keeps it. `status`: queued, accepted, running, answered, failed, interrupted."""

    number: int
    message_id: str
    bot_id: str
    run: int | None
    sender: str
    text: str
    status: str
    asked_at: float
    accepted_at: float | None
    priority: int = 0
    task_id: str = ""
    letter_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a supervisor starts from. `runs` is the last run of each bot, `exits` when its runs ended (unix seconds)
    since a human last launched it, `unfinished` its messages without an end, `recent` how its last calls and runs ended
    and when its breaker last was made anew, all oldest first; `registry_version` counts the changes to registry.json so
    far. `set_back`: this is a backup, and nobody has looked yet at what may have happened since."""

    bots: Mapping[str, BotView]
    alerts: tuple[Alert, ...]
    approvals: tuple[Approval, ...]
    pauses: Mapping[str, Pause]
    runs: Mapping[str, RunRow]
    exits: Mapping[str, tuple[float, ...]]
    breakers: Mapping[str, BreakerRow]
    unfinished: Mapping[str, tuple[MessageRow, ...]]
    recent: Mapping[str, tuple[ev.Event, ...]]
    seq: int
    next_alert_id: int
    registry_version: int
    set_back: bool = False

    def waiting(self, bot_id: str) -> list[MessageRow]:
        """Messages the bot has not accepted yet."""
        return [message for message in self.unfinished.get(bot_id, ()) if message.status == "queued"]

    def in_hand(self, bot_id: str) -> list[MessageRow]:
        """Messages its last run accepted and did not finish."""
        run = self.bots[bot_id].run
        unfinished = self.unfinished.get(bot_id, ())
        return [message for message in unfinished if message.status != "queued" and message.run == run]


async def read_tables(connection: aiosqlite.Connection) -> Tables:
    bots = await _bots(connection)
    return Tables(
        seq=await last_seq(connection),
        bots=bots,
        runs={(run.bot_id, run.run): run for run in await _last_runs(connection)},
        asked=set(),
    )


async def load(connection: aiosqlite.Connection) -> Loaded:
    breakers = await fetch(connection, "SELECT * FROM breakers")
    (next_alert_id,) = (await fetch(connection, "SELECT coalesce(max(alert_id), 0) + 1 FROM alerts"))[0]
    (version,) = (
        await fetch(
            connection,
            f"SELECT value + (SELECT count(*) FROM events WHERE {REGISTRY_CHANGES}) FROM marks "
            "WHERE name = 'registry_changes'",
        )
    )[0]
    return Loaded(
        bots={bot_id: row.view for bot_id, row in (await _bots(connection)).items()},
        alerts=await _alerts(connection),
        approvals=await _approvals(connection),
        pauses=await _pauses(connection),
        runs={run.bot_id: run for run in await _last_runs(connection)},
        exits=await _exits(connection),
        breakers={row["bot_id"]: rows.read_breaker(row) for row in breakers},
        unfinished=await _unfinished(connection),
        recent=await _recent_outcomes(connection),
        seq=await last_seq(connection),
        next_alert_id=next_alert_id,
        registry_version=version,
        set_back=bool(await fetch(connection, "SELECT 1 FROM marks WHERE name = 'set_back'")),
    )


async def addressee(connection: aiosqlite.Connection, message_id: str) -> str | None:
    found = await fetch(connection, "SELECT bot_id FROM messages WHERE message_id = ?", message_id)
    return str(found[0]["bot_id"]) if found else None


async def costs(connection: aiosqlite.Connection, *, since_day: str, bot_id: str | None) -> list[Cost]:
    """What was used since a day (with it), by day, bot and model, oldest first."""
    of_bot = "" if bot_id is None else "AND bot_id = :bot_id"
    found = await connection.execute_fetchall(
        f"SELECT * FROM usage_of_day WHERE day >= :since {of_bot} ORDER BY day, bot_id, model",
        {"since": since_day, "bot_id": bot_id},
    )
    return [Cost(**dict(row)) for row in found]


async def events(
    connection: aiosqlite.Connection, *, bot_id: str | None, after: int, limit: int, newest: bool
) -> list[Recorded]:
    # One statement over both tables: what is committed between two could be skipped for ever.
    of_bot = "" if bot_id is None else "AND bot_id = :bot_id"
    part = f"WHERE seq > :after {of_bot} ORDER BY seq {'DESC' if newest else 'ASC'} LIMIT :limit"
    found = await connection.execute_fetchall(
        f"""
        SELECT * FROM (SELECT seq, data, at, bot_id, NULL AS run, NULL AS message_id, NULL AS text, NULL AS source_seq
                       FROM events {part})
        UNION ALL
        SELECT * FROM (SELECT seq, NULL, at, bot_id, run, message_id, text, source_seq FROM output {part})
        ORDER BY seq {"DESC" if newest else "ASC"} LIMIT :limit
        """,
        {"after": after, "limit": limit, "bot_id": bot_id},
    )
    recorded = [Recorded(row["seq"], _event(row)) for row in found]
    return recorded[::-1] if newest else recorded


def _event(row: sqlite3.Row) -> ev.Event:
    if row["data"] is not None:
        return codec.from_json(json.loads(row["data"]))
    return ev.OutputAdded(
        at=row["at"],
        bot_id=row["bot_id"],
        run=row["run"],
        message_id=row["message_id"],
        text=row["text"],
        source_seq=row["source_seq"],
    )


async def fetch(connection: aiosqlite.Connection, sql: str, *values: object) -> list[sqlite3.Row]:
    return list(await connection.execute_fetchall(sql, values))


async def last_seq(connection: aiosqlite.Connection) -> int:
    found = await fetch(
        connection, "SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name IN ('events', 'output')"
    )
    return int(found[0]["seq"])


async def _bots(connection: aiosqlite.Connection) -> dict[str, BotRow]:
    breakers = {row["bot_id"]: rows.read_breaker(row) for row in await fetch(connection, "SELECT * FROM breakers")}
    waiting = await fetch(
        connection,
        "SELECT bot_id, message_id, subject FROM messages "
        "WHERE ended_at IS NULL AND status IN ('queued', 'accepted') ORDER BY bot_id, number",
    )
    queued: dict[str, list[tuple[str, str]]] = {}
    for row in waiting:
        queued.setdefault(row["bot_id"], []).append((row["message_id"], row["subject"]))
    return {
        row["bot_id"]: rows.read_bot(row, breakers.get(row["bot_id"]), tuple(queued.get(row["bot_id"], ())))
        for row in await fetch(connection, "SELECT * FROM bots ORDER BY bot_id")
    }


async def _last_runs(connection: aiosqlite.Connection) -> Iterable[RunRow]:
    found = await fetch(
        connection,
        "SELECT runs.* FROM runs JOIN (SELECT bot_id, max(run) AS run FROM runs GROUP BY bot_id) USING (bot_id, run)",
    )
    return [rows.read_run(row) for row in found]


async def _exits(connection: aiosqlite.Connection) -> dict[str, tuple[float, ...]]:
    found = await fetch(
        connection,
        "SELECT bot_id, ended_at FROM bots JOIN runs USING (bot_id) "
        "WHERE runs.run >= first_run AND ended_at IS NOT NULL ORDER BY bot_id, runs.run",
    )
    exits: dict[str, tuple[float, ...]] = {}
    for row in found:
        exits[row["bot_id"]] = (*exits.get(row["bot_id"], ()), row["ended_at"])
    return exits


async def _alerts(connection: aiosqlite.Connection) -> tuple[Alert, ...]:
    """The open ones and the last 50 cleared, oldest first."""
    found = await fetch(
        connection,
        "SELECT * FROM alerts WHERE cleared_at IS NULL OR alert_id IN "
        "(SELECT alert_id FROM alerts WHERE cleared_at IS NOT NULL ORDER BY alert_id DESC LIMIT 50) ORDER BY alert_id",
    )
    return tuple(Alert(**dict(row)) for row in found)


async def _approvals(connection: aiosqlite.Connection) -> tuple[Approval, ...]:
    """Oldest first."""
    found = await fetch(connection, "SELECT * FROM approvals ORDER BY asked_at, request_id")
    return tuple(rows.read_approval(row) for row in found)


async def _pauses(connection: aiosqlite.Connection) -> dict[str, Pause]:
    found = await fetch(connection, "SELECT * FROM pauses ORDER BY provider")
    return {row["provider"]: Pause(since=row["since"], until=row["until"], reason=row["reason"]) for row in found}


async def _unfinished(connection: aiosqlite.Connection) -> dict[str, tuple[MessageRow, ...]]:
    names = "number, message_id, bot_id, run, sender, text, status, asked_at, accepted_at, priority, task_id, letter_id"
    found = await fetch(connection, f"SELECT {names} FROM messages WHERE ended_at IS NULL ORDER BY bot_id, number")
    by_bot = groupby((MessageRow(**dict(row)) for row in found), key=lambda message: message.bot_id)
    return {bot_id: tuple(messages) for bot_id, messages in by_bot}


async def _recent_outcomes(connection: aiosqlite.Connection) -> dict[str, tuple[ev.Event, ...]]:
    found = await fetch(
        connection,
        f"""
        SELECT events.bot_id, data FROM bots JOIN events
        ON seq IN (SELECT seq FROM events WHERE bot_id = bots.bot_id
                   AND type IN ('turn_ended', 'bot_exited', 'probe_failed', 'breaker_changed', 'bot_launched')
                   ORDER BY seq DESC LIMIT {_COUNTED})
        ORDER BY events.bot_id, seq
        """,
    )
    by_bot = groupby(found, key=lambda row: str(row["bot_id"]))
    return {bot_id: tuple(codec.from_json(json.loads(row["data"])) for row in rows) for bot_id, rows in by_bot}
