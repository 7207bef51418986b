"""Everything one can ask of a hive. Imperative; carried out by `Hive.submit`, refused with CommandRejected."""

from dataclasses import dataclass

from deia_tui.core.turns import OptionKind
from deia_tui.core.work.tasks import HUMAN, NORMAL, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchBots:
    """Launch `count` bots of a template or agent `what`. `bot_id` names the only one (count 1).

    Outcome: the ids, in order. With `wait`, the outcome comes when all of them answer or one failed.
    """

    what: str
    count: int = 1
    bot_id: str | None = None
    wait: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBot:
    """Stop gracefully: current work gets 8 s, then it is interrupted; SIGKILL at 10 s. Outcome: [].

    With `drain` all work it has accepted is done first, however long that takes.
    """

    bot_id: str
    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAll:
    """Stop every bot of the hive at once, as StopBot does. Outcome: the ids that were running."""

    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KillBot:
    """SIGKILL the bot's whole process tree now; it stays stopped. Outcome: []."""

    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBot:
    """Stop gracefully if it runs, then start again with fresh restart counts. Outcome: []."""

    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptBot:
    """End the answer in progress; the bot stays. Outcome: []."""

    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """Hand a message to a bot. Outcome: [message_id], once it is stored; the answer comes as events."""

    bot_id: str
    text: str
    sender: str = "human"
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPermission:
    """Answer what an agent asked leave for; `note` is told to it. Outcome: []."""

    request_id: str
    outcome: OptionKind
    note: str = ""
    by: str = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTask:
    """Put a task into the queue. Outcome: [task_id], once it is stored; the same `task_id` with the same text again is
    nothing new. `to` is a bot, or "" for anyone; `task_type` None is found out from the text.

    Refused with 429 and `retry_after_s` when too much waits for the bot it is for: the sender keeps it.
    """

    text: str
    title: str = ""
    task_id: str | None = None
    sender: str = HUMAN
    to: str = ""
    priority: int = NORMAL
    task_type: TaskType | None = None
    after: tuple[str, ...] = ()
    source: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTask:
    """End a task; if it runs, its bot is interrupted. Outcome: []."""

    task_id: str
    by: str = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTask:
    """Try a dead or cancelled task anew, or one that waits for its next try at once. Outcome: []."""

    task_id: str
    by: str = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTask:
    """What is None stays as it is. `to` = "" makes it anyone's, `held` = "" releases it. One that a bot has not begun
    is taken back from it when it is given to another. Outcome: []."""

    task_id: str
    priority: int | None = None
    to: str | None = None
    held: str | None = None
    by: str = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerformance:
    """The scheduler forgets how a bot did, and tries it anew. Outcome: []."""

    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLetter:
    """Send a message from one bot (or a human) to another bot, who need not run now. Outcome: [letter_id], once it is
    stored; the same `letter_id` with the same text again is nothing new. `ttl_s` None is as hive.toml says.

    Refused with 429 and `retry_after_s` when too much waits for that bot, or too much of the sender's for others.
    """

    from_bot: str
    to_bot: str
    text: str
    priority: int = NORMAL
    ttl_s: float | None = None
    reply_to: str = ""
    letter_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLetter:
    """Mark a letter as read. Outcome: []."""

    letter_id: str
    by: str = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAlert:
    """Take an alert off the list: somebody has seen to it. Outcome: []."""

    alert_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseHive:
    """End the supervisor; `leave_bots` lets them run on, `reason` is told to who sits before it. Outcome: []."""

    leave_bots: bool = False
    reason: str = ""


WorkCommand = AddTask | CancelTask | RetryTask | ChangeTask | ForgetPerformance | SendLetter | ReadLetter
Command = (
    LaunchBots
    | StopBot
    | StopAll
    | KillBot
    | RestartBot
    | InterruptBot
    | SendMessage
    | AnswerPermission
    | WorkCommand
    | ClearAlert
    | CloseHive
)
Outcome = list[str]
