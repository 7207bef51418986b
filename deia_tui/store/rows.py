"""The rows derived from events: what the tables hold of a bot, a run and a breaker, and how an event changes it."""

import json
import sqlite3
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, BotSpec, BotState, ExitRecord, Health, spec_from_json, spec_to_json
from deia_tui.core.breaker import Phase
from deia_tui.core.codec import decode, encode
from deia_tui.core.state import Approval, BotView, HiveState, Session, fold
from deia_tui.core.turns import PermissionRequest
from deia_tui.identity import boot_id

Values = tuple[Any, ...]
RunKey = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRow:
    """`first_run` is the first run that counts against the restart limits: the one of the last human launch."""

    view: BotView
    created_at: float
    first_run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One life of one bot. Times are unix seconds; `last_seq` is the highest frame number committed."""

    bot_id: str
    run: int
    nonce: str = ""
    reason: str = ""
    started_at: float
    pid: int | None = None
    start_ticks: int | None = None
    boot_id: str = ""
    port: int | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    exit_signal: str | None = None
    exit_reason: str = ""
    last_seq: int = 0

    @property
    def ended(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRow:
    """`locked`: open until a human acts."""

    bot_id: str
    phase: Phase
    retry_at: float | None
    locked: bool
    reason: str
    consecutive_failures: int
    at: float


BOT_COLUMNS = (
    *("bot_id", "spec", "exit", "created_at", "first_run"),
    *("wanted", "state", "activity", "since", "reason", "run", "restarts", "pid", "port", "due_at"),
    *("health", "message_id", "task", "trouble", "spent_day", "spent_usd", "scaled", "session", "grants"),
)
_VIEW_COLUMNS = BOT_COLUMNS[5:-2]
RUN_COLUMNS = tuple(field.name for field in fields(RunRow))
BREAKER_COLUMNS = tuple(field.name for field in fields(BreakerRow))


def bot_values(row: BotRow) -> Values:
    """In the order of BOT_COLUMNS. Breaker and queue are not here: they have tables of their own."""
    view = row.view
    exit = None if view.exit is None else json.dumps(encode(view.exit))
    kept = (getattr(view, name) for name in _VIEW_COLUMNS)
    session = None if view.session is None else json.dumps(encode(view.session))
    beside = (session, json.dumps(view.grants))
    return (view.bot_id, _spec_text(view.spec), exit, row.created_at, row.first_run, *kept, *beside)


@lru_cache(maxsize=1000)
def _spec_text(spec: BotSpec) -> str:
    """It is written with every change of its bot, and hardly ever changes itself."""
    return json.dumps(spec_to_json(spec))


def run_values(row: RunRow) -> Values:
    return tuple(getattr(row, name) for name in RUN_COLUMNS)


def breaker_values(row: BreakerRow) -> Values:
    return tuple(getattr(row, name) for name in BREAKER_COLUMNS)


def read_bot(row: sqlite3.Row, breaker: BreakerRow | None, queued: tuple[tuple[str, str], ...]) -> BotRow:
    kept = {name: row[name] for name in _VIEW_COLUMNS}
    kept["wanted"] = bool(row["wanted"])
    kept["scaled"] = bool(row["scaled"])
    kept["state"] = BotState(row["state"])
    kept["activity"] = Activity(row["activity"])
    kept["health"] = Health(row["health"])
    view = BotView(
        bot_id=row["bot_id"],
        spec=spec_from_json(json.loads(row["spec"])),
        exit=None if row["exit"] is None else ExitRecord(**json.loads(row["exit"])),
        queued=queued,
        session=None if row["session"] is None else Session(**json.loads(row["session"])),
        grants=tuple(json.loads(row["grants"])),
        **kept,
    )
    if breaker:
        view = replace(view, breaker=breaker.phase, breaker_reason=breaker.reason, retry_at=breaker.retry_at)
    return BotRow(view=view, created_at=row["created_at"], first_run=row["first_run"])


def read_run(row: sqlite3.Row) -> RunRow:
    return RunRow(**{name: row[name] for name in RUN_COLUMNS})


def read_breaker(row: sqlite3.Row) -> BreakerRow:
    kept = {name: row[name] for name in BREAKER_COLUMNS}
    return BreakerRow(**{**kept, "phase": Phase(row["phase"]), "locked": bool(row["locked"])})


def fold_bot(row: BotRow | None, event: ev.Event, bot_id: str) -> BotRow | None:
    """The bot after an event of its own; None while it was never launched, `row` itself when nothing changed."""
    before = {} if row is None else {bot_id: row.view}
    view = fold(HiveState(bots=before), event).bots.get(bot_id)
    if view is None or (row is not None and view is row.view):
        return row
    match event:
        case ev.BotLaunched():
            return BotRow(view=view, created_at=row.created_at if row else event.at, first_run=view.run + 1)
        case ev.BotStarting(automatic=False):
            first_run = event.run
        case _:
            first_run = row.first_run if row else 1
    return BotRow(view=view, created_at=row.created_at if row else event.at, first_run=first_run)


def fold_run(row: RunRow, event: ev.Event) -> RunRow:
    """The run after an event of its own; `row` itself when nothing changed."""
    match event:
        case ev.BotStarting():
            return replace(row, nonce=event.nonce, reason=event.reason, started_at=event.at)
        case ev.BotSpawned() | ev.BotAdopted():
            return replace(row, pid=event.pid, start_ticks=event.start_ticks, boot_id=boot_id(), port=event.port)
        case ev.BotReady():
            return replace(row, ready_at=event.at)
        case ev.BotExited(exit=exit):
            return replace(row, ended_at=exit.at, exit_code=exit.code, exit_signal=exit.signal, exit_reason=exit.reason)
        case _:
            source_seq: int = getattr(event, "source_seq", 0)
            return replace(row, last_seq=max(row.last_seq, source_seq)) if source_seq else row


def read_approval(row: sqlite3.Row) -> Approval:
    kept = {name: row[name] for name in ("bot_id", "run", "message_id", "asked_at", "expires_at")}
    return Approval(**kept, request=decode(PermissionRequest, json.loads(row["request"])))


def fold_breaker(event: ev.BreakerChanged) -> BreakerRow:
    return BreakerRow(
        bot_id=event.bot_id,
        phase=event.to_phase,
        retry_at=event.retry_at,
        locked=event.to_phase is Phase.OPEN and event.retry_at is None,
        reason=event.reason,
        consecutive_failures=event.consecutive_failures,
        at=event.at,
    )
