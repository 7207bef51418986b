"""The list of tasks: with whom, in which order and for what they wait, what became of those that ended."""

import time
from collections.abc import Collection, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import var
from textual.widgets import Input

from deia_tui.core.state import Snapshot
from deia_tui.core.text import clean
from deia_tui.core.work.tasks import Task, TaskState
from deia_tui.ui import taskrows
from deia_tui.ui.taskrows import SECTIONS, Note, Section
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.filter import Filter
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.widgets.titles import entitle

PAGE = 200
SEARCHED = 2000
"""A filter looks through so many of each section."""
_HEADING, _MORE = "\0heading ", "\0more "


class TaskTable(Table):
    """Shows as much of each section as was read; `wanted` says how much should be, for what can be seen."""

    heading_lines = 1

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="task-table")
        self.snapshot = Snapshot()
        self.marked: frozenset[str] = frozenset()
        self.words: tuple[str, ...] = ()
        self.tasks: dict[str, Task] = {}
        self.columns = taskrows.fit(0, longest_id=4)
        self._read: Mapping[Section, Sequence[Task]] | None = None
        self._standing: dict[str, TaskState] = {}
        self._hidden: dict[Section, int] = {}

    def take(self, read: Mapping[Section, Sequence[Task]]) -> None:
        """What was read of each section."""
        self._read = read
        self._standing = {task.task_id: task.state for tasks in read.values() for task in tasks}
        self.sort()

    def sort(self) -> None:
        keys: list[str] = []
        self.tasks = {}
        for section, tasks in (self._read or {}).items():
            shown = [task for task in tasks if not self.words or self._matches(task)]
            there = max(len(tasks), taskrows.count(section, self.snapshot.work) if len(tasks) >= PAGE else 0)
            self._hidden[section] = there - len(tasks)
            if shown:
                keys += [_HEADING + section.name, *(task.task_id for task in shown)]
                keys += [_MORE + section.name] if self._hidden[section] and not self.words else []
                self.tasks |= {task.task_id: task for task in shown}
        self._fit_columns()
        self.show(keys, fixed={key for key in keys if key.startswith("\0")})

    def wanted(self) -> dict[Section, int]:
        """How many tasks of each section should be read: those down to the last line seen, and some more."""
        if self.words:
            return dict.fromkeys(SECTIONS, SEARCHED)
        reached = max(self.top + self.body_height, self._places.get(self.cursor or "", 0) + 1)
        wanted = {}
        for section in SECTIONS:
            first = self._places.get(_HEADING + section.name, reached)
            seen = reached - first + PAGE // 2
            wanted[section] = PAGE * max(1, -(-seen // PAGE))
        return wanted

    def step_section(self, delta: int) -> None:
        """The cursor to the first task of the next section, or of the one before."""
        place = self._places.get(self.cursor or "", 0)
        first = [index + 1 for index, key in enumerate(self.keys) if key.startswith(_HEADING)]
        onwards = [index for index in first if index > place] if delta > 0 else [i for i in first[::-1] if i < place]
        if onwards:
            self.move_to(self.keys[onwards[0]])

    def _matches(self, task: Task) -> bool:
        return taskrows.matches(task, self.words, self._note(task, time.time()), self.glyphs)

    def _note(self, task: Task, now: float) -> Note:
        return taskrows.note(task, self.snapshot.state, self.snapshot.work, now, self._standing)

    def resized(self) -> None:
        self._fit_columns()
        super().resized()

    def _fit_columns(self) -> None:
        longest = max((len(taskrows.short(task_id).rstrip()) for task_id in self.tasks), default=0)
        self.columns = taskrows.fit(self.text_width, longest_id=longest)
        self.live_width = self.columns.live

    def heading(self) -> Spans:
        return taskrows.headings(self.columns) if self.keys else ()

    def row(self, key: str) -> tuple[Spans, Spans]:
        if key.startswith(_HEADING):
            return (), self._section_heading(key.removeprefix(_HEADING))
        if key.startswith(_MORE):
            left = next(self._hidden[section] for section in SECTIONS if key == _MORE + section.name)
            return (), ((f"         … {left:,} more", Ink.DIM),)
        task, now = self.tasks[key], time.time()
        live = taskrows.live_columns(task, now, self.glyphs, marked=key in self.marked)
        return live, taskrows.other_columns(task, self.columns, self._note(task, now), self.glyphs)

    def _section_heading(self, name: str) -> Spans:
        section = next(section for section in SECTIONS if section.name == name)
        read = len((self._read or {}).get(section, ()))
        there = f"  {read + self._hidden[section]:,}" if section is not taskrows.RECENT else ""
        return ((f" {name.upper()}", Ink.HEADING), (there, Ink.DIM))

    def empty(self) -> str:
        if self._read is None:
            return ""
        return "No task has these words – esc shows all" if self.words else "No work yet – press t for a new task"


class TasksPane(Vertical):
    """The table and its filter; says which task is selected, and when more of them should be read."""

    DEFAULT_CLASSES = "pane"

    snapshot: var[Snapshot] = var(Snapshot(), init=False)

    class Selected(Message):
        def __init__(self, task_id: str | None) -> None:
            super().__init__()
            self.task_id = task_id

    class MoreWanted(Message):
        """Other tasks can be seen than were read."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="tasks")
        entitle(self, glyphs, title="Work")
        self.table = TaskTable(glyphs)
        self.filter = Filter(self.table, placeholder="id, title, state, bot or reason")
        self._wanted: Mapping[Section, int] = {}

    def compose(self) -> ComposeResult:
        yield self.table
        yield self.filter

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)

    def watch_snapshot(self, old: Snapshot, new: Snapshot) -> None:
        self.table.snapshot = new
        if new.work.strain_reason != old.work.strain_reason:
            self._say_what_is_shown()

    def _tick(self) -> None:
        """A second passed, and somebody may have scrolled."""
        self.table.paint()
        if self.table.is_seen:
            self._look_further()

    def take(self, read: Mapping[Section, Sequence[Task]]) -> None:
        self.table.take(read)
        gone = self.table.marked - self.table.tasks.keys()
        if gone and not self.table.words:
            self.mark(self.table.marked - gone)

    def wanted(self) -> Mapping[Section, int]:
        """How many of each section should be read now."""
        self._wanted = self.table.wanted()
        return self._wanted

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        self.post_message(self.Selected(event.key))
        self._look_further()

    def _look_further(self) -> None:
        if any(many > self._wanted.get(section, 0) for section, many in self.table.wanted().items()):
            self.post_message(self.MoreWanted())

    def at_cursor(self) -> Task | None:
        return self.table.tasks.get(self.table.cursor or "")

    def chosen(self) -> Sequence[Task]:
        """The marked tasks, or the selected one."""
        keys: Collection[str] = sorted(self.table.marked) if self.table.marked else [self.table.cursor or ""]
        return [task for key in keys if (task := self.table.tasks.get(key)) is not None]

    def selected_text(self) -> str:
        task = self.at_cursor()
        return clean(f"{task.task_id} {task.state} {task.title}") if task else ""

    def toggle_mark(self) -> None:
        if self.table.cursor:
            self.mark(self.table.marked ^ {self.table.cursor})
            self.table.action_down()

    def mark(self, task_ids: frozenset[str]) -> None:
        self.table.marked = task_ids
        self._say_what_is_shown()
        self.table.paint()

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.words = self.filter.words
        self.table.sort()
        self._say_what_is_shown()
        self._look_further()

    def _say_what_is_shown(self) -> None:
        strained = self.snapshot.work.strain_reason
        parts = [strained] if strained else []
        if self.table.words:
            parts.append(f"{len(self.table.tasks)} found")
        if self.table.marked:
            parts.append(f"{len(self.table.marked)} marked")
        entitle(self, self.table.glyphs, subtitle=" · ".join(parts))
