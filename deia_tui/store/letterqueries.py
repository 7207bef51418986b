"""What is read of letters: of a bot, between two, what one has not read; and what became of the messages that carried
them. Every list is read from an index in its order."""

import json
from collections.abc import Collection

import aiosqlite

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.letters.delivery import Carried
from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.store import workrows
from deia_tui.store.database import transaction
from deia_tui.store.queries import fetch

_BATCH = 500
"""So many go in one step; commits wait for it some milliseconds."""


async def letters(
    connection: aiosqlite.Connection, *, bot_id: str | None, partner: str | None, offset: int, limit: int
) -> list[Letter]:
    """As HiveClient.letters."""
    every = "SELECT * FROM letters"
    if bot_id is None:
        which = every
    elif partner is None:
        which = f"{every} WHERE from_bot = :bot_id UNION ALL {every} WHERE to_bot = :bot_id AND from_bot <> :bot_id"
    else:
        which = (
            f"{every} WHERE from_bot = :bot_id AND to_bot = :partner "
            f"UNION ALL {every} WHERE from_bot = :partner AND to_bot = :bot_id AND from_bot <> :bot_id"
        )
    found = await connection.execute_fetchall(
        f"{which} ORDER BY sent_at DESC, letter_id DESC LIMIT :limit OFFSET :offset",
        {"bot_id": bot_id, "partner": partner, "limit": limit, "offset": offset},
    )
    return [workrows.read_letter(row) for row in found]


async def letter(connection: aiosqlite.Connection, letter_id: str) -> Letter | None:
    found = await fetch(connection, "SELECT * FROM letters WHERE letter_id = ?", letter_id)
    return workrows.read_letter(found[0]) if found else None


async def unread(connection: aiosqlite.Connection, bot_id: str, *, limit: int, ageing_s: float) -> list[Letter]:
    """What a bot has not read yet, in the order in which it gets them: what waits has risen by one priority every
    `ageing_s`."""
    found = await fetch(
        connection,
        "SELECT * FROM letters WHERE to_bot = ? AND state IN ('pending', 'delivered') "
        "ORDER BY state = 'pending', sent_at + ? * priority, letter_id LIMIT ?",
        bot_id,
        ageing_s,
        limit,
    )
    return [workrows.read_letter(row) for row in found]


async def counts(connection: aiosqlite.Connection) -> dict[LetterState, int]:
    found = await fetch(connection, "SELECT state, count(*) AS number FROM letters GROUP BY state")
    return dict.fromkeys(LetterState, 0) | {LetterState(row["state"]): int(row["number"]) for row in found}


async def carried(connection: aiosqlite.Connection, message_ids: Collection[str]) -> dict[str, Carried]:
    """The event by which a message came where it is stands at its `since_seq`, that of its end at its `until_seq`."""
    found = await fetch(
        connection,
        """
        SELECT message_id, accepted_at, ended_at, step.type AS step, step.at AS step_at, ended.data AS ended
        FROM messages
        LEFT JOIN events AS step ON step.seq = since_seq
        LEFT JOIN events AS ended ON ended.seq = until_seq
        WHERE message_id IN (SELECT value FROM json_each(?))
        """,
        json.dumps(list(message_ids)),
    )
    return {
        row["message_id"]: Carried(
            taken_at=row["accepted_at"],
            begun_at=row["step_at"] if row["step"] == "turn_started" else None,
            is_over=row["ended_at"] is not None,
            end=_turn(row["ended"]),
        )
        for row in found
    }


async def drop_expired(connection: aiosqlite.Connection, *, before: float) -> int:
    """Some of those that expired before; how many."""
    old = f"SELECT letter_id FROM letters WHERE state = 'expired' AND since < ? LIMIT {_BATCH}"
    async with (
        transaction(connection),
        connection.execute(f"DELETE FROM letters WHERE letter_id IN ({old})", (before,)) as cursor,
    ):
        return cursor.rowcount


def _turn(data: str | None) -> ev.TurnEnded | None:
    event = codec.from_json(json.loads(data)) if data is not None else None
    return event if isinstance(event, ev.TurnEnded) else None
