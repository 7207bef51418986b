"""Which rows an event adds and changes, as SQL and values. Talks to no database."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.letters.letter import Letter, fold_letter
from deia_tui.core.state import day_of, first_line
from deia_tui.core.work.taskmoves import fold_task
from deia_tui.core.work.tasks import Task
from deia_tui.store import rows, workrows
from deia_tui.store.rows import BotRow, RunKey, RunRow, Values

Statement = tuple[str, Sequence[Values]]
"""SQL, and the values of every time it is executed."""
_ROWS = 250
"""At most so many in one INSERT; SQLite takes 32,766 values."""


@dataclass(slots=True)
class Tables:
    """What is known of the database: the last `seq`, every bot, at least the last run of each, and of message ids,
    tasks and letters those that were looked up and exist."""

    seq: int
    bots: dict[str, BotRow]
    runs: dict[RunKey, RunRow]
    asked: set[str]
    tasks: dict[str, Task] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)

    def copy(self) -> "Tables":
        return replace(
            self,
            bots=dict(self.bots),
            runs=dict(self.runs),
            asked=set(self.asked),
            tasks=dict(self.tasks),
            letters=dict(self.letters),
        )

    def unknown(self, events: Iterable[ev.Event]) -> "Unknown":
        """What must be looked up before these events are added."""
        unknown = Unknown()
        for event in events:
            if isinstance(event, ev.MessageQueued):
                unknown.asked.add(event.message_id)
            elif isinstance(event, ev.TaskEvent):
                unknown.tasks.add(event.task_id)
            elif isinstance(event, ev.LetterEvent):
                unknown.letters.add(event.letter_id)
            elif (key := _run_key(event)) and key not in self.runs:
                bot = self.bots.get(key[0])
                if bot and key[1] <= bot.view.run:
                    unknown.runs.add(key)
        return unknown

    def forget(self) -> None:
        """Drop what need not be remembered between two batches."""
        for looked_up in (self.asked, self.tasks, self.letters):
            looked_up.clear()
        if len(self.runs) > len(self.bots):
            self.runs = {key: row for key, row in self.runs.items() if self.bots[key[0]].view.run <= key[1]}


@dataclass(frozen=True, slots=True)
class Unknown:
    """Former runs, and ids of messages, tasks and letters."""

    runs: set[RunKey] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    letters: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Insert:
    """`INSERT INTO table (columns) VALUES …`, with `tail` behind it. Many rows go in one statement: every statement
    gives up the interpreter lock, and getting it back from a busy screen can take 5 ms."""

    table: str
    columns: tuple[str, ...]
    tail: str = ""

    def statements(self, added: Sequence[Values]) -> Iterator[Statement]:
        for start in range(0, len(added), _ROWS):
            part = added[start : start + _ROWS]
            places = ", ".join([f"({', '.join('?' * len(self.columns))})"] * len(part))
            names = ", ".join(self.columns)
            values = tuple(map(_sound, chain.from_iterable(part)))
            yield f"INSERT INTO {self.table} ({names}) VALUES {places} {self.tail}", [values]


@dataclass(frozen=True, slots=True)
class _Update:
    """A change of rows that exist, one after the other, in one go of the database's thread."""

    sql: str

    def statements(self, changed: Sequence[Values]) -> Iterator[Statement]:
        if changed:
            yield self.sql, [tuple(map(_sound, values)) for values in changed]


def _upsert(table: str, columns: tuple[str, ...], *key: str, changing: tuple[str, ...] = ()) -> _Insert:
    """Of a row that exists only what is `changing` is written, by default all but its key."""
    names = changing or tuple(name for name in columns if name not in key)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    return _Insert(table, columns, f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}")


_EVENT = _Insert("events", ("seq", "at", "type", "bot_id", "data"))
_OUTPUT = _Insert("output", ("seq", "at", "bot_id", "run", "message_id", "text", "source_seq"))
_BOT = _upsert("bots", rows.BOT_COLUMNS, "bot_id")
_RUN = _upsert("runs", rows.RUN_COLUMNS, "bot_id", "run")
_ASK = _Insert(
    "messages",
    (
        *("message_id", "bot_id", "sender", "text", "subject", "status", "asked_at", "since_seq"),
        *("priority", "task_id", "letter_id"),
    ),
)
_ACCEPT = _Update(
    "UPDATE messages SET status = 'accepted', run = ?, accepted_at = ?, since_seq = ? "
    "WHERE message_id = ? AND status = 'queued'"
)
_START = _Update(
    "UPDATE messages SET status = 'running', run = ?, accepted_at = coalesce(accepted_at, ?), since_seq = ? "
    "WHERE message_id = ? AND status IN ('queued', 'accepted')"
)
_END = _Update(
    "UPDATE messages SET status = ?, run = coalesce(run, ?), error = ?, ended_at = ?, duration_s = ?, until_seq = ? "
    "WHERE message_id = ? AND ended_at IS NULL"
)
_BREAKER = _upsert("breakers", rows.BREAKER_COLUMNS, "bot_id")
_ALERT = _Insert("alerts", ("alert_id", "bot_id", "kind", "level", "text", "action", "raised_at"))
_CLEAR = _Update("UPDATE alerts SET cleared_at = ? WHERE alert_id = ?")

_ASKED = _upsert(
    "approvals", ("request_id", "bot_id", "run", "message_id", "request", "asked_at", "expires_at"), "request_id"
)
_ANSWERED = _Update("DELETE FROM approvals WHERE request_id = ?")
_ABANDONED = _Update("DELETE FROM approvals WHERE (bot_id, run) = (?, ?)")
_PAUSE = _upsert("pauses", ("provider", "since", "until", "reason"), "provider")
_RESUME = _Update("DELETE FROM pauses WHERE provider = ? AND since <= ?")
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "unpriced")


def _ledger(table: str, *key: str) -> _Insert:
    """Rows that are added to what is there."""
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
    return _Insert(table, (*key, *_COUNTS), f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sums}")


_USED_IN_TURN = _ledger("usage_of_turn", "message_id", "model")
_USED_IN_DAY = _ledger("usage_of_day", "day", "bot_id", "model")

_TASK = _upsert("tasks", workrows.TASK_COLUMNS, "task_id", changing=workrows.TASK_CHANGES)
_TEXT = _Insert("task_texts", workrows.TEXT_COLUMNS)
_ATTEMPT = _Insert("attempts", workrows.ATTEMPT_COLUMNS)
_ATTEMPT_STARTED = _Update("UPDATE attempts SET started_at = ? WHERE (task_id, attempt) = (?, ?)")
_ATTEMPT_ENDED = _Update(
    "UPDATE attempts SET ended_at = ?, outcome = ?, error = ? WHERE (task_id, attempt) = (?, ?) AND ended_at IS NULL"
)
_PERFORMANCE = _upsert("performance", workrows.PERFORMANCE_COLUMNS, "bot_id", "task_type")
_FORGOTTEN = _Update("DELETE FROM performance WHERE bot_id = ?")
_LETTER = _upsert("letters", workrows.LETTER_COLUMNS, "letter_id")

_ORDER = (
    *(_EVENT, _OUTPUT, _BOT, _RUN, _ASK, _ACCEPT, _START, _END, _BREAKER, _ALERT, _CLEAR),
    *(_ASKED, _ANSWERED, _ABANDONED, _PAUSE, _RESUME, _USED_IN_TURN, _USED_IN_DAY),
    *(_TASK, _TEXT, _ATTEMPT, _ATTEMPT_STARTED, _ATTEMPT_ENDED, _FORGOTTEN, _PERFORMANCE, _LETTER),
)
"""Bots come before what refers to them, and a message's steps in the order they happen."""


class Draft:
    """The rows that some events add and change, on top of `tables`, which stay as they are."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables.copy()
        self._rows: defaultdict[_Insert | _Update, list[Values]] = defaultdict(list)
        self._bots: set[str] = set()
        self._runs: set[RunKey] = set()
        self._tasks: set[str] = set()
        self._letters: set[str] = set()

    def add(self, event: ev.Event) -> Recorded | None:
        """The event with its number; None when it is there already (a replayed frame, a message asked twice) or comes
        too late to change what it is about (a task's former attempt)."""
        if self._is_known(event) or self._is_stale(event):
            return None
        self.tables.seq += 1
        self._keep(event, self.tables.seq)
        self._fold_run(event)
        if not isinstance(event, ev.OutputAdded):
            self._fold_bot(event)
            self._derive(event, self.tables.seq)
        return Recorded(self.tables.seq, event)

    def statements(self) -> Iterator[Statement]:
        """What to execute, in order."""
        self._rows[_BOT] = [rows.bot_values(self.tables.bots[bot_id]) for bot_id in self._bots]
        self._rows[_RUN] = [rows.run_values(self.tables.runs[key]) for key in self._runs]
        self._rows[_TASK] = [workrows.task_values(self.tables.tasks[task_id]) for task_id in self._tasks]
        self._rows[_LETTER] = [workrows.letter_values(self.tables.letters[letter_id]) for letter_id in self._letters]
        return chain.from_iterable(change.statements(self._rows[change]) for change in _ORDER)

    def _is_known(self, event: ev.Event) -> bool:
        if isinstance(event, ev.MessageQueued):
            known = event.message_id in self.tables.asked
            self.tables.asked.add(event.message_id)
            return known
        source_seq: int = getattr(event, "source_seq", 0)
        if not source_seq:
            return False
        run = self.tables.runs.get(_run_key(event) or ("", 0))
        return run is not None and source_seq <= run.last_seq

    def _is_stale(self, event: ev.Event) -> bool:
        """Does it leave its task or letter as it is? Otherwise it changes that."""
        if isinstance(event, ev.TaskEvent):
            task = self.tables.tasks.get(event.task_id)
            moved = fold_task(task, event)
            if moved is None or moved is task:
                return True
            self.tables.tasks[event.task_id] = moved
            self._tasks.add(event.task_id)
        elif isinstance(event, ev.LetterEvent):
            letter = self.tables.letters.get(event.letter_id)
            changed = fold_letter(letter, event)
            if changed is None or changed is letter:
                return True
            self.tables.letters[event.letter_id] = changed
            self._letters.add(event.letter_id)
        return False

    def _keep(self, event: ev.Event, seq: int) -> None:
        if isinstance(event, ev.OutputAdded):
            row: Values = (seq, event.at, event.bot_id, event.run, event.message_id, event.text, event.source_seq)
            self._rows[_OUTPUT].append(row)
        else:
            data = codec.to_json(event)
            row = (seq, event.at, data["type"], getattr(event, "bot_id", None), json.dumps(data))
            self._rows[_EVENT].append(row)

    def _fold_run(self, event: ev.Event) -> None:
        key = _run_key(event)
        if key is None:
            return
        old = self.tables.runs.get(key) or RunRow(bot_id=key[0], run=key[1], started_at=event.at)
        new = rows.fold_run(old, event)
        if new is not old:
            self.tables.runs[key] = new
            self._runs.add(key)

    def _fold_bot(self, event: ev.Event) -> None:
        bot_id: str | None = getattr(event, "bot_id", None)
        if bot_id is None:
            return
        old = self.tables.bots.get(bot_id)
        new = rows.fold_bot(old, event, bot_id)
        if new is not None and new is not old:
            self.tables.bots[bot_id] = new
            self._bots.add(bot_id)

    def _derive(self, event: ev.Event, seq: int) -> None:
        match event:
            case ev.MessageQueued():
                about = (event.message_id, event.bot_id, event.sender, event.text, first_line(event.text))
                kind = (event.priority, event.task_id, event.letter_id)
                self._rows[_ASK].append((*about, "queued", event.at, seq, *kind))
            case ev.MessageAccepted():
                self._rows[_ACCEPT].append((event.run, event.at, seq, event.message_id))
            case ev.TurnStarted():
                self._rows[_START].append((event.run, event.at, seq, event.message_id))
            case ev.TurnEnded():
                ended = (event.status, event.run, event.error, event.at, event.duration_s)
                self._rows[_END].append((*ended, seq, event.message_id))
            case ev.BreakerChanged():
                self._rows[_BREAKER].append(rows.breaker_values(rows.fold_breaker(event)))
            case ev.AlertRaised():
                alert = (event.alert_id, event.bot_id, event.kind, event.level, event.text, event.action, event.at)
                self._rows[_ALERT].append(alert)
            case ev.AlertCleared():
                self._rows[_CLEAR].append((event.at, event.alert_id))
            case ev.PermissionAsked(request=request) if not event.is_ruled:
                what = (event.message_id, json.dumps(codec.encode(request)), event.at, event.expires_at)
                self._rows[_ASKED].append((request.request_id, event.bot_id, event.run, *what))
            case ev.PermissionAnswered():
                self._rows[_ANSWERED].append((event.request_id,))
            case ev.BotExited():
                self._rows[_ABANDONED].append((event.bot_id, event.run))
            case ev.ProviderPaused():
                self._rows[_PAUSE].append((event.provider, event.at, event.until, event.reason))
            case ev.ProviderResumed():
                self._rows[_RESUME].append((event.provider, event.at))
            case ev.UsageReported(usage=usage, cost_usd=cost):
                tokens = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
                counts = (*tokens, cost or 0.0, int(cost is None))
                self._rows[_USED_IN_TURN].append((event.message_id, usage.model, *counts))
                self._rows[_USED_IN_DAY].append((day_of(event.at), event.bot_id, usage.model, *counts))
            case ev.TaskQueued():
                self._rows[_TEXT].append(workrows.text_values(event))
            case ev.TaskAssigned():
                self._rows[_ATTEMPT].append(workrows.attempt_values(event))
            case ev.TaskStarted():
                self._rows[_ATTEMPT_STARTED].append((event.at, event.task_id, event.attempt))
            case ev.TaskDone() | ev.TaskPutBack() | ev.TaskDied():
                ended_so = workrows.outcome_of(event)
                self._rows[_ATTEMPT_ENDED].append((event.at, *ended_so, event.task_id, event.attempt))
            case ev.TaskCancelled():
                attempt = self.tables.tasks[event.task_id].attempt
                self._rows[_ATTEMPT_ENDED].append((event.at, "cancelled", f"by {event.by}", event.task_id, attempt))
            case ev.PerformanceRecorded():
                self._rows[_PERFORMANCE].append(workrows.performance_values(event))
            case ev.PerformanceForgotten():
                self._rows[_PERFORMANCE] = [row for row in self._rows[_PERFORMANCE] if row[0] != event.bot_id]
                self._rows[_FORGOTTEN].append((event.bot_id,))
            case _:
                pass


def _run_key(event: ev.Event) -> RunKey | None:
    run: int | None = getattr(event, "run", None)
    return None if run is None else (getattr(event, "bot_id", ""), run)


def _sound(value: Any) -> Any:
    """Half a surrogate pair, which a bot can send in JSON, is no text for a database."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value
