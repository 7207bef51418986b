"""Answers to what agents ask leave for: at once what stands there in full, everything else only after it was shown."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from textual.screen import Screen

from deia_tui.core.client import HiveClient
from deia_tui.core.commands import AnswerPermission
from deia_tui.core.turns import PermissionRequest
from deia_tui.ui import answers
from deia_tui.ui.answers import Wish
from deia_tui.ui.orders import Orders
from deia_tui.ui.theme import Glyphs


class Answering:
    """`begin` starts what takes its time; `meant` are the bots that a key is for now."""

    def __init__(
        self,
        client: HiveClient,
        orders: Orders,
        glyphs: Glyphs,
        *,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        meant: Callable[[], Collection[str]],
    ) -> None:
        self._client = client
        self._orders = orders
        self._glyphs = glyphs
        self._begin = begin
        self._meant = meant

    def answer(self, screen: Screen[Any], request: PermissionRequest | None, wish: Wish) -> None:
        """`request` is what stands there, if anything does."""
        if request is None:
            self.show(screen, None)
        elif self._orders.allowed():
            kind = answers.option(request, wish)
            if kind is None:
                self._orders.say(answers.refusal(wish), "warning")
                return
            command = AnswerPermission(request_id=request.request_id, outcome=kind)
            self._begin(self._orders.give_all([command]))

    def show(self, screen: Screen[Any], request: PermissionRequest | None, *, why: bool = False) -> None:
        """All requests, from this one on, or from the first of a bot that is meant; `why`: to deny it with a word."""
        approvals = self._client.snapshot().state.approvals
        if not approvals:
            self._orders.say("No agent asks for leave.", "information")
            return
        from deia_tui.ui.dialogs.approvals import ApprovalsDialog

        meant = self._meant()
        shown = request or next((one.request for one in approvals if one.bot_id in meant), None)
        first = shown.request_id if shown else None
        screen.app.push_screen(ApprovalsDialog(self._client, self._orders, self._glyphs, request_id=first, why=why))
