"""How the parts of a turn beside its text look: tools and thoughts in one line until somebody opens them, plans, diffs,
requests for leave with the keys that answer them, and what it all cost."""

import time
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from deia_tui.core.conversation import Leave, Plan, Thought, Used
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.turns import Failure, StopReason, ToolCall, Usage
from deia_tui.core.wording import wanted
from deia_tui.ui import answers, diffs
from deia_tui.ui.theme import Glyphs, Ink, Span, Spans
from deia_tui.ui.wrapping import cut, wrap

MAX_LINES = 400
"""Of one text of a tool; the bot has shortened it already."""
_FEW = 8
"""Lines of a diff that are shown without being asked for."""


def indented(text: str, width: int, ink: Ink) -> list[Spans]:
    """At most MAX_LINES of a text below the line it belongs to."""
    logical = clean_lines(text).rstrip("\n").split("\n")
    lines = [line for part in logical[:MAX_LINES] for line in wrap(part, width - 4)][:MAX_LINES]
    left = len(logical) - MAX_LINES
    note: list[Spans] = [((f"    … {left} more lines", Ink.FAINT),)] if left > 0 else []
    return [*((("    " + line, ink),) for line in lines), *note]


def fold_line(glyphs: Glyphs, width: int, spans: Spans, *, is_open: bool) -> Spans:
    """The line that opens and folds what is below it."""
    room = width - 2
    fitting: list[Span] = []
    for text, ink in spans:
        shown = text if cell_len(text) <= room else cut(text, max(0, room))
        fitting.append((shown, ink))
        room -= cell_len(shown)
    return ((f"{glyphs.opened_up if is_open else glyphs.folded} ", Ink.FAINT), *fitting)


def thought(part: Thought, glyphs: Glyphs, width: int, *, is_open: bool, going_on: bool) -> list[Spans]:
    text = str(part)
    lines = clean_lines(text).strip("\n").split("\n")
    took = f" · {seconds(part.took_s)}" if part.took_s >= 1 and not going_on else ""
    count = f"{took} · {len(lines)} line{'' if len(lines) == 1 else 's'}"
    now = f"  {lines[-1].strip()}" if going_on and not is_open else ""
    head: Spans = ((f"{'thinking…' if going_on else 'thought'}{count}{now}", Ink.DIM),)
    below = indented(text, width, Ink.DIM) if is_open else []
    return [fold_line(glyphs, width, head, is_open=is_open), *below]


def tool(call: ToolCall, glyphs: Glyphs, width: int, *, is_open: bool) -> list[Spans]:
    glyph, word, ink = _status(call, glyphs)
    ended = call.status in ("completed", "failed")
    took = f" · {seconds(call.duration_s)}" if ended and call.duration_s is not None else ""
    title = clean(call.title)
    name = "" if title.startswith(call.tool) else f"{clean(call.tool)}  "
    came, went = (sum(count) for count in zip((0, 0), *map(diffs.counts, call.diffs), strict=True))
    changed: Spans = ((f" +{came}", Ink.GOOD), (f" -{went}", Ink.BAD)) if call.diffs else ()
    status: Spans = ((f"{glyph} {word.ljust(7)} ", ink), (name, Ink.STRONG))
    tail = cell_len(took) + sum(len(text) for text, _ in changed)
    room = width - 2 - sum(cell_len(text) for text, _ in status) - tail
    head = (*status, (title if cell_len(title) <= room else cut(title, max(4, room)), Ink.TEXT), *changed)
    lines = [fold_line(glyphs, width, (*head, (took, Ink.DIM)), is_open=is_open)]
    if is_open and call.input:
        lines += indented(call.input, width, Ink.DIM)
    lines += [line for diff in call.diffs for line in _diff(diff.path, diffs.changes(diff), width, is_open=is_open)]
    if is_open and call.output:
        lines += indented(call.output, width, Ink.TEXT)
    return lines


def _status(call: ToolCall, glyphs: Glyphs) -> tuple[str, str, Ink]:
    match call.status:
        case "pending":
            return glyphs.idle, "waiting", Ink.DIM
        case "in_progress":
            return glyphs.busy, "running", Ink.NEWS
        case "failed":
            return glyphs.fatal, "failed", Ink.BAD
        case _:
            return glyphs.cleared, "done", Ink.GOOD


def _diff(path: str, lines: Sequence[diffs.Change], width: int, *, is_open: bool) -> Iterator[Spans]:
    shown = lines[: MAX_LINES if is_open else _FEW] if is_open or len(lines) <= _FEW else lines[: _FEW - 1]
    yield ((f"    {cut(clean(path), min(width - 4, cell_len(clean(path))))}", Ink.DIM),)
    for text, ink in shown:
        yield ((f"    {cut(text, max(2, width - 4)).rstrip()}", ink),)
    if len(lines) > len(shown):
        yield ((f"    … {len(lines) - len(shown)} more lines", Ink.FAINT),)


def plan(part: Plan, width: int) -> list[Spans]:
    done = sum(entry.status == "completed" for entry in part.entries)
    lines: list[Spans] = [((f"plan · {done} of {len(part.entries)} done", Ink.DIM),)]
    for entry in part.entries[:MAX_LINES]:
        box, ink = _BOXES[entry.status]
        first, *more = wrap(clean(entry.content), width - 4)
        lines.append(((f"  {box} ", ink), (first, ink)))
        lines += [((f"    {line}", ink),) for line in more]
    return lines


_BOXES: dict[str, tuple[str, Ink]] = {
    "pending": ("☐", Ink.DIM),
    "in_progress": ("◐", Ink.NEWS),
    "completed": ("☑", Ink.GOOD),
}


def leave(part: Leave, glyphs: Glyphs, width: int, *, is_open: bool, in_time: bool, how: str = "") -> list[Spans]:
    """A request that waits, with its keys (or `how` else it is answered) and the time that is left, if it is still
    `in_time`; or how it ended."""
    what = clean(wanted(part.request))
    if part.outcome is not None or not in_time:
        ended = _OUTCOMES[part.outcome or "cancelled"]
        by = f" by {clean(part.by)}" if part.by and part.by != "human" else ""
        note = f": {clean(part.note)}" if part.note else ""
        glyph = glyphs.cleared if (part.outcome or "").startswith("allow") else glyphs.fatal
        over: Spans = ((f"{glyph} {ended}{by}{note}  {what}", Ink.DIM),)
        return [fold_line(glyphs, width, over, is_open=is_open), *_input(part, width, Ink.DIM, is_open)]
    left = max(0.0, part.expires_at - time.time())
    head: Spans = ((f"{glyphs.asking} asks  ", Ink.WARN), (what, Ink.STRONG))
    keys = f"{how or answers.keys(part.request)} · {minutes(left)} left"
    lines = [fold_line(glyphs, width, head, is_open=is_open), *_input(part, width, Ink.TEXT, is_open)]
    return [*lines, *(((f"    {line}", Ink.NEWS),) for line in wrap(keys, width - 4))]


def _input(part: Leave, width: int, ink: Ink, is_open: bool) -> list[Spans]:
    """All of it if somebody wants to see it; of one that waits its beginning anyway."""
    if is_open:
        return indented(part.request.input, width, ink)
    lines = indented(part.request.input, width, ink) if part.outcome is None else []
    more: list[Spans] = [((f"    … {len(lines) - _FEW} more lines: o opens them", Ink.WARN),)]
    return lines if len(lines) <= _FEW else [*lines[:_FEW], *more]


_OUTCOMES = {
    "allow_once": "allowed once",
    "allow_always": "allowed always",
    "reject_once": "denied",
    "reject_always": "denied always",
    "cancelled": "not answered",
    "expired": "denied: nobody answered",
}


# The end of a turn

ADVICE: dict[Failure, str] = {
    Failure.AUTHENTICATION: "Not logged in, or the key is not valid: log this agent in, then r starts it again.",
    Failure.OVERLOAD: "Its provider is overloaded: all bots of that provider pause until it is over.",
    Failure.OUTAGE: "Its provider or its program broke down: it may work the next time.",
    Failure.REQUEST: "The message itself was refused: change it, the agent is well.",
    Failure.BUDGET: "What it may spend is spent: wait for the next day (UTC), raise budget_usd, or buy credit; then r.",
}
_REASONS: dict[StopReason, str] = {
    "max_tokens": "cut off: it reached its limit of tokens",
    "max_turn_requests": "cut off: it reached its limit of requests",
    "refusal": "it refused to answer",
}


def end(used: Used | None, stop_reason: StopReason, took_s: float | None, width: int) -> list[Spans]:
    """What a turn used, and why it ended where that is not plain."""
    lines: list[Spans] = []
    if reason := _REASONS.get(stop_reason):
        lines += [((line, Ink.WARN),) for line in wrap(reason, width)]
    if used is not None:
        took = [] if took_s is None else [seconds(took_s)]
        model = [clean(used.usage.model)] if used.usage.model else []
        text = " · ".join([*_tokens(used.usage), *_cost(used), *took, *model])
        lines += [((line, Ink.FAINT),) for line in wrap(text, width)]
    return lines


def _tokens(usage: Usage) -> list[str]:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    parts = [f"{_count(usage.input_tokens)} tokens in", f"{_count(usage.output_tokens)} out"]
    return [*parts, f"{_count(cached)} cached"] if cached else parts


def _cost(used: Used) -> list[str]:
    if used.cost_usd is None:
        return ["price unknown"]
    return [f"${used.cost_usd:.4f}{'' if used.all_priced else ' and more'}"]


def _count(number: int) -> str:
    """'950', '12.3k', '4.5M'."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 999_950 else f"{number / 1e6:.1f}M"


def seconds(value: float) -> str:
    """'0.4 s', '12 s', '4:05'."""
    if value < 9.95:
        return f"{value:.1f} s"
    return minutes(value)


def minutes(value: float) -> str:
    """'4:05', or '12 s' below a minute."""
    whole = max(0, round(value))
    return f"{whole // 60}:{whole % 60:02d}" if whole >= 60 else f"{whole} s"
