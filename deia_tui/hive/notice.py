"""One alert of the whole hive, which stands as long as something is wrong and is told again when that changes."""

import contextlib
from typing import Literal

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.errors import StoreError
from deia_tui.hive.record import Record


class Notice:
    def __init__(
        self, record: Record, kind: str, level: Literal["critical", "warning", "info"], *, action: str, over: str
    ) -> None:
        """`over` is said when nothing is wrong any more. What a former supervisor said stands until then."""
        self._record = record
        self._kind = kind
        self._level: Literal["critical", "warning", "info"] = level
        self._action = action
        self._over = over

    async def say(self, text: str) -> None:
        """What is wrong, or "". Where the store cannot take it, it is told with the next call."""
        open_ones = (alert for alert in self._record.state.alerts if alert.cleared_at is None)
        told = next((alert.text for alert in open_ones if (alert.bot_id, alert.kind) == (None, self._kind)), "")
        if text == told:
            return
        wish = Raise(None, self._kind, self._level, text, self._action) if text else Clear(None, self._kind, self._over)
        with contextlib.suppress(StoreError):
            await self._record.alert([wish])
