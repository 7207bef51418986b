"""The mode Messages: the inboxes of the bots, what is in them, and what two bots wrote to each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import ReadLetter
from deia_tui.core.letters.letter import Letter
from deia_tui.core.state import Snapshot
from deia_tui.core.work.tasks import HUMAN
from deia_tui.ui import keymap
from deia_tui.ui.letterrows import UNREAD, count
from deia_tui.ui.looks import Looks
from deia_tui.ui.modes.mode import Mode
from deia_tui.ui.orders import Orders
from deia_tui.ui.panes.letters import ConversationView, InboxTable, LettersPane
from deia_tui.ui.theme import Glyphs
from deia_tui.ui.widgets.table import Table

if TYPE_CHECKING:
    from deia_tui.ui.dialogs.writing import Draft

_NEWEST = 1000
"""So many messages are listed and counted."""
_TOLD = 100
"""So many of a conversation are shown."""


class MessagesMode(Mode):
    BINDINGS = [*keymap.bindings("mode"), *keymap.bindings("messages")]

    def __init__(self, client: HiveClient, orders: Orders, glyphs: Glyphs, *, pace_s: float) -> None:
        self._client = client
        self._orders = orders
        self._inboxes = InboxTable(glyphs)
        self._letters = LettersPane(glyphs)
        self._conversation = ConversationView(glyphs)
        super().__init__(
            "messages",
            {"letters": self._letters.table, "letter": self._conversation, "inboxes": self._inboxes},
            {"left": ("inboxes", "letters"), "right": ("letter",)},
            lower="letter",
        )
        self._list_looks = Looks(self._read_list, self._complain, pace_s=2 * pace_s)
        self._pair_looks = Looks(self._read_pair, self._complain, pace_s=2 * pace_s)
        self._revision = -1
        self._draft: Draft | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="left"):
            yield self._inboxes
            yield self._letters
        with Vertical(id="right"):
            yield self._conversation

    def on_mount(self) -> None:
        self.run_worker(self._list_looks.run(), group="list")
        self.run_worker(self._pair_looks.run(), group="pair")

    # What is shown

    def watch_snapshot(self, old: Snapshot, new: Snapshot) -> None:
        if new.work.letters_revision != self._revision or old.state.bots.keys() != new.state.bots.keys():
            self._revision = new.work.letters_revision
            self._list_looks.want()
            self._pair_looks.want()

    def enter(self) -> None:
        super().enter()
        self._list_looks.want(hurry=True)

    async def _read_list(self) -> None:
        """The counts are of all bots, whoever's inbox is listed."""
        if self.display:
            letters = await self._client.letters(limit=_NEWEST)
            self._inboxes.take(count(letters, self.snapshot.state.bots))
            bot_id = self._inboxes.bot_id
            self._letters.table.take(
                letters if bot_id is None else await self._client.letters(bot_id=bot_id, limit=_NEWEST)
            )

    async def _read_pair(self) -> None:
        if self.display:
            letter = self._letters.at_cursor()
            told: Sequence[Letter] = ()
            if letter is not None:
                told = await self._client.letters(bot_id=letter.from_bot, partner=letter.to_bot, limit=_TOLD)
            self._conversation.show(told[::-1], letter)

    @on(Table.Moved, "#inboxes")
    def _inbox_selected(self) -> None:
        self._list_looks.want(hurry=True)

    @on(LettersPane.Selected)
    def _letter_selected(self) -> None:
        self._pair_looks.want(hurry=True)

    def back(self) -> bool:
        if self._letters.filter.close():
            self._letters.table.focus()
        elif self._letters.table.marked:
            self._letters.mark(frozenset())
        else:
            return False
        return True

    def meant(self) -> Sequence[str]:
        if self.panes.pane == "inboxes":
            return [self._inboxes.bot_id] if self._inboxes.bot_id else []
        letter = self._letters.at_cursor()
        return [letter.to_bot] if letter is not None else []

    def selected_text(self) -> str:
        return self._letters.selected_text()

    def action_filter(self) -> None:
        self.panes.go("letters")
        self._letters.filter.open()

    def action_mark(self) -> None:
        self._letters.toggle_mark()

    def action_read(self) -> None:
        match self.panes.pane:
            case "inboxes":
                self.panes.go("letters")
            case "letters":
                self.panes.go("letter")
            case _:
                self.panes.zoom()

    def action_go_to_bot(self) -> None:
        for bot_id in self.meant():
            self.post_message(self.BotWanted(bot_id))

    # Orders

    def action_mark_read(self) -> None:
        unread = [letter for letter in self._letters.chosen() if letter.state in UNREAD]
        if not unread:
            self._orders.say("Only what is pending or delivered can be marked as read.", "information")
        elif self._orders.allowed():
            commands = [ReadLetter(letter_id=letter.letter_id) for letter in unread]
            self.run_worker(self._orders.give_all(commands), group="orders")
            self._letters.mark(frozenset())

    def action_write(self) -> None:
        if not self._orders.allowed():
            return
        from deia_tui.ui.dialogs.writing import Draft, WritingDialog, letter_of

        def sent(letter_id: str | None) -> None:
            if letter_id is not None:
                self._orders.say("Sent.", "information")

        draft = self._draft or Draft(to=self._partner())
        bots = sorted(self.snapshot.state.bots)
        self.app.push_screen(
            WritingDialog(
                self._orders, draft, bots, heading="New message", command=letter_of, keep=self._keep, is_task=False
            ),
            sent,
        )

    def _partner(self) -> str:
        """Whom one would answer."""
        letter = self._letters.at_cursor()
        if self._inboxes.bot_id is not None or letter is None:
            return self._inboxes.bot_id or ""
        return letter.to_bot if letter.from_bot == HUMAN else letter.from_bot

    def _keep(self, draft: "Draft") -> None:
        self._draft = draft if draft.text.strip() else None

    def _complain(self, sentence: str) -> None:
        self._orders.say(sentence, "error")
