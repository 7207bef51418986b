"""How tasks look as rows: their sections, which columns fit, and what stands in them. Pure."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deia_tui.core.state import HiveState
from deia_tui.core.text import clean
from deia_tui.core.wording import waiting_for
from deia_tui.core.work.tasks import ENDED, WAITING, Task, TaskState
from deia_tui.core.work.view import WorkView
from deia_tui.core.work.waits import why_waiting
from deia_tui.ui.parts import minutes, seconds
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.wrapping import cut

_AGE, _STATE = 6, 12
_ENOUGH = 44
_ID_MOST = 12


@dataclass(frozen=True, slots=True)
class Section:
    """Tasks that stand together under a heading."""

    name: str
    states: frozenset[TaskState]


RUNNING = Section("running", frozenset({TaskState.RUNNING}))
SCHEDULED = Section("handed to a bot", frozenset({TaskState.SCHEDULED}))
QUEUE = Section("waiting", WAITING)
DEAD = Section("dead", frozenset({TaskState.DEAD}))
RECENT = Section("ended lately", ENDED - {TaskState.DEAD})
SECTIONS = (RUNNING, SCHEDULED, QUEUE, DEAD, RECENT)


def count(section: Section, work: WorkView) -> int:
    """How many there are, as far as everybody is told: 0 where nobody counts."""
    counts = {RUNNING: work.running, SCHEDULED: work.scheduled, QUEUE: work.waiting, DEAD: work.dead}
    return counts.get(section, 0)


@dataclass(frozen=True, slots=True)
class Look:
    """A state as glyph and word."""

    glyph: str
    word: str
    ink: Ink
    title: Ink = Ink.TEXT
    note: Ink = Ink.DIM


def look(task: Task, glyphs: Glyphs) -> Look:
    match task.state:
        case TaskState.RUNNING:
            return Look(glyphs.busy, "running", Ink.GOOD)
        case TaskState.SCHEDULED:
            return Look(glyphs.starting, "handed", Ink.NEWS)
        case TaskState.QUEUED | TaskState.RETRYABLE if task.held:
            return Look(glyphs.stopping, "held", Ink.WARN, Ink.DIM)
        case TaskState.RETRYABLE:
            return Look(glyphs.backoff, "retries", Ink.WARN)
        case TaskState.QUEUED:
            return Look(glyphs.idle, "waiting", Ink.DIM)
        case TaskState.DEAD:
            return Look(glyphs.fatal, "dead", Ink.BAD, note=Ink.BAD)
        case TaskState.CANCELLED:
            return Look(glyphs.off, "cancelled", Ink.FAINT, Ink.FAINT, Ink.FAINT)
        case TaskState.DONE:
            return Look(glyphs.cleared, "done", Ink.DIM, Ink.DIM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Widths in cells; 0 drops a column."""

    id: int
    title: int
    note: int

    @property
    def live(self) -> int:
        return 1 + _AGE + 2


def fit(width: int, *, longest_id: int) -> Columns:
    """The columns for `width` cells: the id goes first, then title and note share what is left."""
    task_id = min(max(4, longest_id), _ID_MOST) + 2
    left = width - (1 + _AGE + 2) - _STATE - 4
    if left - task_id < _ENOUGH:
        task_id = 0
    title = max(0, (left - task_id - 2) * 11 // 20)
    return Columns(id=task_id, title=title, note=max(0, left - task_id - title - 2))


def headings(columns: Columns) -> Spans:
    task_id = "ID".ljust(columns.id) if columns.id else ""
    text = (
        f"{'SINCE'.rjust(1 + _AGE)}  {'STATE'.ljust(_STATE)}PRI {task_id}{'TITLE'.ljust(columns.title)}  BOT OR REASON"
    )
    return ((text, Ink.FAINT),)


def live_columns(task: Task, now: float, glyphs: Glyphs, *, marked: bool) -> Spans:
    """What changes as time goes by, in few runs of colour."""
    mark: Spans = ((glyphs.mark, Ink.NEWS),) if marked else ()
    return *mark, (f"{'' if marked else ' '}{since(task, now).rjust(_AGE)}  ", Ink.DIM)


def since(task: Task, now: float) -> str:
    """How long a bot has it or it waits, the time of day when it ended."""
    if task.state in ENDED:
        return time.strftime("%H:%M", time.localtime(task.since))
    age = max(0.0, now - (task.created_at if task.state in WAITING else task.since))
    if age < 60 or (task.state is TaskState.RUNNING and age < 3600):
        return minutes(age)
    return f"{age / 60:.0f} min" if age < 5400 else f"{age / 3600:.0f} h" if age < 172_800 else f"{age / 86_400:.0f} d"


@dataclass(frozen=True, slots=True)
class Note:
    """`troubled`: somebody may have to see to it."""

    text: str
    troubled: bool = False


def other_columns(task: Task, columns: Columns, note: Note, glyphs: Glyphs) -> Spans:
    seen = look(task, glyphs)
    note_ink = Ink.WARN if note.troubled or seen.ink is Ink.WARN else seen.note
    task_id = short(task.task_id, columns.id - 2) + "  " if columns.id else ""
    return (
        (f"{seen.glyph} {seen.word}".ljust(_STATE), seen.ink),
        (f"P{task.priority}  ", Ink.NEWS if task.priority == 0 and task.state not in ENDED else Ink.DIM),
        (task_id, Ink.STRONG if seen.title is Ink.TEXT else seen.title),
        (f"{cut(clean(task.title), columns.title)}  ", seen.title),
        (cut(clean(note.text), columns.note), note_ink),
    )


def note(task: Task, state: HiveState, work: WorkView, now: float, standing: Mapping[str, TaskState]) -> Note:
    """Who has it and how far that is, or why nobody has. `standing` are the tasks whose states are known."""
    match task.state:
        case TaskState.RUNNING:
            bot = state.bots.get(task.bot_id)
            at_it = bot if bot is not None and bot.message_id == task.message_id else None
            steps = f"{at_it.plan[0]} of {at_it.plan[1]} steps" if at_it is not None and at_it.plan else ""
            held_up = waiting_for(at_it, state, now) if at_it is not None else ""
            return Note(" · ".join(filter(None, (task.bot_id, held_up or steps, _tries(task)))), bool(held_up))
        case TaskState.SCHEDULED:
            return Note(" · ".join(filter(None, (f"next for {task.bot_id}", _tries(task)))))
        case TaskState.DONE:
            took = "" if task.started_at is None or task.ended_at is None else seconds(task.ended_at - task.started_at)
            return Note(" · ".join(filter(None, (task.bot_id, took))))
        case TaskState.DEAD | TaskState.CANCELLED:
            return Note(task.error)
        case TaskState.QUEUED | TaskState.RETRYABLE:
            why = why_waiting(task, state, work, now, undone(task, standing))
            return Note(why or _after_others(task, standing) or (f"for {task.to}" if task.to else ""))


def undone(task: Task, standing: Mapping[str, TaskState]) -> dict[str, str]:
    """Of the tasks it comes after, those that are known not to be done."""
    return {
        task_id: str(state)
        for task_id in task.after
        if (state := standing.get(task_id)) is not None and state is not TaskState.DONE
    }


def _after_others(task: Task, standing: Mapping[str, TaskState]) -> str:
    """The tasks it comes after that no list shows: they are unknown, or were done long ago."""
    unseen = [task_id for task_id in task.after if task_id not in standing]
    return f"after {', '.join(unseen)}" if unseen else ""


def _tries(task: Task) -> str:
    return f"try {task.tries}" if task.tries > 1 else ""


def short(task_id: str, width: int = _ID_MOST) -> str:
    """An id in `width` cells: their ends tell apart what their beginnings do not."""
    name = clean(task_id)
    if len(name) <= width:
        return cut(name, width)
    end = name[1 - width :]
    whole_words = end.partition("-")[2]
    return cut(f"…{whole_words or end}", width)


def matches(task: Task, words: Sequence[str], note: Note, glyphs: Glyphs) -> bool:
    """Does every word stand somewhere in what is known of it?"""
    text = (
        f"{task.task_id} {task.title} {look(task, glyphs).word} p{task.priority} {task.task_type} {task.sender} "
        f"{task.to} {task.bot_id} {note.text}"
    ).casefold()
    return all(word in text for word in words)
