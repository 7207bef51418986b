"""Launches bots: what, how many, and under which id; says how the agent of each stands on this machine, and stays open
with the reason when the hive refuses."""

import asyncio
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from deia_tui.core.client import HiveClient, Launchable
from deia_tui.core.commands import LaunchBots
from deia_tui.core.errors import CommandRejected, DeiaError
from deia_tui.core.text import clean
from deia_tui.ui.looks import NOT_YET
from deia_tui.ui.orders import Orders
from deia_tui.ui.widgets.entry import Entry

_NARROW = 80
"""Below it names and what they are for need all the room."""
_AGAIN_S = 0.2
"""So often a supervisor that is still starting is asked again."""


class LaunchDialog(ModalScreen[list[str]]):
    """Returns the ids of the launched bots; None when nothing was launched."""

    BINDINGS = [("escape", "cancel", "Cancel")]
    AUTO_FOCUS = "#what"

    def __init__(self, client: HiveClient, orders: Orders) -> None:
        super().__init__()
        self._client = client
        self._orders = orders
        self._what = OptionList(id="what", compact=True, markup=False)
        self._count = Entry("1", id="count", type="integer", max_length=3, compact=True)
        self._bot_id = Entry(id="bot-id", placeholder="chosen by the hive", max_length=32, compact=True)
        self._fields = (
            (Static("How many", classes="label"), self._count),
            (Static("Id", classes="label"), self._bot_id),
        )
        self._detail = Static("", markup=False, id="standing")
        self._refusal = Static("", markup=False, id="refusal")
        self._busy = False
        self._offered: Sequence[Launchable] = ()
        self._explained = ("", "")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="launch") as box:
            box.border_title = "Launch"
            box.border_subtitle = Content("enter launches, tab next field, esc cancels")
            yield self._what
            yield self._detail
            with Horizontal(classes="fields"):
                for label, entry in self._fields:
                    yield label
                    yield entry
            yield self._refusal

    def on_mount(self) -> None:
        self._accept()
        self.run_worker(self._load())

    def on_descendant_focus(self) -> None:
        for label, entry in self._fields:
            label.set_class(entry.has_focus, "-current")

    async def _load(self) -> None:
        """First what is known at once; programs take their time to tell their versions."""
        try:
            self._offer(await self._known())
            self._offer(await self._client.launchables(look=True))
        except DeiaError as error:
            self._refuse(str(error))

    async def _known(self) -> Sequence[Launchable]:
        while True:
            try:
                return await self._client.launchables()
            except CommandRejected as refusal:
                if refusal.status != NOT_YET:
                    raise
            self._detail.update("The supervisor is starting …")
            await asyncio.sleep(_AGAIN_S)

    def _offer(self, launchables: Sequence[Launchable]) -> None:
        """What can be launched stands first; what was highlighted stays so."""
        was = self._chosen()
        self._offered = sorted(launchables, key=lambda entry: bool(entry.problem))
        width = max((len(clean(entry.name)) for entry in self._offered), default=0)
        narrow = self.app.size.width < _NARROW
        self._what.clear_options()
        self._what.add_options([_option(entry, width, narrow=narrow) for entry in self._offered])
        if not self._offered:
            self._refuse("There is nothing to launch: declare an agent in .deia/hive.toml.")
            return
        same = (place for place, entry in enumerate(self._offered) if was and _key(entry) == _key(was))
        self._what.highlighted = next(same, 0)

    def _chosen(self) -> Launchable | None:
        place = self._what.highlighted
        return None if place is None else self._offered[place]

    @on(OptionList.OptionHighlighted)
    def _explain(self) -> None:
        chosen = self._chosen()
        self._detail.update(Content("") if chosen is None else _standing(chosen))
        if chosen and _key(chosen) != self._explained:  # not when the same one comes again with its version
            self._explained = _key(chosen)
            self._accept()

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _launch(self, event: OptionList.OptionSelected | Input.Submitted) -> None:
        event.stop()
        if not self._busy:
            self.run_worker(self._submit())

    @on(Input.Changed)
    def _edited(self) -> None:
        self._accept()

    async def _submit(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            self._refuse("Choose what to launch first.")
            return
        what = chosen.name
        count = int(self._count.value) if self._count.value.isdecimal() else 0
        if count < 1:
            self._refuse("How many? Give a number from 1.")
            return
        bot_id = self._bot_id.value.strip() or None
        self._busy = True
        try:
            self.dismiss(await self._orders.give(LaunchBots(what=what, count=count, bot_id=bot_id, wait=False)))
        except DeiaError as error:
            self._refuse(str(error))
        finally:
            self._busy = False

    def _refuse(self, sentence: str) -> None:
        """In the place of how things stand: a small terminal has no room for both."""
        self._refusal.update(Content(clean(sentence)))
        self._refusal.display, self._detail.display = True, False

    def _accept(self) -> None:
        self._refusal.display, self._detail.display = False, True

    def action_cancel(self) -> None:
        self.dismiss(None)


def _key(entry: Launchable) -> tuple[str, str]:
    return entry.sort, entry.name


def _option(entry: Launchable, width: int, *, narrow: bool) -> Option:
    name, sort = clean(entry.name).ljust(width), "" if narrow else f"{entry.sort.ljust(8)}  "
    ready = entry.ready
    if entry.problem:
        missing = ready is not None and ready.program and not ready.path
        known = ready is not None and ready.program == entry.name
        reason = entry.problem if not missing or ready is None else ready.standing if known else str(ready)
        return Option(Content.styled(f"{name}  {sort}{clean(reason)}", "dim"))
    summary = clean(entry.summary or (ready.standing if ready else ""))
    return Option(Content.assemble((name, "bold"), f"  {sort}", (summary, "dim")))


def _standing(entry: Launchable) -> Content:
    """How its agent stands here, and what to do about it."""
    ready = entry.ready
    if ready is None:
        return Content(clean(entry.problem))
    todo = ""
    if not ready.path and ready.install:
        todo = f"Install it: {ready.install}"
    elif entry.problem:
        todo = entry.problem
    elif ready.logged_in is False:
        todo = f"To log in, {ready.login}."
    return Content("\n".join(clean(line) for line in (str(ready), todo)))
