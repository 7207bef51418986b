"""The conversation with the selected bot: its turns, streaming, and the input that says whom it writes to."""

import re
import time
from collections import defaultdict
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import var
from textual.widgets import Input, Static

from deia_tui.core.bots import OFF, Activity, AgentSpec
from deia_tui.core.breaker import Phase
from deia_tui.core.client import ChatTurn, Recorded
from deia_tui.core.state import BotView, HiveState, Snapshot
from deia_tui.core.text import clean
from deia_tui.core.wording import countdown, waiting_for
from deia_tui.ui import keymap
from deia_tui.ui.panes.turns import ChatView
from deia_tui.ui.theme import Glyphs
from deia_tui.ui.transcript import Transcript
from deia_tui.ui.widgets.entry import LinesEntry
from deia_tui.ui.widgets.lines import Lines
from deia_tui.ui.widgets.titles import entitle

_SENT_KEPT = 50
_ADDRESS = re.compile(r"@([A-Za-z0-9][A-Za-z0-9_-]{0,31})(?:\s+|$)(.*)", re.DOTALL)


class ChatInput(LinesEntry):
    BINDINGS = keymap.bindings("chat-input")

    class Left(Message):
        """Somebody is done writing."""

    class Recalled(Message):
        """What was sent `step` messages before (negative: after) shall stand here."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_older(self) -> None:
        self.post_message(self.Recalled(1))

    def action_newer(self) -> None:
        self.post_message(self.Recalled(-1))


class ChatPane(Vertical):
    snapshot: var[Snapshot] = var(Snapshot(), init=False)
    selected: var[str | None] = var[str | None](None, init=False)

    class Send(Message):
        """`draft` is what stood in the input beside `beside`'s conversation, should it have to go back there."""

        def __init__(self, bot_id: str, text: str, *, draft: str, beside: str | None) -> None:
            super().__init__()
            self.bot_id = bot_id
            self.text = text
            self.draft = draft
            self.beside = beside

    class OlderWanted(Message):
        def __init__(self, bot_id: str, before: int) -> None:
            super().__init__()
            self.bot_id = bot_id
            self.before = before

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="chat")
        self._glyphs = glyphs
        self.view = ChatView(glyphs)
        self.input = ChatInput(sign=glyphs.line_break, id="chat-input")
        self._notice = Static("", markup=False, id="chat-notice")
        self._composer = Vertical(self.input, self._notice, id="composer", classes="pane")
        self._refusal = ""
        self._drafts: dict[str | None, str] = {}
        self._sent: defaultdict[str | None, list[str]] = defaultdict(list)
        self._recalled = 0
        self._unsent = ""

    def compose(self) -> ComposeResult:
        yield self.view
        yield self._composer

    def on_mount(self) -> None:
        self._address()

    # What there is to read

    def open(self, bot_id: str | None, turns: Sequence[ChatTurn], news: Sequence[Recorded]) -> None:
        bot = self.snapshot.state.bots.get(bot_id or "")
        formatted = bot is not None and writes_markdown(bot.spec.agent)
        transcript = Transcript(bot_id, turns, formatted=formatted) if bot_id else None
        if transcript is not None:
            transcript.hear(news)
        self.view.open(transcript)

    def add(self, recorded: Sequence[Recorded]) -> None:
        self.view.hear(recorded)

    def add_older(self, bot_id: str, turns: Sequence[ChatTurn]) -> None:
        self.view.add_older(bot_id, turns)

    @on(Lines.TopReached)
    def _want_older(self, event: Lines.TopReached) -> None:
        event.stop()
        transcript = self.view.transcript
        if transcript is not None and transcript.oldest is not None:
            self.post_message(self.OlderWanted(transcript.bot_id, transcript.oldest))

    # Whom one writes to

    def watch_selected(self, old: str | None, new: str | None) -> None:
        self._drafts[old] = self.input.value
        self._recalled = 0
        self._write(self._drafts.pop(new, ""))

    def watch_snapshot(self) -> None:
        self._show_notice()
        self.view.tick()

    def addressee(self) -> tuple[str | None, str]:
        """The bot the text in the input would go to, and the text without its address."""
        text = self.input.text
        addressed = _ADDRESS.match(text)
        return (addressed[1], addressed[2]) if addressed else (self.selected, text)

    def _address(self) -> None:
        bot_id, text = self.addressee()
        lines = f" · {count} lines" if (count := text.count("\n") + 1) > 1 else ""
        entitle(self._composer, self._glyphs, title=f"To {bot_id or 'nobody'}{lines}")
        hint = f"Message {self.selected} …   @ID to address another" if self.selected else "No bot is selected"
        self.input.placeholder = self._glyphs.plain(clean(hint))
        self._show_notice()

    def _show_notice(self) -> None:
        bot_id, _ = self.addressee()
        bot = self.snapshot.state.bots.get(bot_id or "")
        text = self._refusal or (clean(_why_not_now(bot, self.snapshot.state, time.time())) if bot else "")
        self._notice.display = bool(text)
        self._notice.set_class(bool(self._refusal), "-refused")
        if text != str(self._notice.content):
            self._notice.update(Content(self._glyphs.plain(text)))

    # Writing

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._refusal = ""
        self._address()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        bot_id, text = self.addressee()
        if not text.strip():
            return
        if bot_id is None:
            self._refusal = "Select a bot first, or begin with @ID."
            self._show_notice()
            return
        draft, beside = self.input.value, self.selected
        self._sent[beside] = [*self._sent[beside], draft][-_SENT_KEPT:]
        self._recalled = 0
        self._write("")
        self.view.action_last()
        self.post_message(self.Send(bot_id, text, draft=draft, beside=beside))

    def refuse(self, draft: str, beside: str | None, reason: str) -> None:
        """The hive did not take a message: it goes back to where it was written, unless something else stands there."""
        if beside != self.selected:
            self._drafts.setdefault(beside, draft)
            return
        if not self.input.value:
            self._write(draft)
        self._refusal = clean(reason)
        self._show_notice()

    def put_back(self, draft: str, beside: str | None) -> None:
        """A message that was not sent after all."""
        self.refuse(draft, beside, "")

    def _write(self, text: str) -> None:
        with self.prevent(Input.Changed):
            self.input.value = text
        self.input.cursor_position = len(text)
        self._refusal = ""
        self._address()

    @on(ChatInput.Recalled)
    def _recall(self, event: ChatInput.Recalled) -> None:
        event.stop()
        sent = self._sent[self.selected]
        if not self._recalled:
            self._unsent = self.input.value
        self._recalled = max(0, min(len(sent), self._recalled + event.step))
        self._write(sent[-self._recalled] if self._recalled else self._unsent)


def _why_not_now(bot: BotView, state: HiveState, now: float) -> str:
    """Why `bot` would not answer at once, or ''."""
    if bot.breaker is Phase.OPEN:
        return f"Bot Unavailable (recovering){countdown(bot.retry_at, now)}"
    if bot.state in OFF:
        return f"{bot.bot_id} is {bot.state} – r starts it again"
    if bot.activity is Activity.ASKING:
        return f"{bot.bot_id} waits for your answer first – esc, then p"
    if waits := waiting_for(bot, state, now):
        return f"A message waits: {waits}"
    return f"{bot.bot_id} has trouble: {bot.trouble}" if bot.trouble else ""


def writes_markdown(agent: AgentSpec) -> bool:
    """What a model says, yes; what a program prints is shown as it is."""
    return agent.kind != "shell" and (agent.kind != "command" or agent.output == "jsonl")
