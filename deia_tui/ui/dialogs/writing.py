"""Something to write: a task for the hive or a message to a bot. It stays open with the reason when it is refused, and
what was written is kept until it was taken."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Button, Input, Static, TextArea

from deia_tui.core.commands import AddTask, Command, SendLetter
from deia_tui.core.errors import CommandRejected, DeiaError
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.work.tasks import HUMAN, NORMAL, PRIORITIES, TaskType
from deia_tui.ui.orders import Orders
from deia_tui.ui.widgets.choice import Choice
from deia_tui.ui.widgets.entry import Entry

ANYONE = "anyone"
_TYPES = ("auto", *TaskType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was written by now; a message between bots has neither title nor type nor what it comes after."""

    text: str = ""
    to: str = ""
    title: str = ""
    priority: int = NORMAL
    task_type: str = "auto"
    after: str = ""


def task_of(draft: Draft) -> Command:
    return AddTask(
        text=draft.text,
        title=draft.title.strip(),
        to="" if draft.to.casefold() == ANYONE else draft.to,
        priority=draft.priority,
        task_type=None if draft.task_type == "auto" else TaskType(draft.task_type),
        after=tuple(draft.after.replace(",", " ").split()),
    )


def letter_of(draft: Draft) -> Command:
    return SendLetter(from_bot=HUMAN, to_bot=draft.to, text=draft.text, priority=draft.priority)


class Sheet(TextArea):
    """Several lines into which nothing can be pasted that a terminal would obey."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert(clean_lines(event.text), maintain_selection_offset=False)

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("tab", "shift+tab"):
            return  # to the next field
        await super()._on_key(event)


class WritingDialog(ModalScreen[str | None]):
    """Returns the outcome's id; None when nothing was sent. `keep` gets what was written when it is left."""

    BINDINGS = [
        ("escape", "cancel", "Cancel"),
        ("ctrl+s", "send", "Send"),
        ("down", "app.focus_next", "Next"),
        ("up", "app.focus_previous", "Previous"),
    ]

    def __init__(
        self,
        orders: Orders,
        draft: Draft,
        bots: Sequence[str],
        *,
        heading: str,
        command: Callable[[Draft], Command],
        keep: Callable[[Draft], None],
        is_task: bool,
    ) -> None:
        super().__init__()
        self._orders = orders
        self._heading = heading
        self._command = command
        self._keep = keep
        self._is_task = is_task
        known = [ANYONE, *bots] if is_task else list(bots)
        self._bots = {bot_id.casefold(): bot_id for bot_id in bots}
        self._title = Entry(draft.title, placeholder="the first line of the text", id="title", compact=True)
        self._text = Sheet(draft.text, id="text", compact=True, highlight_cursor_line=False)
        self._to = Entry(
            draft.to,
            placeholder=ANYONE if is_task else "a bot",
            id="to",
            compact=True,
            suggester=SuggestFromList(known, case_sensitive=False),
        )
        self._priority = Choice([f"P{level}" for level in PRIORITIES], draft.priority, id="priority")
        self._type = Choice(_TYPES, _TYPES.index(draft.task_type), id="type")
        self._after = Entry(draft.after, placeholder="ids of tasks that must be done first", id="after", compact=True)
        self._refusal = Static("", markup=False, id="refusal")
        self._sends = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="writing") as box:
            box.border_title = Content(self._heading)
            box.border_subtitle = Content("tab next field, ctrl+s sends, esc keeps it for later")
            if self._is_task:
                yield from _field("Title", self._title)
            yield self._text
            yield from _field("To", self._to)
            yield from _field("Priority", self._priority)
            if self._is_task:
                yield from _field("Type", self._type)
                yield from _field("After", self._after)
            yield self._refusal
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Send", id="send", compact=True)

    def on_mount(self) -> None:
        self._refusal.display = False
        self._text.focus()
        self._text.move_cursor(self._text.document.end)

    def on_descendant_focus(self) -> None:
        for row in self.query(".row"):
            row.set_class(row.has_focus_within, "-current")

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "send":
            self.action_send()
        else:
            self.action_cancel()

    def _draft(self) -> Draft:
        to = self._to.value.strip()
        return Draft(
            text=self._text.text,
            to=self._bots.get(to.casefold(), to),
            title=self._title.value,
            priority=PRIORITIES[self._priority.chosen],
            task_type=_TYPES[self._type.chosen],
            after=self._after.value,
        )

    def action_send(self) -> None:
        draft = self._draft()
        if not draft.text.strip():
            self._refuse("Write first what is to be done." if self._is_task else "Write first what it shall read.")
        elif not self._is_task and not draft.to:
            self._refuse("Name the bot it is for.")
        elif not self._sends:
            self._sends = True
            self.run_worker(self._send(draft))

    async def _send(self, draft: Draft) -> None:
        try:
            [sent_id] = await self._orders.give(self._command(draft))
        except CommandRejected as refusal:
            after = f" Try again in {math.ceil(refusal.retry_after_s)} s." if refusal.retry_after_s else ""
            self._refuse(f"{refusal}{after}")
        except DeiaError as error:
            self._refuse(str(error))
        else:
            self._keep(Draft())
            self.dismiss(sent_id)
        finally:
            self._sends = False

    def _refuse(self, sentence: str) -> None:
        self._refusal.update(Content(clean(sentence)))
        self._refusal.display = True

    def action_cancel(self) -> None:
        self._keep(self._draft())
        self.dismiss(None)


def _field(label: str, field: Widget) -> ComposeResult:
    with Horizontal(classes="row"):
        yield Static(label, classes="label")
        yield field
