"""Everything that can have happened in a hive. Past tense; committed to the store first, then published.

`at` is unix seconds (UTC). `run` counts the lives of one bot from 1. `source_seq` is the number of the frame in
the bot's own stream that an event came from: the store keeps the highest, so that no frame counts twice.
"""

from dataclasses import dataclass
from typing import Literal

from deia_tui.core.bots import BotSpec, ExitRecord
from deia_tui.core.breaker import Phase
from deia_tui.core.scheduling.performance import Performance, Trend
from deia_tui.core.turns import Failure, Outcome, PermissionRequest, PlanEntry, StopReason, ToolCall, Usage
from deia_tui.core.work.tasks import Candidate, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveOpened:
    at: float
    pid: int
    mode: Literal["console", "background", "serve"]
    version: str
    sqlite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveClosed:
    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleLost:
    """The terminal of the console is gone: the same supervisor goes on in the background."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStarted:
    at: float
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    at: float
    pid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotLaunched:
    """A human (or hive.toml) wants this bot to run: restart counts and the conversation begin anew."""

    at: float
    bot_id: str
    spec: BotSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStarting:
    """`automatic` tells a restart by policy from a start that a human asked for."""

    at: float
    bot_id: str
    run: int
    nonce: str
    reason: str
    automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpawned:
    at: float
    bot_id: str
    run: int
    pid: int
    start_ticks: int
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotReady:
    at: float
    bot_id: str
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotAdopted:
    """A bot that outlived its supervisor was taken over, process and all."""

    at: float
    bot_id: str
    run: int
    pid: int
    start_ticks: int
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStopping:
    """`then` says what follows the exit: nothing, a fresh start by a human's wish, or the restart policy.

    At `kill_at` SIGKILL ends it; None for one that is drained, or killed already.
    """

    at: float
    bot_id: str
    run: int
    then: Literal["stop", "restart", "policy"]
    reason: str
    kill_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotExited:
    at: float
    bot_id: str
    run: int
    exit: ExitRecord
    stderr_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BotBackingOff:
    """`attempt` restarts have been used of `max_restarts` in the window; the next start is at `due_at`."""

    at: float
    bot_id: str
    delay_s: float
    due_at: float
    attempt: int
    max_restarts: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStopped:
    """It stays off until a human wants it. `reason`: a StopReason, or `killed`."""

    at: float
    bot_id: str
    reason: str = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFinished:
    """The run ended and the restart policy wants no other."""

    at: float
    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotGaveUp:
    """The supervisor will not try again before a human says so."""

    at: float
    bot_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFailed:
    at: float
    bot_id: str
    run: int
    streak: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecovered:
    at: float
    bot_id: str
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged:
    """`retry_at` (unix seconds) is set while the breaker is open and not waiting for a human; rates are 0 to 1."""

    at: float
    bot_id: str
    from_phase: Phase
    to_phase: Phase
    reason: str
    retry_at: float | None
    failure_rate: float
    success_rate: float
    consecutive_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueued:
    """`task_id` is the task it assigns, `letter_id` the message of another bot that it delivers, or "". The most urgent
    of what waits (lowest `priority`) is handed over first."""

    at: float
    bot_id: str
    message_id: str
    sender: str
    text: str
    priority: int = 0
    task_id: str = ""
    letter_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """Too much waits for this bot. For the logs only: a sender that insists would fill the store."""

    at: float
    bot_id: str
    sender: str
    queue_depth: int
    retry_after_s: float | None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureChanged:
    """So much waits for this bot that nothing more is taken in, or not any more. For the logs only."""

    at: float
    bot_id: str
    kind: Literal["engaged", "released"]
    what: Literal["messages", "tasks", "letters"]
    queue_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccepted:
    at: float
    bot_id: str
    run: int
    message_id: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    at: float
    bot_id: str
    run: int
    message_id: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAdded:
    """A piece of an answer. Kept in a table of its own, in the same sequence as all other events."""

    at: float
    bot_id: str
    run: int
    message_id: str
    text: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtAdded:
    """A piece of what the agent thinks before it answers."""

    at: float
    bot_id: str
    run: int
    message_id: str
    text: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallChanged:
    """A tool call began, went on or ended; `call` is all that is known of it by now."""

    at: float
    bot_id: str
    run: int
    message_id: str
    call: ToolCall
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanged:
    """The agent's plan, all of it, in the place of the one before."""

    at: float
    bot_id: str
    run: int
    message_id: str
    entries: tuple[PlanEntry, ...]
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """Tokens used since the last report of the turn. `cost_usd` is by the price table, or what the agent says where the
    table does not know the model, or None."""

    at: float
    bot_id: str
    run: int
    message_id: str
    usage: Usage
    source_seq: int
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsked:
    """The agent waits for leave; at `expires_at` (unix seconds) it is denied."""

    at: float
    bot_id: str
    run: int
    message_id: str
    request: PermissionRequest
    expires_at: float
    source_seq: int

    @property
    def is_ruled(self) -> bool:
        """The policy of its bot answers it at once: nobody is asked."""
        return self.expires_at <= self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAnswered:
    """`by` is who answered: a human's name, `policy`, or "" where nobody did. `note` is told to the agent. `grant` is
    the rule that "always" added to what this bot is allowed, if it added one.

    `source_seq` is 0 if the hive ended it because its bot is gone.
    """

    at: float
    bot_id: str
    run: int
    request_id: str
    outcome: Outcome
    by: str = ""
    note: str = ""
    source_seq: int = 0
    grant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """The agent program is up. `session_id` is what its conversation can be resumed by, "" where there is none.

    `resumed`: it is the conversation of before; otherwise `note` says why it is a new one, if there was one before.
    """

    at: float
    bot_id: str
    run: int
    agent: str
    session_id: str
    resumed: bool
    source_seq: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDegraded:
    """The agent has trouble and goes on: it died and is started anew, its provider makes it wait."""

    at: float
    bot_id: str
    run: int
    reason: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPaused:
    """Nobody asks this provider anything until `until` (unix seconds); `by` is the bot whose turn showed it."""

    at: float
    provider: str
    until: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResumed:
    at: float
    provider: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """A message has its final status. `duration_s` counts from TurnStarted; `source_seq` is 0 if the hive ended it.

    `failure` classifies one that failed; `retry_after_s` is how long the provider wants to be left alone.
    """

    at: float
    bot_id: str
    run: int
    message_id: str
    status: Literal["answered", "failed", "interrupted"]
    error: str
    duration_s: float
    source_seq: int = 0
    failure: Failure | None = None
    retry_after_s: float | None = None
    stop_reason: StopReason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotLogged:
    """A line the bot or its agent wrote to its log (`level`: info, warning or error)."""

    at: float
    bot_id: str
    run: int
    level: Literal["info", "warning", "error"]
    text: str
    source_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised:
    """`kind` is unique among a bot's open alerts; `action` tells the operator what to do.

    `value` is what was measured, where something was, and `threshold` what it should not exceed.
    """

    at: float
    alert_id: int
    bot_id: str | None
    kind: str
    level: Literal["critical", "warning", "info"]
    text: str
    action: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCleared:
    at: float
    alert_id: int
    bot_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotPaused:
    """Somebody laid a {bot}-PAUSE into hive/controls: it takes no new task."""

    at: float
    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotUnpaused:
    at: float
    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQueued:
    """A new task; see tasks.Task for its fields."""

    at: float
    task_id: str
    title: str
    text: str
    sender: str
    to: str
    priority: int
    task_type: TaskType
    after: tuple[str, ...] = ()
    source: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRefused:
    """Too much waits for this bot. For the logs only, as MessageRefused."""

    at: float
    bot_id: str
    sender: str
    priority: int
    queue_depth: int
    retry_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeferred:
    """The first task in line cannot be handed to anybody now. For the logs only; `bot_id` is whom it is for, or ""."""

    at: float
    task_id: str
    bot_id: str
    kind: Literal["deferred", "rate_limited"]
    reason: str
    queue_depth: int
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAssigned:
    """A bot was chosen: `attempt` is the fencing token, the bot is told by the message `message_id`. `confidence` (0 to
    1) is None where there was no choice; `load` is the share of the bots that work, `queue_depth` what waits."""

    at: float
    task_id: str
    bot_id: str
    attempt: int
    message_id: str
    task_type: TaskType
    reasons: tuple[str, ...] = ()
    confidence: float | None = None
    candidates: tuple[Candidate, ...] = ()
    queue_depth: int = 0
    load: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    at: float
    task_id: str
    bot_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    at: float
    task_id: str
    bot_id: str
    attempt: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPutBack:
    """An attempt ended without a result; it waits in the queue again, until `not_before` (unix seconds) if that is in
    the future. `counted`: the attempt is held against the task. `held` keeps it back until a human releases it."""

    at: float
    task_id: str
    bot_id: str
    attempt: int
    reason: str
    counted: bool
    not_before: float = 0.0
    failure: Failure | None = None
    held: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDied:
    """It is not tried again before a human says so."""

    at: float
    task_id: str
    bot_id: str
    attempt: int
    reason: str
    failure: Failure | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled:
    at: float
    task_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanged:
    """What is None stays as it is; `to` = "" is anyone, `held` = "" releases it."""

    at: float
    task_id: str
    by: str
    priority: int | None = None
    to: str | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRevived:
    """A human wants a dead or cancelled task to be done after all, or one that rests at once: its tries are counted
    anew."""

    at: float
    task_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFiled:
    """Its answer stands in hive/responses under the name `response`, and the file it came from is in the archive."""

    at: float
    task_id: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceRecorded:
    """How well the bot does this type of task, all that is known by now; `former_trend` and `former_score` are those of
    before. `task_id` is what it was learned from, `expected` how probable its success seemed (0 to 1)."""

    at: float
    bot_id: str
    task_type: TaskType
    task_id: str
    succeeded: bool
    duration_s: float
    tokens: int
    expected: float
    performance: Performance
    former_trend: Trend = "unknown"
    former_score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceForgotten:
    """A human wants the bot to be tried anew: nothing of how it did is known any more."""

    at: float
    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationGenerated:
    """Another bot than before seems best at a type of task. For the logs only."""

    at: float
    task_type: TaskType
    bot_id: str
    confidence: float
    reason: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A bot was started or is being drained for the sake of the load; "replace": it was started since another is fatal.
    `load` is the mean of its template's bots."""

    at: float
    bot_id: str
    template: str
    direction: Literal["up", "down", "replace"]
    reason: str
    queue_depth: int
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSent:
    """A message from a bot, or a human, to a bot; see letters.Letter for its fields."""

    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    text: str
    priority: int
    expires_at: float
    reply_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterHanded:
    """It is given to its bot as the message `message_id`; `attempt` is the fencing token."""

    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int
    attempt: int
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDelivered:
    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRead:
    """`by` is who marked it as read, or "" when its agent was given it."""

    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterReturned:
    """It did not get through and waits again; `counted`: the attempt is held against it."""

    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int
    attempt: int
    reason: str
    counted: bool
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFailed:
    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterExpired:
    at: float
    letter_id: str
    from_bot: str
    to_bot: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersCleaned:
    """`count` expired ones are gone; what was read or delivered stays."""

    at: float
    count: int


TaskEvent = (
    TaskQueued
    | TaskAssigned
    | TaskStarted
    | TaskDone
    | TaskPutBack
    | TaskDied
    | TaskCancelled
    | TaskChanged
    | TaskRevived
    | TaskFiled
)
"""What changes a task."""
LetterEvent = LetterSent | LetterHanded | LetterDelivered | LetterRead | LetterReturned | LetterFailed | LetterExpired
"""What changes a message between bots."""

Event = (
    HiveOpened
    | HiveClosed
    | ConsoleLost
    | HostStarted
    | HostLost
    | BotLaunched
    | BotStarting
    | BotSpawned
    | BotReady
    | BotAdopted
    | BotStopping
    | BotExited
    | BotBackingOff
    | BotStopped
    | BotFinished
    | BotGaveUp
    | ProbeFailed
    | ProbeRecovered
    | BreakerChanged
    | MessageQueued
    | MessageRefused
    | PressureChanged
    | MessageAccepted
    | TurnStarted
    | OutputAdded
    | ThoughtAdded
    | ToolCallChanged
    | PlanChanged
    | UsageReported
    | PermissionAsked
    | PermissionAnswered
    | SessionOpened
    | AgentDegraded
    | ProviderPaused
    | ProviderResumed
    | TurnEnded
    | BotLogged
    | AlertRaised
    | AlertCleared
    | BotPaused
    | BotUnpaused
    | TaskQueued
    | TaskRefused
    | TaskDeferred
    | TaskAssigned
    | TaskStarted
    | TaskDone
    | TaskPutBack
    | TaskDied
    | TaskCancelled
    | TaskChanged
    | TaskRevived
    | TaskFiled
    | PerformanceRecorded
    | PerformanceForgotten
    | RecommendationGenerated
    | Scaled
    | LetterSent
    | LetterHanded
    | LetterDelivered
    | LetterRead
    | LetterReturned
    | LetterFailed
    | LetterExpired
    | LettersCleaned
)
