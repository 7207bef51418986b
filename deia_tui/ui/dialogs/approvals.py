"""What all agents ask leave for, in one list: what each wants to do, how long it waits already and still will, and the
answer. It shows the hive as it is, also while the view behind it is frozen."""

import time
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import AnswerPermission
from deia_tui.core.errors import DeiaError
from deia_tui.core.state import Approval, BotView
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.wording import wanted
from deia_tui.ui import answers, keymap
from deia_tui.ui.answers import Wish
from deia_tui.ui.orders import Orders
from deia_tui.ui.parts import minutes
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.widgets.entry import Entry
from deia_tui.ui.widgets.lines import Lines
from deia_tui.ui.widgets.table import Table
from deia_tui.ui.wrapping import wrap

_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Row:
    """A request; `over` says how it ended, for one that the cursor still stands on."""

    approval: Approval
    over: str = ""


class ApprovalTable(Table):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, id="approvals")
        self.rows: dict[str, Row] = {}

    def row(self, key: str) -> tuple[Spans, Spans]:
        row = self.rows[key]
        approval, now = row.approval, time.time()
        what = f"{clean(approval.bot_id)}  {clean(wanted(approval.request))}"
        if row.over:
            return (), ((f"{row.over.rjust(15)}  {what}", Ink.DIM),)
        left = approval.expires_at - now
        waits = f"{minutes(now - approval.asked_at).rjust(6)} "
        return (), (
            (waits, Ink.DIM),
            (f"{minutes(left).rjust(6)}   ", Ink.BAD if left < 30 else Ink.WARN),
            (what, Ink.TEXT),
        )

    heading_lines = 1

    def heading(self) -> Spans:
        return (("   AGE   LEFT   WHO AND WHAT", Ink.FAINT),) if self.keys else ()

    def empty(self) -> str:
        return "Nothing asks for leave"


class RequestView(Lines):
    """All of a request, from its beginning."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs, limit=50_000, id="request")
        self._text: tuple[str, ...] = ()
        self.of: str | None = None

    def show(self, approval: Approval | None, bot: BotView | None) -> None:
        self.of = approval.request.request_id if approval else None
        self._text = _described(approval, bot) if approval else ()
        self.reset(self._wrapped())
        self.action_first()

    def resized(self) -> None:
        self.lines = self._wrapped()

    def _wrapped(self) -> list[Spans]:
        head, *rest = self._text or ("",)
        inked = [(head, Ink.STRONG), *((text, Ink.TEXT) for text in rest)]
        return [((line, ink),) for text, ink in inked for line in wrap(text, max(2, self.text_width))]


class ApprovalsDialog(ModalScreen[None]):
    """An answered request leaves the list with the cursor: no key meets another one than its operator has seen."""

    BINDINGS = [
        *keymap.bindings("console", group="Requests"),
        *keymap.bindings("hive", group="Requests"),
        ("escape,q", "close", "Close"),
        ("tab", "app.focus_next", "Read"),
    ]
    AUTO_FOCUS = "#approvals"

    def __init__(
        self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, request_id: str | None = None, why: bool = False
    ) -> None:
        super().__init__()
        self._client = client
        self._orders = orders
        self._table = ApprovalTable(glyphs)
        self._view = RequestView(glyphs)
        self._word = Entry(
            placeholder="what the agent shall know – enter denies, esc does not", compact=True, id="word"
        )
        self._first = request_id
        self._why = why
        self._answered: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="queue") as box:
            box.border_title = "Requests"
            yield self._table
            yield self._view
            yield self._word

    def on_mount(self) -> None:
        self._word.display = False
        self._look()
        if self._first in self._table.keys:
            self._table.move_to(self._first)
        self.set_interval(_LOOK_S, self._look)
        if self._why:
            self.action_deny_why()

    # What there is

    def _look(self) -> None:
        """Those that are open, oldest first, and the one at the cursor as long as it stands there."""
        opened = {one.request.request_id: Row(one) for one in self._client.snapshot().state.approvals}
        cursor = self._table.cursor
        before = self._table.rows
        if cursor is not None and cursor not in opened:
            former = before[cursor]
            opened = {key: opened.get(key) or former for key in [*before, *opened] if key == cursor or key in opened}
            opened[cursor] = Row(former.approval, former.over or self._how_it_ended(former.approval))
        self._table.rows = opened
        height = min(len(opened) + 2, max(4, self.size.height // 3))
        if self._table.styles.height is None or self._table.styles.height.value != height:
            self._table.styles.height = height
        self._table.show([*opened])
        self._show_request()

    def _how_it_ended(self, approval: Approval) -> str:
        answered = self._answered.get(approval.request.request_id)
        return answered or ("expired" if time.time() >= approval.expires_at else "answered")

    def _show_request(self) -> None:
        row = self._at_cursor()
        if row is None or self._view.of != row.approval.request.request_id:
            state = self._client.snapshot().state
            self._view.show(row.approval if row else None, state.bots.get(row.approval.bot_id) if row else None)
        box = self.query_one("#queue")
        hint = answers.keys(row.approval.request) if row is not None and not row.over else "esc closes"
        box.border_subtitle = Content(self._table.glyphs.plain(hint))

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        self._look()

    def _at_cursor(self) -> Row | None:
        return self._table.rows.get(self._table.cursor or "")

    # Answering

    def action_answer(self, wish: Wish) -> None:
        self._answer(wish, "")

    def action_deny_why(self) -> None:
        row = self._at_cursor()
        if row is not None and not row.over and self._orders.allowed():
            self._word.display = True
            self._word.focus()

    @on(Input.Submitted)
    def _word_said(self, event: Input.Submitted) -> None:
        event.stop()
        self._answer("deny", event.value.strip())
        self._leave_word()

    def _answer(self, wish: Wish, note: str) -> None:
        row = self._at_cursor()
        if row is None or not self._orders.allowed():
            return
        if row.over:
            self._orders.say(f"This request is over: {row.over}.", "information")
            return
        kind = answers.option(row.approval.request, wish)
        if kind is None:
            self._orders.say(answers.refusal(wish), "warning")
            return
        command = AnswerPermission(request_id=row.approval.request.request_id, outcome=kind, note=note)
        self.run_worker(self._give(command), group="answers")

    async def _give(self, command: AnswerPermission) -> None:
        self._answered[command.request_id] = "denied" if command.outcome.startswith("reject") else "allowed"
        try:
            await self._orders.give(command)
        except DeiaError as error:
            del self._answered[command.request_id]
            self._orders.say(str(error), "error")
            return
        others = {one.request.request_id for one in self._client.snapshot().state.approvals} - self._answered.keys()
        if not others:
            self.dismiss(None)

    # Leaving

    def _leave_word(self) -> None:
        self._word.value = ""
        self._word.display = False
        self._table.focus()

    def action_close(self) -> None:
        if self._word.has_focus:
            self._leave_word()
        else:
            self.dismiss(None)

    def action_requests(self) -> None:
        """The key that opened it closes it."""
        self.dismiss(None)


def _described(approval: Approval, bot: BotView | None) -> tuple[str, ...]:
    request = approval.request
    agent = f" ({bot.spec.template or bot.spec.agent.name})" if bot is not None else ""
    about = f" while it works on: {bot.task}" if bot is not None and bot.task else ""
    named = not request.tool or request.title.startswith(request.tool)
    head = f"{approval.bot_id}{agent} asks: {request.title if named else f'{request.tool}: {request.title}'}"
    return clean(head), *clean_lines(request.input).split("\n"), "", *([clean(about.strip())] if about else [])
