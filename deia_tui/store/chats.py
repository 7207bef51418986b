"""The turns of one bot as a chat shows them: messages, answers, and what the agent did in between, in its order."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from itertools import groupby

import aiosqlite

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.conversation import Parts, add, answer_of, close
from deia_tui.store.queries import fetch, last_seq

MAX_ANSWER = 1024 * 1024
"""Characters of one answer that a chat shows."""
_PIECES = 512
"""So many pieces of an answer are joined in one go."""
_BESIDE = 5000
"""So much of what else happened in a turn is read, the newest."""
_IN_CHAT = (
    "type IN ('thought_added', 'tool_call_changed', 'plan_changed', 'usage_reported', "
    "'permission_asked', 'permission_answered')"
)
_CUT = "\n[only the first 1 MiB of this answer is shown]"


async def chat(connection: aiosqlite.Connection, bot_id: str, *, before: int | None, limit: int) -> list[ChatTurn]:
    found = await fetch(
        connection,
        "SELECT * FROM messages WHERE bot_id = ? AND number < ? ORDER BY number DESC LIMIT ?",
        bot_id,
        2**63 - 1 if before is None else before,
        limit,
    )
    return [await _turn(connection, row) for row in reversed(found)]


async def turn(connection: aiosqlite.Connection, message_id: str) -> ChatTurn | None:
    """One message with its answer; None for an id nobody used."""
    found = await fetch(connection, "SELECT * FROM messages WHERE message_id = ?", message_id)
    return await _turn(connection, found[0]) if found else None


async def _turn(connection: aiosqlite.Connection, row: sqlite3.Row) -> ChatTurn:
    parts: Parts = ()
    seq = 0
    if row["status"] != "queued":
        parts, seq = await _parts(connection, row)
    kept = ("number", "message_id", "sender", "text", "status", "error", "asked_at", "ended_at", "task_id", "letter_id")
    end = await _end(connection, row)
    return ChatTurn(
        **{name: row[name] for name in kept},
        answer=answer_of(parts),
        answer_seq=seq,
        parts=close(parts) if row["ended_at"] else parts,
        failure=end.failure if end else None,
        stop_reason=end.stop_reason if end else "",
    )


async def _end(connection: aiosqlite.Connection, row: sqlite3.Row) -> ev.TurnEnded | None:
    """The event that ended a turn, if it has and is still kept."""
    if row["until_seq"] is None:
        return None
    found = await fetch(connection, "SELECT data FROM events WHERE seq = ?", row["until_seq"])
    event = codec.from_json(json.loads(found[0]["data"])) if found else None
    return event if isinstance(event, ev.TurnEnded) else None


async def _parts(connection: aiosqlite.Connection, row: sqlite3.Row) -> tuple[Parts, int]:
    """What happened in a turn, and the last number of it. A bot does one turn at a time, so all of it lies between two
    numbers in the bot's own sequence."""
    until = row["until_seq"] or await last_seq(connection) + 1  # what comes meanwhile is news
    beside = await _beside(connection, row, until)
    parts: Parts = ()
    last, length = 0, 0
    async for after, text, seq in _said(connection, row, until):
        while beside and beside[0].seq <= after:
            parts = add(parts, beside.pop(0).event)
        parts = add(parts, _output(row, text[: max(0, MAX_ANSWER - length)]))
        last, length = seq, min(MAX_ANSWER + 1, length + len(text))
    for entry in beside:
        last, parts = max(last, entry.seq), add(parts, entry.event)
    return (add(parts, _output(row, _CUT)) if length > MAX_ANSWER else parts), last


async def _beside(connection: aiosqlite.Connection, row: sqlite3.Row, until: int) -> list[Recorded]:
    """Everything in the turn but output; of the endless, the newest."""
    found = await fetch(
        connection,
        f"SELECT seq, data FROM events WHERE bot_id = ? AND seq > ? AND seq < ? AND {_IN_CHAT} "
        f"ORDER BY seq DESC LIMIT {_BESIDE}",
        *(row["bot_id"], row["since_seq"], until),
    )
    entries = (Recorded(entry["seq"], codec.from_json(json.loads(entry["data"]))) for entry in reversed(found))
    return [entry for entry in entries if getattr(entry.event, "message_id", row["message_id"]) == row["message_id"]]


async def _said(connection: aiosqlite.Connection, row: sqlite3.Row, until: int) -> AsyncIterator[tuple[int, str, int]]:
    """The answer, a little more than MAX_ANSWER of it, piece by piece: what else in the turn happened last before it (0
    for nothing), the text, and a number up to which it reaches."""
    within = "bot_id = :bot_id AND seq > :since AND seq < :until"
    before = f"coalesce((SELECT max(seq) FROM events WHERE {within} AND seq < output.seq AND {_IN_CHAT}), 0)"
    pieces = (
        f"SELECT seq, text, {before} AS before FROM output WHERE {within} AND seq > :seq "
        f"AND message_id = :message_id ORDER BY seq LIMIT {_PIECES}"
    )
    # SQLite joins the pieces: fetched one by one, each would wait for the interpreter lock.
    joined = (
        "SELECT max(seq) AS seq, group_concat(text, '') AS text, "
        f"group_concat(before || ' ' || length(CAST(text AS BLOB)), ',') AS layout FROM ({pieces})"
    )
    place = {"bot_id": row["bot_id"], "since": row["since_seq"], "until": until, "message_id": row["message_id"]}
    seq, length = row["since_seq"], 0
    while length <= MAX_ANSWER:
        (part,) = await connection.execute_fetchall(joined, {**place, "seq": seq})
        if part["seq"] is None:
            return
        seq, length = part["seq"], length + len(part["text"])
        for before_it, text in _apart(part["text"], part["layout"]):
            yield before_it, text, seq
    last = f"SELECT max(seq) AS seq FROM output WHERE {within} AND message_id = :message_id"
    (rest,) = await connection.execute_fetchall(last, place)
    yield 0, "", rest["seq"]


def _apart(text: str, layout: str) -> Iterator[tuple[int, str]]:
    """What was joined, cut where something happened in between."""
    data, start = text.encode(), 0
    sizes = (tuple(map(int, piece.split())) for piece in layout.split(","))
    for before, group in groupby(sizes, key=lambda piece: piece[0]):
        end = start + sum(size for _, size in group)
        yield before, data[start:end].decode()
        start = end


def _output(row: sqlite3.Row, text: str) -> ev.OutputAdded:
    return ev.OutputAdded(
        at=row["asked_at"],
        bot_id=row["bot_id"],
        run=row["run"] or 0,
        message_id=row["message_id"],
        text=text,
        source_seq=0,
    )
