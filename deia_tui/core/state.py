"""What the hive looks like now: HiveState = fold(state, event), immutable, shared by screen, API and journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from deia_tui.core import events as ev
from deia_tui.core.bots import LIVE, Activity, BotSpec, BotState, ExitRecord, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.turns import PermissionRequest
from deia_tui.core.work.view import WorkView

REPLACED = "again"
"""The reason of an AlertCleared that makes room for a newer alert of the same kind: the old one is forgotten."""

MAX_GRANTS = 100
"""How many rules a human may add by "always": the oldest are asked about again."""
HISTORY_S = 120
"""How many one-second samples of CPU and memory a snapshot carries for each bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The conversation an agent can go on with."""

    agent: str
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A request for leave that nobody has answered. Times are unix seconds."""

    bot_id: str
    run: int
    message_id: str
    request: PermissionRequest
    asked_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A provider that is left alone until `until`, since `since` (unix seconds); from then on one bot tries it."""

    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotView:
    """One bot as everybody sees it. Times are unix seconds. `restarts` counts automatic ones since the last launch.

    `trouble` is what the agent suffers from while it goes on. `grants` are what a human allowed for always, as rules of
    a PermissionPolicy. `spent_usd` is what it has spent on `spent_day` (2026-01-31, UTC).

    `paused`: it takes no new task, since somebody laid its PAUSE into hive/controls. `scaled`: it was started for the
    sake of the load, and is stopped when it is not needed.

    `task` is the first line of the message being answered, `plan` how many steps of its agent's plan are done, and of
    how many; `queued` the messages waiting behind it. `reason` says why the bot is where it is. `due_at` is the next
    start while backing off, SIGKILL while stopping. `wanted` is what a reboot would restore.
    """

    bot_id: str
    spec: BotSpec
    state: BotState = BotState.STOPPED
    activity: Activity = Activity.IDLE
    since: float = 0.0
    reason: str = ""
    wanted: bool = True
    run: int = 0
    restarts: int = 0
    pid: int | None = None
    port: int | None = None
    due_at: float | None = None
    health: Health = Health.UNKNOWN
    breaker: Phase = Phase.CLOSED
    breaker_reason: str = ""
    retry_at: float | None = None
    exit: ExitRecord | None = None
    message_id: str | None = None
    task: str = ""
    plan: tuple[int, int] | None = None
    queued: tuple[tuple[str, str], ...] = ()
    session: Session | None = None
    trouble: str = ""
    grants: tuple[str, ...] = ()
    spent_day: str = ""
    spent_usd: float = 0.0
    paused: bool = False
    scaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something an operator should know. Open until `cleared_at` (unix seconds) is set."""

    alert_id: int
    bot_id: str | None
    kind: str
    level: str
    text: str
    action: str
    raised_at: float
    cleared_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveState:
    """`alerts`: the open ones and the last 50 cleared, oldest first; `approvals`: what waits for an answer, oldest
    first; `pauses`: providers that are left alone."""

    name: str = "hive"
    folder: str = ""
    pid: int = 0
    mode: str = "console"
    host_pid: int | None = None
    bots: Mapping[str, BotView] = field(default_factory=lambda: MappingProxyType({}))
    alerts: tuple[Alert, ...] = ()
    approvals: tuple[Approval, ...] = ()
    pauses: Mapping[str, Pause] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Series:
    """One-second samples, oldest first, at most HISTORY_S: CPU in percent of one core, resident memory in MB."""

    cpu: tuple[float, ...] = ()
    memory_mb: tuple[float, ...] = ()


NO_SERIES = Series()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """`taken` counts samples since the supervisor started, so that a pane sees whether anything is new."""

    taken: int = 0
    bots: Mapping[str, Series] = field(default_factory=lambda: MappingProxyType({}))
    cpu_percent: float = 0.0
    memory_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The newest state; `seq` numbers the last event in it, from which panes read what they miss, and `said` the last
    one of each bot that did anything since the supervisor started."""

    seq: int = 0
    said: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    state: HiveState = HiveState()
    work: WorkView = WorkView()
    telemetry: Telemetry = Telemetry()


def fold(state: HiveState, event: ev.Event) -> HiveState:
    """The state after `event`."""
    match event:
        case ev.HiveOpened():
            return replace(state, pid=event.pid, mode=event.mode)
        case ev.ConsoleLost():
            return replace(state, mode="background")
        case ev.HostStarted():
            return replace(state, host_pid=event.pid)
        case ev.HostLost():
            return replace(state, host_pid=None)
        case ev.AlertRaised() | ev.AlertCleared():
            return replace(state, alerts=_alerts(state.alerts, event))
        case ev.BotLaunched():
            old = state.bots.get(event.bot_id) or BotView(bot_id=event.bot_id, spec=event.spec)
            return _put(
                state, replace(old, spec=event.spec, wanted=True, restarts=0, session=None, grants=(), scaled=False)
            )
        case ev.ProviderPaused(provider=provider):
            pause = Pause(since=event.at, until=event.until, reason=event.reason)
            return replace(state, pauses=MappingProxyType({**state.pauses, provider: pause}))
        case ev.ProviderResumed():
            left = {name: pause for name, pause in state.pauses.items() if name != event.provider}
            return replace(state, pauses=MappingProxyType(left))
        case ev.HiveClosed() | ev.OutputAdded() | ev.BotLogged() | ev.ThoughtAdded() | ev.ToolCallChanged():
            return state
        case _ if isinstance(event, ev.TaskEvent | ev.LetterEvent | ev.LettersCleaned):
            return state  # work has a view of its own
        case _:
            bot = state.bots.get(event.bot_id)
            if bot is None:
                return state
            approvals = _approvals(state.approvals, event)
            bot = fold_bot(bot, event)
            if isinstance(event, ev.PermissionAnswered) and any(one.bot_id == bot.bot_id for one in approvals):
                bot = replace(bot, activity=Activity.ASKING)  # its agent asked for more than one thing at once
            return replace(_put(state, bot), approvals=approvals)


def fold_bot(bot: BotView, event: ev.Event) -> BotView:
    """The bot after an event of its own."""
    match event:
        case ev.BotStarting():
            return replace(
                _at_rest(bot, BotState.STARTING, event.at, event.reason),
                run=event.run,
                restarts=bot.restarts + 1 if event.automatic else 0,
                wanted=True,
            )
        case ev.BotSpawned():
            return replace(bot, pid=event.pid, port=event.port)
        case ev.BotAdopted():
            found = replace(bot, run=event.run, pid=event.pid, port=event.port)
            return replace(found, state=BotState.STARTING, since=event.at, reason="adopted", due_at=None)
        case ev.BotReady():
            return replace(bot, state=BotState.RUNNING, since=event.at, reason="", health=Health.OK)
        case ev.BotStopping():
            wanted = bot.wanted and event.then != "stop"
            stopping = replace(bot, state=BotState.STOPPING, since=event.at, reason=event.reason, wanted=wanted)
            return replace(stopping, due_at=event.kill_at)
        case ev.BotExited():
            return replace(_at_rest(bot, bot.state, event.at, bot.reason), exit=event.exit)
        case ev.BotBackingOff():
            why = f"{event.reason} · restart {event.attempt}/{event.max_restarts}"
            return replace(_at_rest(bot, BotState.BACKOFF, event.at, why), due_at=event.due_at)
        case ev.BotStopped():
            return replace(_at_rest(bot, BotState.STOPPED, event.at, event.reason), wanted=False)
        case ev.BotFinished():
            return _at_rest(bot, BotState.EXITED, event.at, str(bot.exit or ""))
        case ev.BotGaveUp():
            return _at_rest(bot, BotState.FATAL, event.at, event.reason)
        case ev.ProbeFailed():
            return replace(bot, health=Health.UNHEALTHY)
        case ev.ProbeRecovered():
            return replace(bot, health=Health.OK)
        case ev.BreakerChanged():
            return replace(bot, breaker=event.to_phase, breaker_reason=event.reason, retry_at=event.retry_at)
        case ev.MessageQueued():
            return replace(bot, queued=(*bot.queued, (event.message_id, first_line(event.text))))
        case ev.TurnStarted():
            task = dict(bot.queued).get(event.message_id, "")
            return replace(
                bot,
                activity=Activity.BUSY,
                message_id=event.message_id,
                task=task,
                plan=None,
                queued=_without(bot.queued, event.message_id),
            )
        case ev.PlanChanged(entries=entries) if event.message_id == bot.message_id:
            return replace(bot, plan=(sum(entry.status == "completed" for entry in entries), len(entries)))
        case ev.PermissionAsked():
            return bot if event.is_ruled else replace(bot, activity=Activity.ASKING)
        case ev.PermissionAnswered():
            new = () if not event.grant or event.grant in bot.grants else (event.grant,)
            activity = Activity.BUSY if bot.activity is Activity.ASKING else bot.activity
            return replace(bot, activity=activity, grants=(*bot.grants, *new)[-MAX_GRANTS:])
        case ev.SessionOpened():
            session = Session(agent=event.agent, session_id=event.session_id) if event.session_id else None
            return replace(bot, session=session, trouble="")
        case ev.AgentDegraded():
            return replace(bot, trouble=event.reason)
        case ev.UsageReported(cost_usd=float(cost)):
            day = day_of(event.at)
            before = bot.spent_usd if day == bot.spent_day else 0.0
            return replace(bot, spent_day=day, spent_usd=before + cost)
        case ev.TurnEnded() if event.message_id == bot.message_id:
            trouble = "" if event.status == "answered" else bot.trouble
            return replace(bot, activity=Activity.IDLE, message_id=None, task="", plan=None, trouble=trouble)
        case ev.TurnEnded():
            return replace(bot, queued=_without(bot.queued, event.message_id))
        case ev.BotPaused():
            return replace(bot, paused=True)
        case ev.BotUnpaused():
            return replace(bot, paused=False)
        case ev.Scaled(direction="up" | "replace"):
            return replace(bot, scaled=True)
        case _:
            return bot


def _approvals(open_ones: tuple[Approval, ...], event: ev.Event) -> tuple[Approval, ...]:
    match event:
        case ev.PermissionAsked() if not event.is_ruled:
            asked = Approval(
                bot_id=event.bot_id,
                run=event.run,
                message_id=event.message_id,
                request=event.request,
                asked_at=event.at,
                expires_at=event.expires_at,
            )
            return (*open_ones, asked)
        case ev.PermissionAnswered(request_id=request_id):
            return tuple(one for one in open_ones if one.request.request_id != request_id)
        case ev.BotExited(bot_id=bot_id, run=run):
            return tuple(one for one in open_ones if (one.bot_id, one.run) != (bot_id, run))
        case _:
            return open_ones


def day_of(at: float) -> str:
    """The day (UTC) of a time: 2026-01-31."""
    return datetime.fromtimestamp(max(0.0, min(at, 253402300799.0)), UTC).date().isoformat()


def first_line(text: str) -> str:
    """What a message is about, in one short line."""
    return text.strip().partition("\n")[0][:120].rstrip()


def is_live(bot: BotView) -> bool:
    return bot.state in LIVE


def _at_rest(bot: BotView, state: BotState, at: float, reason: str) -> BotView:
    """The bot without a process of its own (any more, or yet)."""
    return replace(
        bot,
        state=state,
        since=at,
        reason=reason,
        pid=None,
        port=None,
        due_at=None,
        activity=Activity.IDLE,
        message_id=None,
        task="",
        plan=None,
        trouble="",
        health=Health.UNKNOWN,
    )


def _put(state: HiveState, bot: BotView) -> HiveState:
    return replace(state, bots=MappingProxyType({**state.bots, bot.bot_id: bot}))


def _without(queued: tuple[tuple[str, str], ...], message_id: str) -> tuple[tuple[str, str], ...]:
    return tuple(entry for entry in queued if entry[0] != message_id)


def _alerts(alerts: tuple[Alert, ...], event: ev.AlertRaised | ev.AlertCleared) -> tuple[Alert, ...]:
    if isinstance(event, ev.AlertRaised):
        raised = Alert(
            alert_id=event.alert_id,
            bot_id=event.bot_id,
            kind=event.kind,
            level=event.level,
            text=event.text,
            action=event.action,
            raised_at=event.at,
        )
        return (*alerts, raised)
    if event.reason == REPLACED:
        return tuple(alert for alert in alerts if alert.alert_id != event.alert_id)
    marked = tuple(
        replace(alert, cleared_at=event.at) if alert.alert_id == event.alert_id else alert for alert in alerts
    )
    cleared = [alert for alert in marked if alert.cleared_at is not None]
    forgotten = {alert.alert_id for alert in cleared[:-50]}
    return tuple(alert for alert in marked if alert.alert_id not in forgotten)
