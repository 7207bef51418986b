"""The mean of a measure over a span of time, known once the span is full."""

from collections import deque


class Average:
    """Of values that are added in the order of time; times are seconds on one clock, passed in."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._values: deque[tuple[float, float]] = deque()
        self._since: float | None = None

    def add(self, now: float, value: float) -> None:
        if self._since is None:
            self._since = now
        self._values.append((now, value))
        while self._values[0][0] <= now - self._span_s:
            self._values.popleft()

    def over(self, now: float) -> float | None:
        """The mean of what was added in the last `span_s`; None before so much time has passed."""
        recent = [value for at, value in self._values if at > now - self._span_s]
        is_full = self._since is not None and now - self._since >= self._span_s
        return sum(recent) / len(recent) if recent and is_full else None
