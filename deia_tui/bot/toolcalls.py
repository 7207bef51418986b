"""The tool calls of one turn: how long each took, how often its changes are told, and that each ends with its turn."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from deia_tui.bot.shortening import brief_call, in_full, line
from deia_tui.core.turns import ToolCall

PACE_S = 0.1
"""How often a call that goes on is told of; a new status at once."""
_KNOWN = 1000
_NAME = 200
"""Characters of what an agent calls a call."""


@dataclass(slots=True)
class _Call:
    """`name` tells it apart from all others of the turn, whatever the agent calls them."""

    latest: ToolCall
    name: str
    started: float
    took_s: float | None = None
    told: ToolCall | None = None
    told_at: float = 0.0
    later: asyncio.TimerHandle | None = None
    is_logged: bool = False


class ToolCalls:
    """`tell` gets calls as they are shown, `log` the whole of those that were shortened."""

    def __init__(self, tell: Callable[[ToolCall], None], log: Callable[[str], None]) -> None:
        self._tell = tell
        self._log = log
        self._calls: dict[str, _Call] = {}
        self._begun = 0

    @property
    def under_way(self) -> bool:
        """Has one begun that has not ended?"""
        return any(known.took_s is None for known in self._calls.values())

    def change(self, call: ToolCall) -> None:
        now = asyncio.get_running_loop().time()
        known = self._calls.get(call.call_id)
        if known is None or (known.took_s is not None and call.is_open):
            known = self._begin(call, now)
        is_new = known.told is None or known.latest.status != call.status
        if call.status == "in_progress" and known.latest.status == "pending":
            known.started = now
        if not call.is_open and known.took_s is None:
            known.took_s = now - known.started
        known.latest = call
        if is_new or now - known.told_at >= PACE_S:
            self._say(known)
        elif known.later is None:
            known.later = asyncio.get_running_loop().call_at(known.told_at + PACE_S, self._say, known)

    def flush(self) -> None:
        """Say what has not been said yet."""
        for known in self._calls.values():
            if known.later:
                self._say(known)

    def finish(self) -> None:
        """The turn is over, and so is every call of it."""
        for known in list(self._calls.values()):
            self._close(known)

    def _begin(self, call: ToolCall, now: float) -> _Call:
        """One that is new; an agent may use the name of one that ended again."""
        name = line(call.call_id, _NAME)
        if name != call.call_id or name in self._calls:
            name = f"{name} ({self._begun})"
        if call.call_id in self._calls:
            self._forget(call.call_id)
        if len(self._calls) >= _KNOWN:
            ended = (call_id for call_id, known in self._calls.items() if known.took_s is not None)
            self._forget(next(ended, next(iter(self._calls))))
        self._begun += 1
        known = self._calls[call.call_id] = _Call(call, name, now)
        return known

    def _forget(self, call_id: str) -> None:
        self._close(self._calls[call_id])
        del self._calls[call_id]

    def _close(self, known: _Call) -> None:
        if known.latest.is_open:
            self.change(known.latest.closed())
        if known.later:
            self._say(known)

    def _say(self, known: _Call) -> None:
        if known.later:
            known.later.cancel()
            known.later = None
        known.told_at = asyncio.get_running_loop().time()
        shown, is_cut = brief_call(known.latest)
        took_s = None if known.took_s is None else round(known.took_s, 3)
        shown = replace(shown, call_id=known.name, duration_s=took_s)
        if is_cut and known.took_s is not None and not known.is_logged:
            known.is_logged = True
            self._log(in_full(known.latest))
            known.latest = shown
        if shown != known.told:
            known.told = shown
            self._tell(shown)
