"""What is found of a hive afterwards: its store, the diary its agents kept, its files. Read only, judged elsewhere."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..hives import TrialHive
from .actors import Letter
from .givers import Given
from .supervision import ERRORS

Event = dict[str, Any]
Row = dict[str, Any]
"""Of a table, as it is."""


class Note(NamedTuple):
    """A line of the diary (reciter.py)."""

    what: str
    at: float
    pid: int
    start_ticks: int
    bot_id: str
    nonce: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as the store has it. `answer` is all output of that message, `shown` the part a chat shows."""

    message_id: str
    bot_id: str
    text: str
    status: str
    error: str
    answer: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`log_lines`: the output log of each bot; `torn`: lines of journals that are no JSON; `journaled`: the messages
    whose end stands in a journal; `complaints`: tracebacks in the logs of supervisors and hosts; `papers`: the files
    below hive/tasks, relative to it, with what they say; `responses`: the names of the files in hive/responses;
    `post`: messages between bots."""

    letters: Sequence[Letter]
    given: Sequence[Given]
    messages: dict[str, Stored]
    events: Sequence[Event]
    listed_alive: Sequence[str]
    integrity: Sequence[str]
    diary: Sequence[Note]
    log_lines: dict[str, list[str]]
    torn: Sequence[str]
    journaled: frozenset[str]
    complaints: Sequence[str]
    tasks: dict[str, Row]
    attempts: Sequence[Row]
    post: dict[str, Row]
    papers: dict[str, str]
    responses: frozenset[str]

    def of_bot(self, *types: str) -> dict[str, list[Event]]:
        """The events of these types, by bot."""
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event["type"] in types:
                found[event["bot_id"]].append(event)
        return found


def gather(hive: TrialHive, letters: Sequence[Letter], given: Sequence[Given], diary: Path) -> Evidence:
    with closing(sqlite3.connect(hive.folder.state_db, timeout=30)) as store:
        store.row_factory = sqlite3.Row
        messages = {row["message_id"]: _stored(store, row) for row in store.execute("SELECT * FROM messages")}
        events = [{**json.loads(row["data"]), "seq": row["seq"]} for row in store.execute(_EVENTS)]
        alive = [bot_id for (bot_id,) in map(tuple, store.execute(_ALIVE))]
        checks = (*store.execute("PRAGMA integrity_check"), *store.execute("PRAGMA foreign_key_check"))
        integrity = [str(tuple(row)) for row in checks if row[0] != "ok"]
        tasks = {row["task_id"]: dict(row) for row in store.execute(_TASKS)}
        attempts = [dict(row) for row in store.execute("SELECT * FROM attempts ORDER BY task_id, attempt")]
        post = {row["letter_id"]: dict(row) for row in store.execute("SELECT * FROM letters")}
    torn, journaled = _journals(hive.folder.logs)
    return Evidence(
        letters=letters,
        given=given,
        messages=messages,
        events=events,
        listed_alive=[*alive, *_registered(hive.folder.registry)],
        integrity=integrity,
        diary=read_diary(diary),
        log_lines=_output_logs(hive.folder.logs),
        torn=torn,
        journaled=journaled,
        complaints=[*_complaints(hive.root / ERRORS), *_complaints(hive.folder.run / "host.log")],
        tasks=tasks,
        attempts=attempts,
        post=post,
        papers=_papers(hive.folder.tasks),
        responses=frozenset(path.name for path in hive.folder.responses.glob("*-RESPONSE-*")),
    )


_TASKS = "SELECT * FROM tasks JOIN task_texts USING (task_id)"
_EVENTS = "SELECT seq, data FROM events ORDER BY seq"
_ALIVE = (
    "SELECT bot_id FROM bots WHERE pid IS NOT NULL "
    "UNION ALL SELECT bot_id || '.' || run FROM runs WHERE pid IS NOT NULL AND ended_at IS NULL"
)
_ANSWER = "SELECT text FROM output WHERE message_id = ? ORDER BY seq"
_SHOWN = "SELECT text FROM output WHERE bot_id = ? AND message_id = ? AND seq > ? AND seq < ? ORDER BY seq"


def _stored(store: sqlite3.Connection, row: sqlite3.Row) -> Stored:
    until = row["until_seq"] or 2**62
    shown = store.execute(_SHOWN, (row["bot_id"], row["message_id"], row["since_seq"], until))
    return Stored(
        **{name: row[name] for name in ("message_id", "bot_id", "text", "status", "error")},
        answer="".join(text for (text,) in store.execute(_ANSWER, (row["message_id"],))),
        shown="".join(text for (text,) in shown),
    )


def read_diary(path: Path) -> list[Note]:
    """In the order in which it was written."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        what, at, pid, ticks, *about = line.split(" ")
        found.append(Note(what, float(at), int(pid), int(ticks), *about))
    return found


def _registered(registry: Path) -> list[str]:
    return list(json.loads(registry.read_bytes())["bots"]) if registry.exists() else []


def _output_logs(logs: Path) -> dict[str, list[str]]:
    """With what was set aside."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(logs.glob("*-output.log"), reverse=True):
        found[path.name.removesuffix("-output.log")] += path.read_text("utf-8", "replace").splitlines()
    return found


def _journals(logs: Path) -> tuple[list[str], frozenset[str]]:
    torn, journaled = [], set()
    for path in sorted(logs.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            try:
                row = json.loads(line)
            except ValueError:
                torn.append(f"{path.name}, line {number}: {line[:80]!r}")
                continue
            if row.get("event_type") == "message_answered":
                journaled.add(row["context"]["message_id"])
    return torn, frozenset(journaled)


def _papers(tasks: Path) -> dict[str, str]:
    found = (path for path in sorted(tasks.rglob("*")) if path.is_file())
    return {str(path.relative_to(tasks)): path.read_text("utf-8", "replace") for path in found}


def _complaints(log: Path) -> list[str]:
    """Tracebacks, each with its last line."""
    if not log.exists():
        return []
    parts = log.read_text("utf-8", "replace").split("Traceback (most recent call last)")[1:]
    return [f"{log.name}: traceback {part.strip()[-600:]}" for part in parts]
