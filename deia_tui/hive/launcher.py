"""Lets at most so many bots start at the same time; the rest wait their turn, and may be withdrawn."""

from collections import OrderedDict

from deia_tui.engine.protocol import Engine, Placement


class Launcher:
    def __init__(self, engine: Engine, *, slots: int) -> None:
        self._engine = engine
        self._slots = slots
        self._starting: set[str] = set()
        self._waiting: OrderedDict[str, Placement] = OrderedDict()

    def request(self, placement: Placement) -> None:
        """Start this run as soon as there is a slot."""
        self._waiting[placement.spec.bot_id] = placement
        self._fill()

    def withdraw(self, bot_id: str) -> bool:
        """Take back a request that waits; False when the run was already placed."""
        return self._waiting.pop(bot_id, None) is not None

    def has_waiting(self, bot_id: str) -> bool:
        return bot_id in self._waiting

    def release(self, bot_id: str) -> None:
        """The bot has started, or will not."""
        self._starting.discard(bot_id)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._starting) < self._slots:
            bot_id, placement = self._waiting.popitem(last=False)
            self._starting.add(bot_id)
            self._engine.place(placement)
