"""Everything one can ask of a hive. Imperative; carried out by `Hive.submit`, refused with CommandRejected."""

from dataclasses import dataclass

from deia_tui.core.turns import OptionKind


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
class ClearAlert:
    """Take an alert off the list: somebody has seen to it. Outcome: []."""

    alert_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseHive:
    """End the supervisor; `leave_bots` lets them run on, `reason` is told to who sits before it. Outcome: []."""

    leave_bots: bool = False
    reason: str = ""


Command = (
    LaunchBots
    | StopBot
    | StopAll
    | KillBot
    | RestartBot
    | InterruptBot
    | SendMessage
    | AnswerPermission
    | ClearAlert
    | CloseHive
)
Outcome = list[str]
