"""Odd patterns in the choices of the scheduler: a bot that gets nothing though it could, and confidence that drifts
away from what comes true."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.scheduling.performance import Performance, SchedulingPolicy
from deia_tui.core.scheduling.reasons import lasting, record
from deia_tui.core.state import HiveState

_FEW = 10
"""Of fewer results nobody can say whether confidence drifts."""
_KINDS = ("starved", "drift")


@dataclass(frozen=True, slots=True)
class Oddity:
    bot_id: str
    kind: Literal["starved", "drift"]
    text: str


@dataclass(slots=True)
class _Share:
    """Since when a bot contends in vain, and how often it did."""

    since: float
    passed_over: int = 0


class Shares:
    """Who gets tasks of those that contend for them."""

    def __init__(self, policy: SchedulingPolicy) -> None:
        self._policy = policy
        self._in_vain: dict[str, _Share] = {}

    def note(self, chosen: str, contenders: Collection[str], now: float) -> None:
        """`chosen` got a task for which all `contenders` were considered."""
        self._in_vain.pop(chosen, None)
        for bot_id in contenders:
            if bot_id != chosen:
                self._in_vain.setdefault(bot_id, _Share(now)).passed_over += 1

    def starved(self, totals: Mapping[str, Performance], now: float) -> Iterator[Oddity]:
        """Of the bots in `totals`, which tells how they did."""
        for bot_id in sorted(self._in_vain.keys() & totals.keys()):
            share = self._in_vain[bot_id]
            waits_s = now - share.since
            if waits_s >= self._policy.starved_s and share.passed_over >= self._policy.starved_choices:
                known = totals[bot_id]
                did = record(known) if known.samples else "it has done none yet"
                text = f"got none of {share.passed_over} tasks in {lasting(waits_s)} though it could: {did}"
                yield Oddity(bot_id, "starved", text)


def drifting(totals: Mapping[str, Performance], policy: SchedulingPolicy) -> Iterator[Oddity]:
    """Bots of which something else came true lately than was expected."""
    for bot_id, known in sorted(totals.items()):
        if known.samples >= _FEW and abs(known.expected - known.success_rate) >= policy.drift:
            what = f"{known.expected:.0%} success was expected lately, {known.success_rate:.0%} came true"
            yield Oddity(bot_id, "drift", what)


_ACTIONS = {
    "starved": "see 'deia-tui task stats'; 'deia-tui task forget' has it tried anew",
    "drift": "see what changed: its model, its tools, its tasks",
}


def alarms(found: Collection[Oddity], state: HiveState) -> Iterator[Raise | Clear]:
    """What to tell of oddities that are new, and of those that are over."""
    known = {(one.bot_id, one.kind) for one in state.alerts if one.kind in _KINDS and one.cleared_at is None}
    now = {(one.bot_id, one.kind) for one in found}
    for one in found:
        if (one.bot_id, one.kind) not in known:
            yield Raise(one.bot_id, one.kind, "info", one.text, _ACTIONS[one.kind])
    for bot_id, kind in sorted(known - now, key=str):
        yield Clear(bot_id, kind, "gets tasks again" if kind == "starved" else "comes true again")
