"""Takes what people want of tasks: many orders at a time, checked against the store, committed together, then carried
out."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.ids import is_task_id
from deia_tui.core.state import first_line
from deia_tui.core.text import clean
from deia_tui.core.work.queue import TaskQueue
from deia_tui.core.work.tasks import ENDED, PRIORITIES, WITH_BOT, Task, TaskState
from deia_tui.core.work.tasktypes import classify
from deia_tui.hive.launching import unknown_bot
from deia_tui.hive.outbox import check_form
from deia_tui.hive.record import Record
from deia_tui.hive.work.admission import Admission
from deia_tui.store.store import Store

TaskOrder = cmd.AddTask | cmd.CancelTask | cmd.RetryTask | cmd.ChangeTask
AT_ONCE = 500
"""How many orders are committed together at most."""
MAX_NEEDS = 100
_ENDED = "The supervisor has ended."
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class _Order:
    command: TaskOrder
    task_id: str
    done: asyncio.Future[cmd.Outcome]


class TaskDesk:
    """`recall(task, reason)` takes a task back from its bot: True if it had not begun it."""

    def __init__(
        self,
        record: Record,
        store: Store,
        queue: TaskQueue,
        stir: Callable[[], None],
        recall: Callable[[Task, str], Awaitable[bool]],
        admission: Admission,
    ) -> None:
        self._record = record
        self._store = store
        self._queue = queue
        self._stir = stir
        self._recall = recall
        self._admission = admission
        self._orders: list[_Order] = []
        self._closed = False

    async def submit(self, command: TaskOrder) -> cmd.Outcome:
        """Returns once it is on record. Raises CommandRejected or StoreError."""
        if isinstance(command, cmd.AddTask):
            _check(command)
            task_id = command.task_id or _new_id(command)
        else:
            task_id = command.task_id
        if self._closed:
            raise CommandRejected(_ENDED, status=503)
        order = _Order(command, task_id, asyncio.get_running_loop().create_future())
        self._orders.append(order)
        self._stir()
        return await order.done

    async def work(self) -> None:
        """Take all orders that are there."""
        while self._orders:
            chunk = self._next()
            try:
                await self._take(chunk)
            except StoreError as error:
                for order in chunk:
                    self._queue.let_go(order.task_id)
                    if not order.done.done():
                        order.done.set_exception(error)

    def close(self) -> None:
        """Whoever waits is told that nobody comes."""
        self._closed = True
        for order in self._orders:
            if not order.done.done():
                order.done.set_exception(CommandRejected(_ENDED, status=503))

    def _next(self) -> list[_Order]:
        """The oldest, no two about the same task."""
        chunk: dict[str, _Order] = {}
        for order in self._orders[:AT_ONCE]:
            if order.task_id in chunk:
                break
            chunk[order.task_id] = order
        del self._orders[: len(chunk)]
        return list(chunk.values())

    async def _take(self, chunk: Sequence[_Order]) -> None:
        known = await self._store.tasks_of([order.task_id for order in chunk])
        self._admission.begin()
        events: list[ev.Event] = []
        taken: list[_Order] = []
        for order in chunk:
            try:
                events += await self._events(order, known)
                taken.append(order)
            except CommandRejected as refusal:
                if not order.done.done():
                    order.done.set_exception(refusal)
        if events:
            await self._record.add(*events)
        for order in taken:
            former = known.get(order.task_id)
            if isinstance(order.command, cmd.CancelTask) and former is not None and former.state in WITH_BOT:
                await self._recall(former, "cancelled")
            if not order.done.done():
                order.done.set_result([order.task_id] if isinstance(order.command, cmd.AddTask) else [])

    async def _events(self, order: _Order, known: Mapping[str, Task]) -> list[ev.Event]:
        """What the order comes to. Raises CommandRejected."""
        command, task = order.command, known.get(order.task_id)
        if isinstance(command, cmd.AddTask):
            return self._add(order.task_id, command, task)
        if task is None:
            raise CommandRejected(f"There is no task '{order.task_id[:40]}'.", status=404)
        match command:
            case cmd.CancelTask():
                if task.state in ENDED:
                    raise CommandRejected(f"{task.task_id} is {task.state}: there is nothing to cancel.")
                return [ev.TaskCancelled(at=time.time(), task_id=task.task_id, by=command.by)]
            case cmd.RetryTask():
                return self._retry(task, command)
            case cmd.ChangeTask():
                return await self._change(task, command)

    def _add(self, task_id: str, command: cmd.AddTask, known: Task | None) -> list[ev.Event]:
        if known is not None:
            if known.text != command.text:
                raise CommandRejected(f"Task id '{task_id}' is taken by another task: choose another id.", status=409)
            return []
        self._check_addressee(command.to)
        if circle := self._queue.circle(task_id, command.after):
            raise CommandRejected(f"It would wait for itself: {' waits for '.join(circle)}.", status=409)
        self._admission.check(command)
        queued = ev.TaskQueued(
            at=time.time(),
            task_id=task_id,
            title=command.title or first_line(command.text),
            text=command.text,
            sender=command.sender,
            to=command.to,
            priority=command.priority,
            task_type=command.task_type or classify(command.text, command.title),
            after=tuple(dict.fromkeys(command.after)),
            source=command.source,
            held=command.held,
        )
        return [queued]

    def _retry(self, task: Task, command: cmd.RetryTask) -> list[ev.Event]:
        if task.state not in (TaskState.DEAD, TaskState.CANCELLED, TaskState.RETRYABLE):
            raise CommandRejected(f"{task.task_id} is {task.state}: there is nothing to retry.")
        if task.state in ENDED:
            self._queue.revive(task)
        return [ev.TaskRevived(at=time.time(), task_id=task.task_id, by=command.by)]

    async def _change(self, task: Task, command: cmd.ChangeTask) -> list[ev.Event]:
        if task.state in ENDED:
            raise CommandRejected(f"{task.task_id} is {task.state}: add it anew to have it done otherwise.")
        if command.priority is not None and command.priority not in PRIORITIES:
            raise CommandRejected("A priority is 0 (urgent) to 3.", status=400)
        self._check_addressee(command.to or "")
        if task.state in WITH_BOT and not await self._recall(task, "changed by a human"):
            raise CommandRejected(f"{task.bot_id} is working on {task.task_id}: cancel it, or wait until it is done.")
        changed = ev.TaskChanged(
            at=time.time(),
            task_id=task.task_id,
            by=command.by,
            priority=command.priority,
            to=command.to,
            held=command.held,
        )
        return [changed]

    def _check_addressee(self, bot_id: str) -> None:
        bots = self._record.state.bots
        if bot_id and bot_id not in bots:
            raise CommandRejected(unknown_bot(bot_id, bots), status=404)


def _check(command: cmd.AddTask) -> None:
    """Raises CommandRejected for what no bot would take, and for what nobody could name."""
    check_form(cmd.SendMessage(bot_id=command.to, text=command.text, sender=command.sender))
    if not command.sender.strip() or command.sender != clean(command.sender):
        raise CommandRejected("The sender's name must have printable characters only.", status=400)
    if command.priority not in PRIORITIES:
        raise CommandRejected("A priority is 0 (urgent) to 3.", status=400)
    if len(command.after) > MAX_NEEDS:
        raise CommandRejected(f"A task waits for at most {MAX_NEEDS} others.", status=400)
    for task_id in filter(None, (command.task_id, *command.after)):
        if not is_task_id(task_id):
            raise CommandRejected(
                f"'{task_id[:40]}' cannot name a task: use 1 to 100 letters, digits, '.', '-' or '_', "
                "starting with a letter or digit.",
                status=400,
            )


def _new_id(command: cmd.AddTask) -> str:
    """One that a human can read and type, and nobody else has."""
    words = re.sub(r"[^a-z0-9]+", "-", (command.title or first_line(command.text)).lower()).strip("-")
    mark = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"{words[:24].rstrip('-') or 'task'}-{mark}"
