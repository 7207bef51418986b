"""Makes a turn of the JSON lines a program prints, by the paths that its operator declared."""

import json
from collections.abc import Callable
from typing import Any

from deia_tui.bot.agents.protocol import Turn, TurnResult
from deia_tui.core.jsonl import Picker
from deia_tui.core.turns import Failure, Usage

MAX_LINE = 16 * 1024 * 1024
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class JsonLines:
    """The Emit of such a program. What is no JSON is a warning. `learn` says whether a conversation can be resumed."""

    def __init__(self, turn: Turn, picker: Picker, learn: Callable[[str], bool]) -> None:
        self._turn = turn
        self._picker = picker
        self._learn = learn
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_spoken = False
        self._error = ""

    def output(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._hold(line)
            self._take()
        self._hold(rest)

    def warn(self, data: bytes) -> None:
        self._turn.warn(data)

    def remark(self, sentence: str) -> None:
        self._turn.remark(sentence)

    def drop(self, count: int) -> None:
        self._turn.drop(count)

    def finish(self, result: TurnResult) -> TurnResult:
        """Take the last line, and what the lines say of how it ended."""
        self._take()
        if not self._error or result.status == "interrupted":
            return result
        return TurnResult(status="failed", error=self._error, failure=Failure.ERROR)

    def _hold(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MAX_LINE:
            self._pieces.append(data)

    def _take(self) -> None:
        line, size = b"".join(self._pieces), self._size
        self._pieces, self._size = [], 0
        if size > MAX_LINE:
            self._turn.remark(f"A line of {size} bytes was left out: no line may be longer than {MAX_LINE >> 20} MiB.")
            return
        if not line.strip():
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            self._turn.warn(line + b"\n")
            return
        self._tell(self._picker.pick(value))

    def _tell(self, found: dict[str, Any]) -> None:
        if thought := found.get("thought"):
            self._turn.thought(str(thought))
        if message := found.get("message"):
            self._say(("\n\n" if self._has_spoken else "") + str(message))
        if text := found.get("text"):
            self._say(str(text))
        if error := found.get("error"):
            self._error = str(error)
        if (session := found.get("session")) and self._learn(str(session)):
            self._turn.session(str(session))
        if any(isinstance(found.get(name), int | float) for name in (*_COUNTS, "total_input_tokens", "cost_usd")):
            self._turn.usage(_usage(found))

    def _say(self, text: str) -> None:
        self._has_spoken = True
        self._error = ""  # it went on all the same
        self._turn.output(text.encode("utf-8", "replace"))


def _usage(found: dict[str, Any]) -> Usage:
    counts = {name: _number(found.get(name)) for name in _COUNTS}
    if "total_input_tokens" in found:
        counts["input_tokens"] = _number(found["total_input_tokens"]) - counts["cache_read_tokens"]
    cost = found.get("cost_usd")
    return Usage(
        model=str(found.get("model", "")),
        **{name: int(count) for name, count in counts.items()},
        cost_usd=float(cost) if isinstance(cost, int | float) else None,
    )


def _number(value: Any) -> float:
    """Counts are whole; JSON has NaN and infinity as well."""
    return value if isinstance(value, int | float) and -(2.0**53) < value < 2.0**53 else 0
