"""A hive in memory: the same protocol, commands, events and fold as the real one, without processes or a database.

Safe from any thread. `auto` answers messages by itself; without it a test plays the bot with `record`.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, ExitRecord
from deia_tui.core.client import ChatTurn, Launchable, Recorded, TaskDetail
from deia_tui.core.conversation import add, answer_of
from deia_tui.core.errors import CommandRejected
from deia_tui.core.ids import check_bot_id, next_bot_ids
from deia_tui.core.letters.letter import Letter, LetterState, fold_letter
from deia_tui.core.state import BotView, HiveState, Snapshot, Telemetry, first_line, fold, is_live
from deia_tui.core.turns import OptionKind, Outcome, PermissionOption, PermissionRequest
from deia_tui.core.work.taskmoves import fold_task
from deia_tui.core.work.tasks import HUMAN, NORMAL, WAITING, Attempt, Candidate, Task, TaskState, TaskType
from deia_tui.core.work.view import BotWork, Strain, WorkView
from deia_tui.store.workrows import outcome_of

SHELL = AgentSpec(name="shell", kind="shell")
OFFERED = (
    Launchable(name="shell", kind="agent", summary="runs command lines", problem=""),
    Launchable(name="shell", kind="template", summary="the same, niced", problem=""),
    Launchable(name="worker", kind="template", summary="counts lines all day", problem=""),
    Launchable(name="gemini", kind="agent", summary="", problem="The program 'gemini' is not on PATH: install it."),
)


class ScriptedHive:
    def __init__(self, *, auto: bool = False, opened: bool = True) -> None:
        self.given: list[cmd.Command] = []
        self.ends_at_once = True
        self.offered: Sequence[Launchable] = OFFERED
        self.looked: Sequence[Launchable] | None = None
        self.may_look = threading.Event()
        self.may_look.set()
        self._auto = auto
        self._lock = threading.RLock()
        self._snapshot = Snapshot(state=HiveState(folder="~/hive/.deia"))
        self._recorded: list[Recorded] = []
        self._turns: dict[str, list[ChatTurn]] = {}
        self._tasks: dict[str, Task] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._letters: dict[str, Letter] = {}
        self.choice: Sequence[Candidate] = ()
        self.reasons: Sequence[str] = ()
        self.asked: list[tuple[frozenset[TaskState], int, int]] = []
        self.busy_s: float | None = None
        self._wakes: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)
        if opened:
            self.open()

    # HiveClient

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes.append(wake)
        return lambda: self._wakes.remove(wake)

    async def submit(self, command: cmd.Command) -> cmd.Outcome:
        if isinstance(command, cmd.StopBot | cmd.StopAll) and not self.ends_at_once:
            await self._stop_slowly(command)
        with self._lock:
            outcome = self._carry_out(command)
            self.given.append(command)
            return outcome

    async def _stop_slowly(self, command: cmd.StopBot | cmd.StopAll) -> None:
        """They are asked, and end when a test says so."""
        now = time.time()
        for bot in self._snapshot.state.bots.values():
            if isinstance(command, cmd.StopAll) or bot.bot_id == command.bot_id:
                self.record(
                    ev.BotStopping(
                        at=now, bot_id=bot.bot_id, run=bot.run, then="stop", reason="stopped", kill_at=now + 3600
                    )
                )
        while not self.ends_at_once:
            await asyncio.sleep(0.01)

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> Sequence[ChatTurn]:
        with self._lock:
            turns = [turn for turn in self._turns.get(bot_id, ()) if before is None or turn.number < before]
            return turns[-limit:]

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> Sequence[Recorded]:
        with self._lock:
            rows = [row for row in self._recorded if row.seq > after and bot_id in (None, bot_of(row.event))]
            return rows[-limit:] if newest else rows[:limit]

    async def tasks(
        self, *, states: Collection[TaskState] = (), bot_id: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Task]:
        self.asked.append((frozenset(states), offset, limit))
        with self._lock:
            kept = [task for task in self._tasks.values() if not states or task.state in states]
            kept = sorted((task for task in kept if bot_id in (None, task.to, task.bot_id)), key=_in_order)
            return kept[offset : offset + limit]

    async def task(self, task_id: str) -> TaskDetail:
        with self._lock:
            if (task := self._tasks.get(task_id)) is None:
                raise CommandRejected(f"There is no task '{task_id}'.", status=404)
            turns = self._turns.get(task.bot_id, ())
            return TaskDetail(
                task=task,
                attempts=self._attempts.get(task_id, ()),
                needs=[(need, self._tasks[need].state) for need in task.after if need in self._tasks],
                choice=self.choice,
                reasons=self.reasons,
                answer=next((turn for turn in turns if turn.message_id == task.message_id), None),
            )

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Letter]:
        with self._lock:
            wanted = {bot_id, partner} - {None}
            found = [one for one in self._letters.values() if wanted <= {one.from_bot, one.to_bot}]
            return sorted(found, key=lambda one: -one.sent_at)[offset : offset + limit]

    async def launchables(self, *, look: bool = False) -> Sequence[Launchable]:
        if not self._snapshot.seq:
            raise CommandRejected("The supervisor is still starting: try again in a moment.", status=503)
        if not look:
            return self.offered
        while not self.may_look.is_set():
            await asyncio.sleep(0.01)
        return self.offered if self.looked is None else self.looked

    # What a test plays

    def open(self) -> None:
        self.record(ev.HiveOpened(at=time.time(), pid=4711, mode="console", version="0"))

    def record(self, *events: ev.Event) -> None:
        """What happened: folded, kept, told."""
        with self._lock:
            for event in events:
                seq = self._snapshot.seq + 1
                self._recorded.append(Recorded(seq, event))
                self._note_turn(seq, event)
                self._note_work(event)
                said = {**self._snapshot.said, **({bot_id: seq} if (bot_id := bot_of(event)) else {})}
                state = fold(self._snapshot.state, event)
                self._snapshot = replace(self._snapshot, seq=seq, said=said, state=state, work=self._work(event))
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def measure(self, telemetry: Telemetry) -> None:
        with self._lock:
            self._snapshot = replace(self._snapshot, telemetry=telemetry)
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def bot(self, bot_id: str) -> BotView:
        return self._snapshot.state.bots[bot_id]

    def run(self, *bot_ids: str, agent: AgentSpec = SHELL, template: str | None = None) -> None:
        """These bots were launched and are idle."""
        for bot_id in bot_ids:
            self.record(
                ev.BotLaunched(
                    at=time.time(), bot_id=bot_id, spec=BotSpec(bot_id=bot_id, agent=agent, template=template)
                ),
                *self._started(bot_id, "launched"),
            )

    def ask(self, bot_id: str, text: str, *, sender: str = "human") -> str:
        """A message reached the bot, which works on it; returns its id."""
        message_id = self._queue(bot_id, text, sender, None)
        run = self.bot(bot_id).run
        self.record(
            ev.MessageAccepted(at=time.time(), bot_id=bot_id, run=run, message_id=message_id, source_seq=1),
            ev.TurnStarted(at=time.time(), bot_id=bot_id, run=run, message_id=message_id, source_seq=2),
        )
        return message_id

    def answer(self, bot_id: str, message_id: str, *pieces: str) -> None:
        run = self.bot(bot_id).run
        for piece in pieces:
            self.record(
                ev.OutputAdded(at=time.time(), bot_id=bot_id, run=run, message_id=message_id, text=piece, source_seq=3)
            )

    def finish(self, bot_id: str, message_id: str) -> None:
        self.record(
            ev.TurnEnded(
                at=time.time(),
                bot_id=bot_id,
                run=self.bot(bot_id).run,
                message_id=message_id,
                status="answered",
                error="",
                duration_s=1.0,
            )
        )

    def wants(
        self,
        bot_id: str,
        message_id: str,
        title: str,
        *,
        tool: str = "Bash",
        input: str = "",
        kinds: Sequence[OptionKind] = ("allow_once", "allow_always", "reject_once"),
        left_s: float = 300.0,
    ) -> str:
        """The agent asks leave; returns the request's id."""
        request_id = f"r-{next(self._numbers)}"
        options = tuple(PermissionOption(option_id=kind, name=kind, kind=kind) for kind in kinds)
        now = time.time()
        self.record(
            ev.PermissionAsked(
                at=now,
                bot_id=bot_id,
                run=self.bot(bot_id).run,
                message_id=message_id,
                request=PermissionRequest(
                    request_id=request_id, tool=tool, title=title, input=input or title, options=options
                ),
                expires_at=now + left_s,
                source_seq=4,
            )
        )
        return request_id

    def permitted(self, bot_id: str, request_id: str, outcome: Outcome, *, by: str = "", note: str = "") -> None:
        run = self.bot(bot_id).run
        self.record(
            ev.PermissionAnswered(
                at=time.time(), bot_id=bot_id, run=run, request_id=request_id, outcome=outcome, by=by, note=note
            )
        )

    def alert(self, bot_id: str | None, text: str, *, level: str = "warning", action: str = "") -> int:
        number = next(self._numbers)
        self.record(
            ev.AlertRaised(
                at=time.time(),
                alert_id=number,
                bot_id=bot_id,
                kind=f"kind-{number}",
                level="critical" if level == "critical" else "warning",
                text=text,
                action=action,
            )
        )
        return number

    # Work

    def queue(self, task_id: str, title: str = "", text: str = "", **task: Any) -> str:
        """A task waits."""
        kept = {"sender": HUMAN, "to": "", "priority": NORMAL, "task_type": TaskType.OTHER, "at": time.time()}
        self.record(ev.TaskQueued(task_id=task_id, title=title or task_id, text=text or title, **{**kept, **task}))
        return task_id

    def assign(self, task_id: str, bot_id: str, *, starts: bool = True, reasons: tuple[str, ...] = ()) -> str:
        """A bot was chosen and, if it starts, works on it; returns the id of the message."""
        task, now = self._tasks[task_id], time.time()
        of: dict[str, Any] = {"at": now, "task_id": task_id, "bot_id": bot_id, "attempt": task.attempt + 1}
        message_id = f"{task_id}.{task.attempt + 1}"
        chosen = {"message_id": message_id, "task_type": task.task_type, "reasons": reasons, "confidence": 0.8}
        queued = {"message_id": message_id, "sender": task.sender, "text": task.text, "task_id": task_id}
        self.record(ev.TaskAssigned(**of, **chosen), ev.MessageQueued(at=now, bot_id=bot_id, **queued))
        if starts:
            run = self.bot(bot_id).run
            self.record(
                ev.TurnStarted(at=now, bot_id=bot_id, run=run, message_id=message_id, source_seq=2),
                ev.TaskStarted(**of),
            )
        return message_id

    def end_task(self, task_id: str, how: Literal["done", "retry", "dead"], *, error: str = "") -> None:
        task, now = self._tasks[task_id], time.time()
        of: dict[str, Any] = {"at": now, "task_id": task_id, "bot_id": task.bot_id, "attempt": task.attempt}
        match how:
            case "done":
                self.record(ev.TaskDone(**of, duration_s=1.0))
            case "retry":
                self.record(ev.TaskPutBack(**of, reason=error, counted=True, not_before=now + 60))
            case "dead":
                self.record(ev.TaskDied(**of, reason=error))
        if self.bot(task.bot_id).message_id == task.message_id:
            self.finish(task.bot_id, task.message_id)

    def letter(self, from_bot: str, to_bot: str, text: str, **letter: Any) -> str:
        letter_id = f"l-{next(self._numbers)}"
        now = time.time()
        self.record(
            ev.LetterSent(
                **{"at": now, "priority": NORMAL, "expires_at": now + 3600, **letter},
                letter_id=letter_id,
                from_bot=from_bot,
                to_bot=to_bot,
                text=text,
            )
        )
        return letter_id

    def _note_work(self, event: ev.Event) -> None:
        if isinstance(event, ev.TaskEvent):
            task = fold_task(self._tasks.get(event.task_id), event)
            if task is not None:
                self._tasks[event.task_id] = task
                self._note_attempt(task, event)
        elif isinstance(event, ev.LetterEvent):
            letter = fold_letter(self._letters.get(event.letter_id), event)
            if letter is not None:
                self._letters[event.letter_id] = letter

    def _note_attempt(self, task: Task, event: ev.TaskEvent) -> None:
        attempts = self._attempts.setdefault(task.task_id, [])
        match event:
            case ev.TaskAssigned():
                attempts.append(
                    Attempt(
                        attempt=event.attempt,
                        bot_id=event.bot_id,
                        message_id=event.message_id,
                        assigned_at=event.at,
                        reasons=event.reasons,
                        confidence=event.confidence,
                    )
                )
            case ev.TaskStarted():
                attempts[-1] = replace(attempts[-1], started_at=event.at)
            case ev.TaskDone() | ev.TaskPutBack() | ev.TaskDied() if attempts:
                outcome, error = outcome_of(event)
                attempts[-1] = replace(attempts[-1], ended_at=event.at, outcome=outcome, error=error)

    def _work(self, event: ev.Event) -> WorkView:
        work = self._snapshot.work
        if isinstance(event, ev.LetterEvent):
            pending = sum(letter.state is LetterState.PENDING for letter in self._letters.values())
            return replace(work, letters_revision=work.letters_revision + 1, letters_pending=pending)
        if not isinstance(event, ev.TaskEvent):
            return work
        states = Counter(task.state for task in self._tasks.values())
        running = {task.bot_id: task.task_id for task in self._tasks.values() if task.state is TaskState.RUNNING}
        return replace(
            work,
            revision=work.revision + 1,
            waiting=sum(states[state] for state in WAITING),
            scheduled=states[TaskState.SCHEDULED],
            running=states[TaskState.RUNNING],
            dead=states[TaskState.DEAD],
            bots=MappingProxyType({bot_id: BotWork(running=task_id) for bot_id, task_id in running.items()}),
        )

    def strain(self, strain: Strain) -> None:
        """The hive copes so from now on."""
        with self._lock:
            self._snapshot = replace(self._snapshot, work=replace(self._snapshot.work, strain=strain))
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def _do_work(self, command: cmd.WorkCommand) -> cmd.Outcome:
        now = time.time()
        match command:
            case cmd.AddTask():
                if self.busy_s is not None:
                    raise CommandRejected("Bot busy, please wait.", status=429, retry_after_s=self.busy_s)
                task_id = command.task_id or f"T-{next(self._numbers)}"
                title = command.title or first_line(command.text)
                what = {"sender": command.sender, "to": command.to, "priority": command.priority}
                kind = command.task_type or TaskType.OTHER
                self.queue(task_id, title, command.text, **what, task_type=kind, after=command.after)
                return [task_id]
            case cmd.CancelTask(task_id=task_id, by=by):
                self.record(ev.TaskCancelled(at=now, task_id=task_id, by=by))
            case cmd.RetryTask(task_id=task_id, by=by):
                self.record(ev.TaskRevived(at=now, task_id=task_id, by=by))
            case cmd.ChangeTask():
                changes = {"priority": command.priority, "to": command.to, "held": command.held}
                self.record(ev.TaskChanged(at=now, task_id=command.task_id, by=command.by, **changes))
            case cmd.SendLetter():
                return [self.letter(command.from_bot, command.to_bot, command.text, priority=command.priority)]
            case cmd.ReadLetter(letter_id=letter_id, by=by):
                letter = self._letters[letter_id]
                of = {"from_bot": letter.from_bot, "to_bot": letter.to_bot, "priority": letter.priority}
                self.record(ev.LetterRead(at=now, letter_id=letter_id, by=by, **of))
            case _:
                pass
        return []

    # Commands

    def _carry_out(self, command: cmd.Command) -> cmd.Outcome:
        match command:
            case cmd.LaunchBots():
                return self._launch(command)
            case cmd.StopBot(bot_id=bot_id):
                self.record(*self._ended(self._live(bot_id), "stopped"))
            case cmd.KillBot(bot_id=bot_id):
                self.record(*self._ended(self._live(bot_id), "killed"))
            case cmd.RestartBot(bot_id=bot_id):
                bot = self._known(bot_id)
                self.record(
                    *(self._ended(bot, "restarted") if is_live(bot) else ()), *self._started(bot_id, "launched")
                )
            case cmd.InterruptBot(bot_id=bot_id):
                self._live(bot_id)
            case cmd.SendMessage():
                return [self._send(command)]
            case cmd.StopAll():
                running = [bot for bot in self._snapshot.state.bots.values() if is_live(bot)]
                for bot in running:
                    self.record(*self._ended(bot, "stopped"))
                return [bot.bot_id for bot in running]
            case cmd.AnswerPermission():
                self._answer_permission(command)
            case cmd.ClearAlert(alert_id=alert_id):
                self.record(ev.AlertCleared(at=time.time(), alert_id=alert_id, bot_id=None, reason="seen to"))
            case _ if isinstance(command, cmd.WorkCommand):
                return self._do_work(command)
            case cmd.CloseHive():
                self.record(ev.HiveClosed(at=time.time(), reason="asked"))
        return []

    def _answer_permission(self, command: cmd.AnswerPermission) -> None:
        open_ones = (one for one in self._snapshot.state.approvals if one.request.request_id == command.request_id)
        asked = next(open_ones, None)
        if asked is None:
            raise CommandRejected("This request is not open: it was answered, or its turn is over.", status=404)
        self.permitted(asked.bot_id, command.request_id, command.outcome, by=command.by, note=command.note)

    def _known(self, bot_id: str) -> BotView:
        bot = self._snapshot.state.bots.get(bot_id)
        if bot is None:
            raise CommandRejected(f"There is no bot '{bot_id}'.", status=404)
        return bot

    def _live(self, bot_id: str) -> BotView:
        bot = self._known(bot_id)
        if not is_live(bot):
            raise CommandRejected(f"{bot_id} does not run.")
        return bot

    def _launch(self, command: cmd.LaunchBots) -> cmd.Outcome:
        offered = next((entry for entry in self.offered if entry.name == command.what), None)
        if offered is None or offered.problem:
            raise CommandRejected(f"'{command.what}' cannot be launched here.", status=400)
        known = self._snapshot.state.bots
        if command.bot_id is not None:
            check_bot_id(command.bot_id)
            if command.bot_id in known and is_live(known[command.bot_id]):
                raise CommandRejected(f"{command.bot_id} runs already (pid {known[command.bot_id].pid}).")
        bot_ids = [command.bot_id] if command.bot_id else next_bot_ids(known.keys(), command.count)
        self.run(*bot_ids)
        return bot_ids

    def _send(self, command: cmd.SendMessage) -> str:
        self._live(command.bot_id)
        message_id = self._queue(command.bot_id, command.text, command.sender, command.message_id)
        if self._auto:
            run = self.bot(command.bot_id).run
            now = time.time()
            self.record(ev.TurnStarted(at=now, bot_id=command.bot_id, run=run, message_id=message_id, source_seq=2))
            self.answer(command.bot_id, message_id, "You said:\n", command.text, "\n")
            self.finish(command.bot_id, message_id)
        return message_id

    def _queue(self, bot_id: str, text: str, sender: str, message_id: str | None) -> str:
        message_id = message_id or f"m-{next(self._numbers)}"
        self.record(ev.MessageQueued(at=time.time(), bot_id=bot_id, message_id=message_id, sender=sender, text=text))
        return message_id

    def _started(self, bot_id: str, reason: str) -> list[ev.Event]:
        known = self._snapshot.state.bots.get(bot_id)
        run = (known.run if known else 0) + 1
        pid, port, now = 5000 + next(self._numbers), 8000 + next(self._numbers), time.time()
        return [
            ev.BotStarting(at=now, bot_id=bot_id, run=run, nonce="n", reason=reason),
            ev.BotSpawned(at=now, bot_id=bot_id, run=run, pid=pid, start_ticks=1, port=port),
            ev.BotReady(at=now, bot_id=bot_id, run=run),
        ]

    def _ended(self, bot: BotView, reason: str) -> list[ev.Event]:
        now = time.time()
        signal = "SIGKILL" if reason == "killed" else None
        exit_record = ExitRecord(at=now, code=None if signal else 0, signal=signal, reason=reason)
        then: Literal["restart", "stop"] = "restart" if reason == "restarted" else "stop"
        return [
            ev.BotStopping(at=now, bot_id=bot.bot_id, run=bot.run, then=then, reason=reason),
            ev.BotExited(at=now, bot_id=bot.bot_id, run=bot.run, exit=exit_record),
            *([] if then == "restart" else [ev.BotStopped(at=now, bot_id=bot.bot_id)]),
        ]

    # Conversations

    def _note_turn(self, seq: int, event: ev.Event) -> None:
        match event:
            case ev.MessageQueued():
                turns = self._turns.setdefault(event.bot_id, [])
                turns.append(
                    ChatTurn(
                        number=seq,
                        message_id=event.message_id,
                        sender=event.sender,
                        text=event.text,
                        status="queued",
                        error="",
                        asked_at=event.at,
                        ended_at=None,
                        answer="",
                        answer_seq=0,
                        task_id=event.task_id,
                        letter_id=event.letter_id,
                    )
                )
            case ev.MessageAccepted():
                self._turn(event.bot_id, event.message_id, lambda turn: replace(turn, status="accepted"))
            case ev.TurnStarted():
                self._turn(event.bot_id, event.message_id, lambda turn: replace(turn, status="running"))
            case ev.TurnEnded():
                ended = {
                    "status": event.status,
                    "error": event.error,
                    "ended_at": event.at,
                    "failure": event.failure,
                    "stop_reason": event.stop_reason,
                }
                self._turn(event.bot_id, event.message_id, lambda turn: replace(turn, **ended))
            case _ if message_id := self._message_of(event):
                self._turn(bot_of(event) or "", message_id, lambda turn: _happened(turn, seq, event))

    def _message_of(self, event: ev.Event) -> str:
        """The turn an event is part of: an answer to a request goes where that was asked."""
        if isinstance(event, ev.PermissionAnswered):
            asked = (row.event for row in self._recorded if isinstance(row.event, ev.PermissionAsked))
            return next((one.message_id for one in asked if one.request.request_id == event.request_id), "")
        is_work = isinstance(event, ev.TaskEvent | ev.LetterEvent)
        return "" if is_work else getattr(event, "message_id", "")

    def _turn(self, bot_id: str, message_id: str, change: Callable[[ChatTurn], ChatTurn]) -> None:
        turns = self._turns[bot_id]
        for place in range(len(turns) - 1, -1, -1):
            if turns[place].message_id == message_id:
                turns[place] = change(turns[place])
                return


def _in_order(task: Task) -> tuple[int, float, str]:
    """As HiveClient.tasks has them."""
    if task.ended_at is not None:
        return 2, -task.ended_at, task.task_id
    return int(task.state in WAITING), task.created_at + 600 * task.priority, task.task_id


def _happened(turn: ChatTurn, seq: int, event: ev.Event) -> ChatTurn:
    parts = add(turn.parts, event)
    return replace(turn, parts=parts, answer=answer_of(parts), answer_seq=seq)


def bot_of(event: ev.Event) -> str | None:
    return getattr(event, "bot_id", None)
