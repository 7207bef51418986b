"""Which line an event adds to which file in bot-logs/: one routing table, in the shape other DEIA tools read.

Message bodies never get in, only their length and hash; credentials are redacted.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from deia_tui.core import events as ev
from deia_tui.core.bots import ExitRecord
from deia_tui.core.redact import redact
from deia_tui.core.state import BotView
from deia_tui.core.turns import PermissionRequest

Line = tuple[str, dict[str, Any]]
"""A file in bot-logs/ and the JSON object to append to it."""
Sample = tuple[float, float, int, int]
"""CPU in percent of one core, resident memory in MB, processes, threads."""

BREAKER_FILE = "circuit-breaker.jsonl"
REGISTRY_FILE = "registry-changes.jsonl"


def rfc3339(at: float) -> str:
    """Unix seconds as 2026-01-31T12:00:00.250+00:00; what is no time of this era becomes the nearest that is."""
    return datetime.fromtimestamp(max(0.0, min(at, 253402300799.0)), UTC).isoformat(timespec="milliseconds")


def route(event: ev.Event, *, registry_version: int) -> list[Line]:
    """The lines of `event`; `registry_version` is the one after it, see `registry_action`."""
    lines = [*_activity(event), *_errors(event), *_breaker(event), *_registry(event, registry_version)]
    return [(file, redact(row)) for file, row in lines]


def registry_action(event: ev.Event) -> str | None:
    """How the event changes hive/registry.json, which lists the bots that have a process; None when it does not."""
    match event:
        case ev.BotSpawned():
            return "registered"
        case ev.BotAdopted():
            return "adopted"
        case ev.BotExited(exit=ExitRecord(code=None, signal=None)):
            return "stale_entry_removed"
        case ev.BotExited():
            return "unregistered"
        case _:
            return None


def resources(
    at: float, bots: Mapping[str, BotView], samples: Mapping[str, Sample], total_memory_mb: float
) -> list[Line]:
    """One line for each bot that was sampled; `total_memory_mb` is the machine's."""
    return [
        (
            f"{bot_id}-resources.jsonl",
            {
                "timestamp": rfc3339(at),
                "bot_id": bot_id,
                "cpu_percent": round(cpu, 1),
                "memory_mb": round(memory_mb, 1),
                "memory_percent": round(100 * memory_mb / total_memory_mb, 2),
                "threads": threads,
                "processes": processes,
                "uptime_seconds": round(max(0.0, at - bots[bot_id].since), 1),
            },
        )
        for bot_id, (cpu, memory_mb, processes, threads) in samples.items()
        if bot_id in bots
    ]


def _activity(event: ev.Event) -> Iterator[Line]:
    bot_id: str | None = getattr(event, "bot_id", None)
    entry = _activity_of(event)
    if not bot_id or entry is None:
        return
    event_type, operation, rest = entry
    row = {
        "timestamp": rfc3339(event.at),
        "bot_id": bot_id,
        "event_type": event_type,
        "operation": operation,
        "result": rest.pop("result", "ok"),
        "duration_seconds": rest.pop("duration_seconds", None),
        "error": rest.pop("error", None),
        "task_id": getattr(event, "task_id", "") or None,
        "context": rest,
    }
    yield f"{bot_id}-activity.jsonl", row


def _activity_of(event: ev.Event) -> tuple[str, str, dict[str, Any]] | None:
    """(event_type, operation, result · duration_seconds · error · everything else for the context)."""
    match event:
        case ev.BotLaunched(spec=spec):
            return "status_update", "launch", {"agent": spec.agent.name, "template": spec.template}
        case ev.BotStarting():
            return "status_update", "start", {"run": event.run, "reason": event.reason}
        case ev.BotReady():
            return "startup", "start", {"run": event.run}
        case ev.BotAdopted():
            return "startup", "adopt", {"run": event.run, "pid": event.pid, "port": event.port}
        case ev.BotStopping():
            return "status_update", "stop", {"run": event.run, "reason": event.reason, "then": event.then}
        case ev.BotExited(exit=exit):
            error = None if exit.expected else str(exit)
            result = "ok" if error is None else "failed"
            return "shutdown", "exit", {"result": result, "error": error, "run": event.run, **_exit(exit)}
        case ev.BotBackingOff():
            context = {"delay_s": event.delay_s, "attempt": event.attempt, "max_restarts": event.max_restarts}
            return "warning", "restart", {"result": "delayed", "error": event.reason, **context}
        case ev.BotGaveUp():
            return "error", "restart", {"result": "failed", "error": event.reason}
        case ev.ProbeFailed():
            return "health_check", "probe", {"result": "failed", "error": event.error, "streak": event.streak}
        case ev.ProbeRecovered():
            return "health_check", "probe", {"run": event.run}
        case ev.MessageQueued():
            about = {"message_id": event.message_id, "sender": event.sender, **body_of(event)}
            return "message_received", "message", about
        case ev.PermissionAsked(request=request):
            about = {"request_id": request.request_id, "message_id": event.message_id, **request_of(request)}
            return "status_update", "permission", {"result": "asked", **about}
        case ev.PermissionAnswered():
            about = {"request_id": event.request_id, "by": event.by or None, "run": event.run}
            return "status_update", "permission", {"result": event.outcome, **about}
        case ev.SessionOpened():
            opened = {"agent": event.agent, "resumed": event.resumed, "note": event.note or None}
            return "status_update", "session", opened
        case ev.AgentDegraded():
            return "warning", "agent", {"result": "degraded", "error": event.reason}
        case ev.TurnEnded():
            ended = {"result": event.status, "duration_seconds": event.duration_s, "error": event.error or None}
            failure = {"failure": event.failure} if event.failure else {}
            return "message_answered", "message", {**ended, "message_id": event.message_id, **failure}
        case ev.TaskAssigned():
            given = {"attempt": event.attempt, "message_id": event.message_id, "type": event.task_type}
            return "task_received", "task", given
        case ev.TaskStarted():
            return "task_started", "task", {"attempt": event.attempt}
        case ev.TaskDone():
            return "task_completed", "task", {"duration_seconds": event.duration_s, "attempt": event.attempt}
        case ev.TaskPutBack(counted=False):
            return "status_update", "task", {"result": "put back", "error": event.reason, "attempt": event.attempt}
        case ev.TaskPutBack() | ev.TaskDied():
            result = "dead" if isinstance(event, ev.TaskDied) else "failed"
            rest = {"duration_seconds": event.duration_s, "error": event.reason, "attempt": event.attempt}
            return "task_failed", "task", {"result": result, **rest, "failure": event.failure}
        case ev.BotLogged(level="warning" | "error"):
            return event.level, "log", {"result": event.level, "error": event.text}
        case ev.AlertRaised(level="critical" | "warning"):
            kind = "error" if event.level == "critical" else "warning"
            return kind, "alert", {"result": event.level, "error": event.text, "kind": event.kind}
        case _:
            return None


def _errors(event: ev.Event) -> Iterator[Line]:
    match event:
        case ev.BotExited(exit=exit) if not exit.expected:
            why = f" ({exit.reason})" if exit.reason else ""
            context: dict[str, Any] = {"run": event.run, **_exit(exit), "stderr": event.stderr_tail}
            message = f"{exit}{why}"
        case ev.BotStopping(then="policy"):
            message, context = event.reason, {"run": event.run}
        case ev.BotGaveUp():
            message, context = event.reason, {}
        case ev.ProbeFailed():
            message, context = event.error, {"run": event.run, "streak": event.streak}
        case ev.TurnEnded(status="failed"):
            message, context = event.error, {"run": event.run, "message_id": event.message_id, "failure": event.failure}
        case ev.TaskDied() if event.bot_id:
            message, context = event.reason, {"task_id": event.task_id, "attempt": event.attempt}
        case ev.BotLogged(level="error"):
            message, context = event.text, {"run": event.run}
        case _:
            return
    row = {"timestamp": rfc3339(event.at), "bot_id": event.bot_id, "level": "error", "message": message}
    yield f"{event.bot_id}-errors.jsonl", {**row, "context": context}


def _breaker(event: ev.Event) -> Iterator[Line]:
    if isinstance(event, ev.BreakerChanged):
        row = {
            "timestamp": rfc3339(event.at),
            "bot_id": event.bot_id,
            "from_state": event.from_phase.value,
            "to_state": event.to_phase.value,
            "reason": event.reason,
            "failure_rate": round(event.failure_rate, 4),
            "success_rate": round(event.success_rate, 4),
            "consecutive_failures": event.consecutive_failures,
        }
        yield BREAKER_FILE, row


def _registry(event: ev.Event, version: int) -> Iterator[Line]:
    match event:
        case ev.BotSpawned() | ev.BotAdopted():
            details: dict[str, Any] = {"run": event.run, "pid": event.pid, "port": event.port}
        case ev.BotExited():
            details = {"run": event.run, **_exit(event.exit)}
        case _:
            return
    row = {"timestamp": rfc3339(event.at), "action": registry_action(event), "bot_id": event.bot_id}
    yield REGISTRY_FILE, {**row, "version": version, "details": details}


def _exit(exit: ExitRecord) -> dict[str, Any]:
    return {"exit_code": exit.code, "signal": exit.signal, "reason": exit.reason}


def body_of(message: ev.MessageQueued | ev.LetterSent) -> dict[str, Any]:
    """What a log may say of its text."""
    return _of_text(message.text)


def request_of(request: PermissionRequest) -> dict[str, Any]:
    """What a log may say of what an agent asks leave for; the title is one line of what it would do."""
    return {"tool": request.tool, "title": request.title[:200], "input": _of_text(request.input)}


def _of_text(text: str) -> dict[str, Any]:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return {"length": len(text), "sha256": digest}
