"""The mode Work: the tasks of the hive and all about the one at the cursor. What it shows is read from the store page
by page, only while it is shown, and again when something changed."""

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient, TaskDetail
from deia_tui.core.errors import CommandRejected
from deia_tui.core.state import Snapshot
from deia_tui.core.text import clean
from deia_tui.core.work.tasks import ENDED, PRIORITIES, WITH_BOT, Task, TaskState
from deia_tui.ui import keymap
from deia_tui.ui.looks import Looks
from deia_tui.ui.modes.mode import Mode
from deia_tui.ui.orders import Orders, name_all
from deia_tui.ui.panes.chat import writes_markdown
from deia_tui.ui.panes.task import TaskView
from deia_tui.ui.panes.tasks import TasksPane
from deia_tui.ui.taskrows import RUNNING, SCHEDULED, SECTIONS, Section
from deia_tui.ui.theme import Glyphs

_AT_ONCE = 500
"""So many dead tasks are read, and tried anew, in one go."""
_RETRIED = frozenset({TaskState.DEAD, TaskState.CANCELLED, TaskState.RETRYABLE})


class WorkMode(Mode):
    BINDINGS = [*keymap.bindings("mode"), *keymap.bindings("work")]

    def __init__(self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, pace_s: float) -> None:
        self._client = client
        self._orders = orders
        self._list = TasksPane(glyphs)
        self._detail = TaskView(glyphs)
        super().__init__(
            "work",
            {"tasks": self._list.table, "task": self._detail},
            {"left": ("tasks",), "right": ("task",)},
            lower="task",
        )
        self._list_looks = Looks(self._read_list, self._complain, pace_s=2 * pace_s)
        self._task_looks = Looks(self._read_task, self._complain, pace_s=2 * pace_s)
        self._revision = -1
        self._heard = 0
        self._to_select: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="left"):
            yield self._list.data_bind(WorkMode.snapshot)
        with Vertical(id="right"):
            yield self._detail

    def on_mount(self) -> None:
        self.run_worker(self._list_looks.run(), group="list")
        self.run_worker(self._task_looks.run(), group="task")

    # What is shown

    def watch_snapshot(self, old: Snapshot, new: Snapshot) -> None:
        if new.work.revision != self._revision:
            self._revision = new.work.revision
            self._list_looks.want()
            self._task_looks.want()

    def enter(self) -> None:
        super().enter()
        self._list_looks.want(hurry=True)
        self._task_looks.want(hurry=True)

    def hear(self, snapshot: Snapshot) -> None:
        """Perhaps the bot that works on the task at the cursor."""
        detail = self._detail.detail
        if detail is None or detail.task.state is not TaskState.RUNNING:
            return
        if snapshot.said.get(detail.task.bot_id, 0) > self._heard:
            self._heard = snapshot.seq
            self._task_looks.want()

    async def _read_list(self) -> None:
        if not self.display:
            return
        wanted = self._list.wanted()
        read: dict[Section, Sequence[Task]] = {}
        with_bot = await self._client.tasks(states=WITH_BOT, limit=wanted[RUNNING] + wanted[SCHEDULED])
        for section in SECTIONS:
            if section.states <= WITH_BOT:
                read[section] = [task for task in with_bot if task.state in section.states]
            else:
                read[section] = await self._client.tasks(states=section.states, limit=wanted[section])
        self._list.take(read)
        if self._to_select in self._list.table.tasks:
            self._list.table.move_to(self._to_select)
            self._to_select = None

    async def _read_task(self) -> None:
        task_id = self._list.table.cursor
        detail: TaskDetail | None = None
        if not self.display:
            return
        if task_id is not None:
            try:
                detail = await self._client.task(task_id)
            except CommandRejected as unknown:
                if unknown.status != 404:
                    raise
        bot = self.snapshot.state.bots.get(detail.task.bot_id) if detail else None
        self._detail.show(detail, formatted=bot is None or writes_markdown(bot.spec.agent))

    @on(TasksPane.Selected)
    def _task_selected(self) -> None:
        self._task_looks.want(hurry=True)

    @on(TasksPane.MoreWanted)
    def _read_further(self) -> None:
        self._list_looks.want(hurry=True)

    def select_new(self, task_id: str) -> None:
        """Put the cursor on a task, wherever it is, as soon as it is there."""
        self._to_select = task_id
        self._list.filter.close()
        self._list_looks.want(hurry=True)

    def back(self) -> bool:
        if self._list.filter.close():
            self._list.table.focus()
        elif self._list.table.marked:
            self._list.mark(frozenset())
        else:
            return False
        return True

    def open_here(self) -> bool:
        return self.panes.pane == "task" and self._detail.toggle()

    def meant(self) -> Sequence[str]:
        task = self._list.at_cursor()
        bot_id = (task.bot_id or task.to) if task is not None else ""
        return [bot_id] if bot_id else []

    def selected_text(self) -> str:
        return self._detail.copied() if self.panes.pane == "task" else self._list.selected_text()

    def action_filter(self) -> None:
        self.panes.go("tasks")
        self._list.filter.open()

    def action_mark(self) -> None:
        self._list.toggle_mark()

    def action_step_section(self, delta: int) -> None:
        self._list.table.step_section(delta)

    def action_read(self) -> None:
        if self.panes.pane == "task":
            self.panes.zoom()
        elif self._list.at_cursor() is not None:
            self.panes.go("task")

    def action_fold(self) -> None:
        if not self._detail.toggle():
            self._say("There is nothing to open in this answer.")

    def action_go_to_bot(self) -> None:
        if bots := self.meant():
            self.post_message(self.BotWanted(bots[0]))
        else:
            self._say("This task is for anyone, and nobody has it yet.")

    # Orders

    def action_cancel(self) -> None:
        tasks = [task for task in self._meant_tasks() if task.state not in ENDED]
        running = sum(task.state is TaskState.RUNNING for task in tasks)
        commands = [cmd.CancelTask(task_id=task.task_id) for task in tasks]
        if not tasks:
            self._say("What has ended cannot be cancelled.")
        elif running:
            detail = "Its bot is interrupted, and what it did by now is not undone."
            if len(tasks) > 1:
                detail = f"Bots work on {running} of them: they are interrupted, and what they did is not undone."
            done = f"Cancelled {_name(tasks)}"
            self._ask(f"Cancel {_name(tasks)}?", detail, commands, done, yes="Cancel work", no="Let it go on")
        else:
            self._give(commands, f"Cancelled {_name(tasks)}")

    def action_retry(self) -> None:
        tasks = [task for task in self._meant_tasks() if task.state in _RETRIED]
        if tasks:
            self._give([cmd.RetryTask(task_id=task.task_id) for task in tasks], f"Trying {_name(tasks)} again")
        else:
            self._say("Only what is dead, was cancelled or waits for its next try can be tried again.")

    def action_retry_dead(self) -> None:
        if self._orders.allowed():
            self.run_worker(self._retry_dead(), group="orders")

    async def _retry_dead(self) -> None:
        dead: list[str] = []
        states = frozenset({TaskState.DEAD})
        while page := await self._client.tasks(states=states, offset=len(dead), limit=_AT_ONCE):
            dead += [task.task_id for task in page]
        if not dead:
            self._say("No task is dead.")
            return
        many = f"{len(dead):,} dead task{'' if len(dead) == 1 else 's'}"
        detail = "Their tries are counted anew: what killed them may do it again."
        commands = [cmd.RetryTask(task_id=task_id) for task_id in dead]
        self._ask(f"Retry {many}?", detail, commands, f"Trying {many} again", yes="Retry", no="Cancel")

    def action_hold(self) -> None:
        tasks = [task for task in self._meant_tasks() if task.state not in ENDED]
        held = "" if tasks and all(task.held for task in tasks) else "by hand"
        done = f"{'Holding' if held else 'Released'} {_name(tasks)}"
        self._change(tasks, lambda task: cmd.ChangeTask(task_id=task.task_id, held=held), done)

    def action_change_priority(self, delta: int) -> None:
        def level(task: Task) -> int:
            return max(PRIORITIES[0], min(PRIORITIES[-1], task.priority + delta))

        tasks = [task for task in self._meant_tasks() if task.state not in ENDED]
        changed = [task for task in tasks if level(task) != task.priority]
        if tasks and not changed:
            self._say(f"It is P{tasks[0].priority} already.")
        else:
            self._change(
                changed, lambda task: cmd.ChangeTask(task_id=task.task_id, priority=level(task)), "", keep=True
            )

    def action_assign(self) -> None:
        tasks = [task for task in self._meant_tasks() if task.state not in ENDED]
        if not tasks or not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.bots import BotsDialog

        def assign(to: str | None) -> None:
            if to is not None:
                done = f"{_name(tasks)} is for {to or 'anyone'} now"
                self._change(tasks, lambda task: cmd.ChangeTask(task_id=task.task_id, to=to), done)

        bots = sorted(self.snapshot.state.bots.values(), key=lambda bot: bot.bot_id)
        self.app.push_screen(BotsDialog(f"Give {_name(tasks)} to", bots), assign)

    def _meant_tasks(self) -> Sequence[Task]:
        return self._list.chosen()

    def _change(
        self, tasks: Sequence[Task], command: Callable[[Task], cmd.Command], done: str, *, keep: bool = False
    ) -> None:
        if tasks:
            self._give([command(task) for task in tasks], done, keep=keep)
        else:
            self._say("A task that has ended can only be tried again.")

    def _ask(
        self, question: str, detail: str, commands: Sequence[cmd.Command], done: str, *, yes: str, no: str
    ) -> None:
        if not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.confirm import ConfirmDialog

        self.app.push_screen(
            ConfirmDialog(question, detail, yes=yes, no=no),
            lambda meant: self._give(commands, done) if meant else None,
        )

    def _give(self, commands: Sequence[cmd.Command], done: str, *, keep: bool = False) -> None:
        """One order for all of them; the marks are used up, unless one may want to go on with them."""
        if self._orders.allowed():
            self.run_worker(self._orders.give_all(commands, done), group="orders")
            if not keep:
                self._list.mark(frozenset())

    def _say(self, sentence: str) -> None:
        self._orders.say(sentence, "information")

    def _complain(self, sentence: str) -> None:
        self._orders.say(sentence, "error")


def _name(tasks: Sequence[Task]) -> str:
    if len(tasks) == 1:
        return clean(tasks[0].task_id)
    return name_all([task.task_id for task in tasks]) if len(tasks) <= 3 else f"{len(tasks)} tasks"
