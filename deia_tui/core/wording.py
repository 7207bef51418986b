"""Events and states in words: the same sentence in the log pane, in `deia-tui events` and in the demo."""

from typing import Literal, get_args

from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, BotState, StopReason
from deia_tui.core.breaker import Phase
from deia_tui.core.failures import CLASSES
from deia_tui.core.holds import hold_of
from deia_tui.core.state import BotView, HiveState, first_line
from deia_tui.core.stopping import waits_for
from deia_tui.core.turns import PermissionRequest, Usage

Level = Literal["info", "warning", "error"]
WorkRemark = ev.TaskRefused | ev.TaskDeferred | ev.LettersCleaned


ROUTINE = (ev.MessageAccepted, ev.TurnStarted)
"""Events that a log shown to people leaves out: the message before and the output after them say enough."""


def describe(event: ev.Event) -> tuple[Level, str, str]:
    """(level, what, details) of an event; `what` is one lower-case word group, fit for a column."""
    match event:
        case ev.HiveOpened():
            sqlite = f", SQLite {event.sqlite}" if event.sqlite else ""
            return "info", "hive_opened", f"pid {event.pid}, {event.mode}{sqlite}"
        case ev.HiveClosed():
            return "info", "hive_closed", event.reason
        case ev.ConsoleLost():
            return "warning", "console_lost", event.reason
        case ev.HostStarted():
            return "info", "host_started", f"pid {event.pid}"
        case ev.HostLost():
            return "error", "host_lost", f"pid {event.pid}: {event.reason}"
        case ev.BotLaunched():
            return "info", "launched", event.spec.template or event.spec.agent.name
        case ev.BotStarting():
            return "info", "starting", f"run {event.run} · {event.reason}"
        case ev.BotSpawned():
            return "info", "spawned", f"pid {event.pid} port {event.port}"
        case ev.BotReady():
            return "info", "running", f"run {event.run}"
        case ev.BotAdopted():
            return "info", "adopted", f"pid {event.pid} port {event.port}, run {event.run}"
        case ev.BotStopping():
            return "info", "stopping", event.reason
        case ev.BotExited():
            why = f" ({event.exit.reason})" if event.exit.reason else ""
            return ("info" if event.exit.expected else "error"), "exited", f"{event.exit}{why}"
        case ev.BotBackingOff():
            used = f"restart {event.attempt}/{event.max_restarts}"
            return "warning", "backoff", f"{event.reason} · {used} in {event.delay_s:.1f} s"
        case ev.BotStopped():
            return "info", "stopped", ""
        case ev.BotFinished():
            return "info", "finished", "its restart policy wants no other run"
        case ev.BotGaveUp():
            return "error", "fatal", event.reason
        case ev.ProbeFailed():
            return "warning", "probe_failed", f"{event.streak} in a row: {event.error}"
        case ev.ProbeRecovered():
            return "info", "probe_ok", ""
        case ev.BreakerChanged():
            level: Level = "warning" if event.to_phase is Phase.OPEN else "info"
            return level, "breaker", f"{event.from_phase} → {event.to_phase}: {event.reason}"
        case ev.MessageQueued():
            return "info", "message", f"from {event.sender}: {first_line(event.text)}"
        case ev.MessageRefused():
            return "warning", "refused", f"from {event.sender}: too much waits"
        case ev.PressureChanged():
            doing = {"engaged": "takes no more", "released": "takes more again"}[event.kind]
            return "info", "pressure", f"{doing}: {event.queue_depth} {event.what} wait"
        case ev.MessageAccepted():
            return "info", "accepted", event.message_id
        case ev.TurnStarted():
            return "info", "turn_started", event.message_id
        case ev.OutputAdded():
            return "info", "output", event.text.rstrip("\n")
        case ev.ThoughtAdded():
            return "info", "thought", first_line(event.text)
        case ev.ToolCallChanged(call=call):
            took = "" if call.duration_s is None else f" · {call.duration_s:.1f} s"
            return ("warning" if call.status == "failed" else "info"), "tool", f"{call.title} · {call.status}{took}"
        case ev.PlanChanged(entries=entries):
            done = sum(entry.status == "completed" for entry in entries)
            return "info", "plan", f"{done} of {len(entries)} done"
        case ev.UsageReported(usage=usage):
            return "info", "usage", _used(usage, event.cost_usd)
        case ev.PermissionAsked(request=request) if event.is_ruled:
            return "info", "permission", wanted(request)
        case ev.PermissionAsked(request=request):
            return "warning", "asks", wanted(request)
        case ev.PermissionAnswered():
            by = f" by {event.by}" if event.by else ""
            note = f": {event.note}" if event.note else ""
            return "info", "permission", f"{event.outcome.replace('_', ' ')}{by}{note}"
        case ev.SessionOpened():
            note = f" · {event.note}" if event.note else ""
            return "info", "session", f"{event.agent} · {'resumed' if event.resumed else 'new'}{note}"
        case ev.AgentDegraded():
            return "warning", "degraded", event.reason
        case ev.ProviderPaused():
            return "warning", "paused", f"{event.provider} for {event.until - event.at:.0f} s: {event.reason}"
        case ev.ProviderResumed():
            return "info", "resumed", f"{event.provider}: {event.reason}"
        case ev.TurnEnded():
            told = [part for part in (CLASSES.get(event.failure) if event.failure else None, event.error) if part]
            tail = f" · {': '.join(told)}" if told else ""
            level = "info" if event.status == "answered" else "warning"
            return level, event.status, f"{event.duration_s:.2f} s{tail}"
        case ev.BotLogged():
            return event.level, "log", event.text
        case ev.AlertRaised():
            return ("info" if event.level == "info" else "warning"), "alert", event.text
        case ev.AlertCleared():
            return "info", "alert_cleared", event.reason
        case ev.BotPaused():
            return "info", "paused", "takes no new task: hive/controls says so"
        case ev.BotUnpaused():
            return "info", "unpaused", "takes tasks again"
        case ev.Scaled():
            doing = {"up": "started", "down": "drained", "replace": "replaced"}[event.direction]
            return "info", "scaled", f"{doing} for {event.template}: {event.reason}"
        case ev.PerformanceRecorded(performance=known):
            well = f"{known.success_rate:.0%} done of {known.samples}, {known.duration_s:.0f} s each"
            return "info", "performance", f"{event.task_type}: {well}, {known.trend}"
        case ev.RecommendationGenerated():
            return "info", "recommended", f"for {event.task_type}, {event.confidence:.0%} sure: {event.reason}"
        case ev.PerformanceForgotten():
            return "info", "forgotten", "how it did its tasks is not known any more"
        case _:
            return describe_work(event)


def describe_work(event: ev.TaskEvent | ev.LetterEvent | WorkRemark) -> tuple[Level, str, str]:
    """The same of events about tasks and messages between bots."""
    match event:
        case ev.TaskQueued():
            return "info", "task_queued", f"{event.task_id} P{event.priority} from {event.sender}: {event.title}"
        case ev.TaskRefused():
            return "warning", "task_refused", f"from {event.sender}: {event.queue_depth} wait already"
        case ev.TaskDeferred():
            return "info", "task_deferred", f"{event.task_id}: {event.reason}"
        case ev.TaskAssigned():
            why = f" · {event.reasons[0]}" if event.reasons else ""
            return "info", "task_assigned", f"{event.task_id} to {event.bot_id}, attempt {event.attempt}{why}"
        case ev.TaskStarted():
            return "info", "task_started", f"{event.task_id}, attempt {event.attempt}"
        case ev.TaskDone():
            return "info", "task_done", f"{event.task_id} in {event.duration_s:.1f} s"
        case ev.TaskPutBack():
            level: Level = "warning" if event.counted else "info"
            return level, "task_put_back", f"{event.task_id}: {event.reason}"
        case ev.TaskDied():
            return "error", "task_dead", f"{event.task_id}: {event.reason}"
        case ev.TaskCancelled():
            return "info", "task_cancelled", f"{event.task_id} by {event.by}"
        case ev.TaskChanged():
            return "info", "task_changed", f"{event.task_id} by {event.by}: {_changed(event)}"
        case ev.TaskRevived():
            return "info", "task_revived", f"{event.task_id} by {event.by}"
        case ev.TaskFiled():
            return "info", "task_filed", f"{event.task_id} → {event.response}"
        case ev.LetterSent():
            text = first_line(event.text)
            return "info", "letter", f"P{event.priority} from {event.from_bot} to {event.to_bot}: {text}"
        case ev.LetterHanded():
            return "info", "letter_handed", f"{event.letter_id} to {event.to_bot}, attempt {event.attempt}"
        case ev.LetterDelivered():
            return "info", "letter_delivered", f"{event.letter_id} to {event.to_bot}"
        case ev.LetterRead():
            return "info", "letter_read", f"{event.letter_id} by {event.by or event.to_bot}"
        case ev.LetterReturned():
            return "warning", "letter_returned", f"{event.letter_id}: {event.reason}"
        case ev.LetterFailed():
            return "error", "letter_failed", f"{event.letter_id} to {event.to_bot}: {event.reason}"
        case ev.LetterExpired():
            return "warning", "letter_expired", f"{event.letter_id} to {event.to_bot}"
        case ev.LettersCleaned():  # pragma: no branch (exhaustive)
            return "info", "letters_cleaned", f"{event.count} expired"


def _changed(event: ev.TaskChanged) -> str:
    parts = [
        "" if event.priority is None else f"P{event.priority}",
        "" if event.to is None else f"for {event.to or 'anyone'}",
        "" if event.held is None else (f"held: {event.held}" if event.held else "released"),
    ]
    return ", ".join(filter(None, parts)) or "nothing"


def _used(usage: Usage, cost_usd: float | None) -> str:
    """Agents may tell tokens and cost in reports of their own."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    if not (usage.input_tokens or usage.output_tokens or cached):
        return "nothing" if usage.cost_usd is None else f"${usage.cost_usd:.4f} by its agent's own count"
    parts = [f"{usage.input_tokens} tokens in, {usage.output_tokens} out", f"{cached} cached" if cached else ""]
    return " · ".join(filter(None, (*parts, "" if cost_usd is None else f"${cost_usd:.4f}")))


def now_text(bot: BotView, now: float) -> str:
    """What the bot is doing at `now` (unix seconds), in a few words."""
    match bot.state:
        case BotState.BACKOFF:
            return f"{bot.reason} in {max(0.0, (bot.due_at or now) - now):.0f} s"
        case BotState.FATAL | BotState.EXITED:
            return bot.reason
        case BotState.STOPPED:
            return ""
        case BotState.STARTING:
            return f"{bot.reason} · {max(0.0, now - bot.since):.0f} s"
        case BotState.STOPPING:
            why = "" if bot.reason in get_args(StopReason) else f"{bot.reason} · "
            return f"{why}{waits_for(bot, now)}"
        case _ if bot.breaker is Phase.OPEN:
            return f"unavailable (recovering){countdown(bot.retry_at, now)}"
        case _ if bot.activity is Activity.IDLE:
            return f"{len(bot.queued)} queued" if bot.queued else ""
        case _:
            waiting = f" (+{len(bot.queued)})" if bot.queued else ""
            return f"{bot.task}{waiting}"


def doing(bot: BotView, state: HiveState, now: float) -> str:
    """What the bot is doing at `now`, or what keeps it from it."""
    held_up = waiting_for(bot, state, now)
    if held_up or bot.state is not BotState.RUNNING or not bot.trouble:
        return held_up or now_text(bot, now)
    return " · ".join(filter(None, (bot.trouble, now_text(bot, now))))


def waiting_for(bot: BotView, state: HiveState, now: float) -> str:
    """What a bot that runs waits for before it goes on with its work, or ""."""
    if bot.state is not BotState.RUNNING:
        return ""
    asked = next((one for one in state.approvals if one.bot_id == bot.bot_id), None)
    if asked is not None:
        return f"asks: {wanted(asked.request)}"
    hold = hold_of(bot, state.pauses, now)
    if hold is None:
        return ""
    return f"{hold.text}{countdown(hold.until, now)}" if hold.kind == "provider" else hold.text


def wanted(request: PermissionRequest) -> str:
    """What an agent asks leave for, in one line."""
    return wanted_of(request.tool, request.title or request.input)


def wanted_of(tool: str, title: str) -> str:
    """The same; a title that begins with the name of its tool does not say it twice."""
    what = first_line(title)
    return what if not tool or what.startswith(tool) else f"{tool}: {what}"


def countdown(until: float | None, now: float) -> str:
    """' · 12 s' for the seconds left, '' where nobody knows or nothing is left."""
    return f" · {until - now:.0f} s" if until is not None and until > now else ""
