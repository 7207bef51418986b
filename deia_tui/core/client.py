"""What screens, API and command line need of a hive, whether it runs in this process or is scripted by a test."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from deia_tui.core.commands import Command, Outcome
from deia_tui.core.conversation import Parts
from deia_tui.core.events import Event
from deia_tui.core.letters.letter import Letter
from deia_tui.core.programs import Readiness
from deia_tui.core.state import Snapshot
from deia_tui.core.turns import Failure, StopReason
from deia_tui.core.work.tasks import Attempt, Candidate, Task, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTurn:
    """A message and its answer so far. `status`: queued, accepted, running, answered, failed, interrupted. `task_id`
    is the task it assigns, `letter_id` the message of another bot that it delivers, or "".

    `parts` are what happened in it, `answer` all that was said, `answer_seq` numbers the last event in both; `number`
    orders the turns of one bot. `failure` and `stop_reason` as in events.TurnEnded.
    """

    number: int
    message_id: str
    sender: str
    text: str
    status: str
    error: str
    asked_at: float
    ended_at: float | None
    answer: str
    answer_seq: int
    parts: Parts = ()
    failure: Failure | None = None
    stop_reason: StopReason = ""
    task_id: str = ""
    letter_id: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event and its place in the hive's one sequence."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Launchable:
    """Something the launch dialog offers: a template, an agent or a bot of hive.toml. `kind` is its agent's; `problem`
    says why it cannot be launched, or is ""; `ready` is how its agent stands here, where there is such an agent."""

    name: str
    kind: str
    summary: str
    problem: str
    sort: Literal["template", "agent", "bot"] = "agent"
    ready: Readiness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    """A task with what became of its attempts (oldest first). `needs` are the tasks it waits for and how they stand;
    `waits_for` says in words why it is not being done, or is "". `choice` are the bots the scheduler would consider
    now, best first, with the reasons for the first. `answer` is what its newest attempt was told and said, while that
    is kept."""

    task: Task
    attempts: Sequence[Attempt] = ()
    needs: Sequence[tuple[str, TaskState]] = ()
    waits_for: str = ""
    choice: Sequence[Candidate] = ()
    reasons: Sequence[str] = ()
    answer: ChatTurn | None = None


class HiveClient(Protocol):
    """Safe to use from one thread or event loop that need not be the supervisor's."""

    def snapshot(self) -> Snapshot:
        """The newest state, at once."""

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (from any thread, it must not block) when the snapshot changed; returns how to stop that."""

    async def submit(self, command: Command) -> Outcome:
        """Carry out a command; leaving early does not cancel it. Raises CommandRejected with a sentence."""

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> Sequence[ChatTurn]:
        """The newest `limit` turns (older than turn `before`), oldest first."""

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> Sequence[Recorded]:
        """Events (output included) with seq > `after`, oldest first; with `newest`, the last `limit` of them."""

    async def tasks(
        self, *, states: Collection[TaskState] = (), bot_id: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Task]:
        """Tasks in these states (all of them, where none is named), each with the first 400 characters of its text:
        first those with a bot, then those that wait in the order of the queue, then those that ended, newest first.
        With `bot_id`, those for it, with it or done by it."""

    async def task(self, task_id: str) -> TaskDetail:
        """Raises CommandRejected (404) for one that nobody knows."""

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Letter]:
        """Messages between bots, newest first: all, those to or from a bot, or those between two."""

    async def launchables(self, *, look: bool = False) -> Sequence[Launchable]:
        """Templates, agents and bots one can launch, as hive.toml and the template folder are now.

        With `look` programs are asked for their version, which may take some seconds; else it is what is known by now.
        """
