"""One task in full: what is wanted, what it waits for, its attempts, who would be chosen and why, and its answer."""

import time
from collections.abc import Iterator, Sequence

from deia_tui.core.client import TaskDetail
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.work.tasks import ENDED, WAITING, WITH_BOT, Attempt, Task, TaskState
from deia_tui.ui import taskrows
from deia_tui.ui.parts import seconds
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.transcript import Turn
from deia_tui.ui.widgets.lines import Lines
from deia_tui.ui.widgets.titles import entitle
from deia_tui.ui.wrapping import wrap, wrap_spans

_LIMIT = 20_000
_OUTCOMES = {"done": Ink.GOOD, "failed": Ink.BAD, "dead": Ink.BAD}


class TaskView(Lines):
    """Reading goes on where it was when the same task is shown again."""

    DEFAULT_CLASSES = "pane"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=_LIMIT, id="task")
        entitle(self, glyphs, title="Task")
        self.detail: TaskDetail | None = None
        self._turn: Turn | None = None

    def show(self, detail: TaskDetail | None, *, formatted: bool) -> None:
        """`formatted`: what its bot says is Markdown."""
        former = self.detail
        if detail == former:
            return
        self.detail = detail
        same = former is not None and detail is not None and former.task.task_id == detail.task.task_id
        self._take_answer(detail, formatted=formatted)
        entitle(self, self.glyphs, title=f"Task · {detail.task.task_id}" if detail else "Task")
        if same:
            self.extend(self._drawn_anew(), keep=0)
        else:
            self.reset(self._drawn_anew())
            self.action_first()

    def _take_answer(self, detail: TaskDetail | None, *, formatted: bool) -> None:
        """What was opened in it stays open."""
        opened = self._turn.opened if self._turn is not None else set()
        answer = detail.answer if detail else None
        same = answer is not None and self._turn is not None and self._turn.message_id == answer.message_id
        self._turn = None if answer is None else Turn(answer, formatted=formatted, how_to_answer="p answers it")
        if self._turn is not None and same:
            self._turn.opened = opened

    def toggle(self) -> bool:
        """Open or fold everything in the answer; False when there is nothing to open."""
        if self._turn is None or not self._turn.places:
            return False
        everything = {part for _, part in self._turn.places}
        self._turn.opened = set() if self._turn.opened else everything
        self.extend(self._drawn_anew(), keep=0)
        return True

    def copied(self) -> str:
        """The answer, or what is wanted where there is none yet."""
        if self.detail is None:
            return ""
        return (self._turn.answer if self._turn is not None else "") or clean_lines(self.detail.task.text)

    def resized(self) -> None:
        self.lines = self._drawn_anew()
        super().resized()

    def empty(self) -> str:
        return "" if self.detail else "No task is selected"

    # Drawing

    def _drawn_anew(self) -> list[Spans]:
        width = max(8, self.text_width)
        blocks = [_fitted(block, width) for block in self._blocks()]
        if self.detail is not None and self._turn is not None:
            answer = self._turn.answer_lines(clean(self.detail.task.bot_id), width, self.glyphs)
            blocks.append([(("Answer", Ink.HEADING),), *answer])
        return [line for block in blocks for line in ((), *block)][1:]

    def _blocks(self) -> Iterator[list[Spans]]:
        detail = self.detail
        if detail is None:
            return
        yield [((clean(detail.task.title), Ink.STRONG),), *_facts(detail, self.glyphs)]
        yield [((line, Ink.TEXT),) for line in clean_lines(detail.task.text).strip("\n").split("\n")]
        if detail.attempts:
            yield [(("Attempts", Ink.HEADING),), *(line for one in detail.attempts for line in _attempt(one))]
        if detail.choice and detail.task.state in WAITING:
            chosen = " · ".join(f"{clean(one.bot_id)} {one.score:.2f}" for one in detail.choice)
            reasons: list[Spans] = [((f"  {clean(reason)}", Ink.DIM),) for reason in detail.reasons]
            yield [(("Would be chosen", Ink.HEADING),), ((f"  {chosen}", Ink.TEXT),), *reasons]


def _fitted(block: Sequence[Spans], width: int) -> list[Spans]:
    """Lines of one ink go on indented like their beginning."""
    lines: list[Spans] = []
    for spans in block:
        if len(spans) == 1:
            [(text, ink)] = spans
            lines += [((line, ink),) for line in wrap(text, width)]
        else:
            lines += wrap_spans(spans, width)
    return lines


def _facts(detail: TaskDetail, glyphs: Glyphs) -> Iterator[Spans]:
    task = detail.task
    seen = taskrows.look(task, glyphs)
    tries = f" · try {task.tries}" if task.tries > 1 else ""
    yield (
        (f"{seen.glyph} {seen.word}", seen.ink),
        (f" since {_clock(task.since)}{tries} · P{task.priority} · {task.task_type}", Ink.TEXT),
    )
    came = f"from {clean(task.sender)} at {_clock(task.created_at)}"
    yield ((f"{came} · for {clean(task.to) or 'anyone'}{f' · {clean(task.source)}' if task.source else ''}", Ink.DIM),)
    if detail.needs:
        standing = ", ".join(f"{clean(task_id)} ({state})" for task_id, state in detail.needs)
        yield ((f"after {standing}", Ink.DIM),)
    elif task.after:
        yield ((f"after {clean(', '.join(task.after))}", Ink.DIM),)
    if why := _why_not(task, detail.waits_for):
        yield ((clean(why), Ink.BAD if task.state is TaskState.DEAD else Ink.WARN),)
    if task.response:
        yield ((f"answer in hive/responses/{clean(task.response)}", Ink.DIM),)


def _why_not(task: Task, waits_for: str) -> str:
    if waits_for:
        return waits_for
    if task.held and task.state not in ENDED:
        return f"held: {task.held}"
    return "" if task.state in WITH_BOT else task.error


def _attempt(one: Attempt) -> Iterator[Spans]:
    end = one.ended_at
    took = "" if one.started_at is None or end is None else f" · {seconds(end - one.started_at)}"
    outcome = one.outcome or ("running" if one.started_at else "handed")
    error = f": {clean(one.error)}" if one.error else ""
    yield (
        (f"  {one.attempt}  {_clock(one.assigned_at)}  {clean(one.bot_id)}  ", Ink.TEXT),
        (f"{outcome}{error}", _OUTCOMES.get(one.outcome, Ink.WARN if one.outcome else Ink.NEWS)),
        (took, Ink.DIM),
    )
    sure = "" if one.confidence is None else f"{one.confidence:.0%} sure"
    if why := " · ".join(filter(None, (*map(clean, one.reasons), sure))):
        yield ((f"     {why}", Ink.DIM),)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
