"""What of an agent's doings goes into frames: without secrets, and no more of it than somebody would read. All texts
are data: whatever characters are in them is for those to mind who show them."""

import math
from collections.abc import Sequence
from dataclasses import replace

from deia_tui.core.redact import redact_text
from deia_tui.core.turns import Diff, PlanEntry, ToolCall, Usage

INPUT = 4 * 1024
"""Characters of a tool's input."""
OUTPUT = 16 * 1024
"""Characters of its output, or of one side of a diff."""
DIFFS = 64 * 1024
"""Characters of all its diffs."""
_LINE = 500
_ENTRIES = 100
_REDACTED = 4
"""So many times what is kept is looked through for secrets: what is hidden makes a text shorter."""
_MOST = 2**53


def brief(text: str, limit: int) -> str:
    """`text`, of which the middle is left out where it has more than `limit` characters."""
    if len(text) <= limit * _REDACTED * 2:
        shown = redact_text(text)
        if len(shown) <= limit:
            return shown
        head = tail = shown
    else:
        head, tail = redact_text(text[: limit * _REDACTED]), redact_text(text[-limit * _REDACTED :])
    ahead = limit * 3 // 4
    note = f"\n… {len(text) - limit} more characters are in the output log only …\n"
    behind = max(0, limit - ahead - len(note))
    return head[:ahead] + note + tail[len(tail) - behind :]


def line(text: str, limit: int = _LINE) -> str:
    """`text` in one line of at most `limit` characters."""
    shown = redact_text(text[: limit * _REDACTED]).strip().replace("\n", " ")
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def brief_call(call: ToolCall) -> tuple[ToolCall, bool]:
    """The call as it is shown, and whether anything was left out of it."""
    shown = replace(
        call,
        tool=line(call.tool, 100),
        title=line(call.title),
        input=brief(call.input, INPUT),
        output=brief(call.output, OUTPUT),
        diffs=_brief_diffs(call.diffs),
    )
    is_whole = len(call.input) <= INPUT and len(call.output) <= OUTPUT and _size(call.diffs) <= _size(shown.diffs)
    return shown, not is_whole


def in_full(call: ToolCall) -> str:
    """For the log: what was shortened elsewhere."""
    diffs = [f"--- {diff.path}\n{diff.old}\n+++ {diff.path}\n{diff.new}" for diff in call.diffs]
    return "\n".join([f"{call.tool} {call.title}: {call.status}", *filter(None, (call.input, call.output, *diffs))])


def brief_plan(entries: Sequence[PlanEntry]) -> tuple[PlanEntry, ...]:
    return tuple(replace(entry, content=line(entry.content)) for entry in entries[:_ENTRIES])


def sound(usage: Usage) -> Usage:
    """Figures that can be added up, whatever the agent says."""
    cost = usage.cost_usd
    return Usage(
        model=line(usage.model, 100),
        input_tokens=_count(usage.input_tokens),
        output_tokens=_count(usage.output_tokens),
        cache_read_tokens=_count(usage.cache_read_tokens),
        cache_write_tokens=_count(usage.cache_write_tokens),
        cost_usd=cost if cost is not None and math.isfinite(cost) and 0 <= cost < _MOST else None,
    )


def _count(tokens: int) -> int:
    return max(0, min(int(tokens), _MOST))


def _brief_diffs(diffs: Sequence[Diff]) -> tuple[Diff, ...]:
    shown, room = [], DIFFS
    for diff in diffs:
        if room <= 0:
            break
        short = Diff(
            path=line(diff.path), old=brief(diff.old, min(OUTPUT, room)), new=brief(diff.new, min(OUTPUT, room))
        )
        room -= _size([short])
        shown.append(short)
    return tuple(shown)


def _size(diffs: Sequence[Diff]) -> int:
    return sum(len(diff.old) + len(diff.new) + 1 for diff in diffs)
