"""How one bot looks as a row: which columns fit, what stands in them, and who comes first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from deia_tui.core.bots import Activity, BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.state import BotView, HiveState, Series
from deia_tui.core.text import clean
from deia_tui.core.wording import doing, waiting_for
from deia_tui.ui.theme import Glyphs, Ink, Spans
from deia_tui.ui.wrapping import cut

WARN_PERCENT, BAD_PERCENT = 60.0, 85.0
_STATE_WIDTH = 10
_NOW_ENOUGH = 30
_ID_MOST = 12
"""A task's id that is longer leaves no room for what is done."""
_NOT_MEASURED = (BotState.STOPPED, BotState.EXITED, BotState.FATAL, BotState.BACKOFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A state as glyph and word; `rank` orders by the attention it needs, `now` colours what the bot does."""

    rank: int
    glyph: str
    word: str
    ink: Ink
    id: Ink = Ink.STRONG
    agent: Ink = Ink.DIM
    now: Ink = Ink.TEXT


def look(bot: BotView, glyphs: Glyphs) -> Look:
    match bot.state:
        case BotState.FATAL:
            return Look(rank=0, glyph=glyphs.fatal, word="fatal", ink=Ink.BAD, now=Ink.BAD)
        case BotState.RUNNING if bot.activity is Activity.ASKING:
            return Look(rank=1, glyph=glyphs.asking, word="asks", ink=Ink.WARN, now=Ink.WARN)
        case BotState.BACKOFF:
            return Look(rank=2, glyph=glyphs.backoff, word="backoff", ink=Ink.WARN, now=Ink.WARN)
        case BotState.STOPPING:
            return Look(rank=3, glyph=glyphs.stopping, word="stopping", ink=Ink.WARN)
        case BotState.STARTING:
            return Look(rank=4, glyph=glyphs.starting, word="starting", ink=Ink.NEWS)
        case BotState.RUNNING if bot.activity is Activity.BUSY:
            return Look(rank=5, glyph=glyphs.busy, word="busy", ink=Ink.GOOD)
        case BotState.RUNNING:
            now = Ink.WARN if bot.breaker is not Phase.CLOSED else Ink.DIM
            return Look(rank=6, glyph=glyphs.idle, word="idle", ink=Ink.DIM, id=Ink.DIM, now=now)
        case _:
            faint = Ink.FAINT
            return Look(rank=7, glyph=glyphs.off, word=bot.state, ink=faint, id=faint, agent=faint, now=faint)


def by_attention(bots: Sequence[BotView], glyphs: Glyphs) -> list[BotView]:
    return sorted(bots, key=lambda bot: (look(bot, glyphs).rank, bot.bot_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Widths in cells; 0 drops a column."""

    cpu: int
    memory: int
    id: int
    agent: int
    now: int

    @property
    def live(self) -> int:
        """From the left edge to the last column that changes every second: mark, CPU, %, memory, MB."""
        return 1 + self.cpu + 4 + (self.memory + 1 if self.memory else 0) + 5


def fit(width: int, *, roomy: bool, longest_id: int, longest_agent: int) -> Columns:
    """The columns for `width` cells: the memory sparkline goes first, then the agent, then *now* is cut."""
    cpu, memory = (12, 8) if roomy else (8, 8)
    bot_id, agent = min(max(7, longest_id), 16), min(max(5, longest_agent), 10)

    def now(memory: int, agent: int) -> int:
        live = Columns(cpu=cpu, memory=memory, id=bot_id, agent=agent, now=0).live
        return width - live - 2 - _STATE_WIDTH - 2 - 1 - 1 - bot_id - 2 - (agent + 2 if agent else 0)

    for sparkline, shown in ((memory, agent), (0, agent), (0, 0)):
        if now(sparkline, shown) >= _NOW_ENOUGH:
            return Columns(cpu=cpu, memory=sparkline, id=bot_id, agent=shown, now=now(sparkline, shown))
    return Columns(cpu=cpu, memory=0, id=bot_id, agent=0, now=max(0, now(0, 0)))


def headings(columns: Columns) -> Spans:
    memory = "MEM".ljust(columns.memory) + " " if columns.memory else ""
    agent = f"{'AGENT'.ljust(columns.agent)}  " if columns.agent else ""
    text = (
        f" {'CPU'.ljust(columns.cpu)}   % {memory}  MB  "
        f"{'STATE'.ljust(_STATE_WIDTH)}  B {'ID'.ljust(columns.id)}  {agent}NOW"
    )
    return ((text, Ink.FAINT),)


def live_columns(bot: BotView, series: Series | None, columns: Columns, glyphs: Glyphs, *, marked: bool) -> Spans:
    """What changes every second, in few runs of colour."""
    margin = "" if marked else " "  # drawn with what follows: one run of colour less
    mark: Spans = ((glyphs.mark, Ink.NEWS),) if marked else ()
    if series is None or not series.cpu or bot.state in _NOT_MEASURED:
        return *mark, (f"{margin}{_nothing(columns, glyphs)}  ", Ink.FAINT)
    cpu, memory = series.cpu, series.memory_mb
    newest = cpu[-1]
    cpu_line = sparkline(cpu[-columns.cpu :], columns.cpu, 100.0, glyphs)
    memory_line = sparkline(_coarse(memory, columns.memory), columns.memory, bot.spec.memory_mb, glyphs)
    gap = f"{memory_line} " if columns.memory else ""
    return (
        *mark,
        (f"{margin}{cpu_line}{min(newest, 9999):4.0f} ", cpu_ink(newest)),
        (f"{gap}{_megabytes(memory[-1] if memory else 0.0)}  ", Ink.DIM),
    )


def other_columns(
    bot: BotView, state: HiveState, columns: Columns, glyphs: Glyphs, now: float, *, task_id: str = ""
) -> Spans:
    """State, breaker, id, agent and what the bot is doing at `now` (unix seconds), with the id of its task."""
    seen = look(bot, glyphs)
    agent = clean(bot.spec.template or bot.spec.agent.name)
    breaker, breaker_ink = breaker_glyph(bot.breaker, glyphs)
    text = clean(doing(bot, state, now))
    if task_id and bot.activity is not Activity.IDLE:
        text = f"{clean(task_id) if len(task_id) <= _ID_MOST else 'task'} {text}"
    troubled = bot.state is BotState.RUNNING and (bot.trouble or waiting_for(bot, state, now))
    return (
        (f"{seen.glyph} {seen.word.ljust(_STATE_WIDTH - 2)}  ", seen.ink),
        (f"{breaker} ", breaker_ink),
        (f"{cut(bot.bot_id, columns.id)}  ", seen.id),
        (f"{cut(agent, columns.agent)}  " if columns.agent else "", seen.agent),
        (cut(text, columns.now) if cell_len(text) > columns.now else text, Ink.WARN if troubled else seen.now),
    )


def cpu_ink(percent: float) -> Ink:
    if percent < 0.5:
        return Ink.DIM
    return Ink.BAD if percent >= BAD_PERCENT else Ink.WARN if percent >= WARN_PERCENT else Ink.GOOD


def breaker_glyph(phase: Phase, glyphs: Glyphs) -> tuple[str, Ink]:
    match phase:
        case Phase.OPEN:
            return glyphs.opened, Ink.BAD
        case Phase.HALF_OPEN:
            return glyphs.half_open, Ink.WARN
        case _:
            return glyphs.closed, Ink.FAINT


def sparkline(values: Sequence[float], width: int, full: float, glyphs: Glyphs) -> str:
    """The newest value on the right; nothing measured yet is a dot, zero a low line."""
    steps = len(glyphs.spark) - 1
    scale = steps / full if full > 0 else 0.0
    drawn = "".join([glyphs.spark[max(0, min(steps, round(value * scale)))] for value in values])
    return drawn.rjust(width, glyphs.no_sample) if width else ""


def matches(bot: BotView, state: HiveState, words: Sequence[str], glyphs: Glyphs, now: float) -> bool:
    """Does every word stand somewhere in what the row says?"""
    seen = look(bot, glyphs)
    agent, template = bot.spec.agent.name, bot.spec.template or ""
    text = f"{bot.bot_id} {seen.word} {bot.state} {agent} {template} {doing(bot, state, now)}".casefold()
    return all(word in text for word in words)


def _nothing(columns: Columns, glyphs: Glyphs) -> str:
    dot = glyphs.no_sample
    memory = f"{dot * columns.memory} " if columns.memory else ""
    return f"{dot * columns.cpu}   {dot} {memory}   {dot}"


def _coarse(values: Sequence[float], width: int) -> Sequence[float]:
    """The last `width` steps of five seconds: memory moves slowly."""
    steps = [max(values[max(0, end - 5) : end]) for end in range(len(values), 0, -5)][:width]
    return steps[::-1]


def _megabytes(value: float) -> str:
    return f"{value:4.0f}" if value < 9999.5 else f"{value / 1024:3.0f}G"
