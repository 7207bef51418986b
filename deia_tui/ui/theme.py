"""Colours and glyphs: inks are names for what a piece of text means, a palette turns them into styles of a theme."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from rich.style import Style
from textual.color import Color


class Ink(Enum):
    """What a piece of text means; its value is (theme colour, opacity, weight)."""

    TEXT = ("foreground", 1.0, "")
    STRONG = ("foreground", 1.0, "bold")
    EMPHASIS = ("foreground", 1.0, "italic")
    DIM = ("foreground", 0.55, "")
    FAINT = ("foreground", 0.32, "")
    TRACK = ("foreground", 0.22, "")
    GOOD = ("success", 1.0, "")
    WARN = ("warning", 1.0, "")
    BAD = ("error", 1.0, "")
    NEWS = ("accent", 1.0, "")
    BRAND = ("accent", 1.0, "bold")
    YOU = ("secondary", 1.0, "bold")
    BOT = ("primary", 1.0, "bold")
    CODE = ("secondary", 1.0, "")
    HEADING = ("primary", 0.9, "bold")
    CURRENT = ("primary", 1.0, "reverse")


class Ground(Enum):
    """What a line stands on; its value is (tint, opacity) over the background, or over the panel for a bar."""

    PANE = ("background", 1.0)
    CURSOR = ("primary", 0.28)
    BLURRED = ("foreground", 0.08)
    BAR = ("panel", 1.0)


Span = tuple[str, Ink]
Spans = tuple[Span, ...]


class Palette:
    """The styles of one theme; in ANSI themes, which cannot be mixed, opacity becomes `dim` and the cursor reverse."""

    def __init__(self, colors: Mapping[str, str], *, reverse_cursor: bool) -> None:
        self.ansi = Color.parse(colors["background"]).ansi is not None
        self._colors = {name: Color.parse(value) for name, value in colors.items()}
        self._reverse = reverse_cursor or self.ansi
        self._styles = {(ink, ground): self._mix(ink, ground) for ink in Ink for ground in Ground}
        self.selection = Style(reverse=True)

    def style(self, ink: Ink, ground: Ground = Ground.PANE) -> Style:
        return self._styles[ink, ground]

    def _mix(self, ink: Ink, ground: Ground) -> Style:
        name, opacity, weight = ink.value
        color = self._colors[name]
        weights = Style(bold=weight == "bold" or None, italic=weight == "italic" or None)
        if weight == "reverse" or (self._reverse and ground is Ground.CURSOR):
            weights += Style(reverse=True)
        if self.ansi and ground is Ground.CURSOR:
            return weights
        if self.ansi:
            return Style(color=color.rich_color, dim=opacity < 1 or None) + weights
        back = self._ground(ground)
        mixed = back.blend(color, opacity) if opacity < 1 else color
        return Style(color=mixed.rich_color, bgcolor=back.rich_color) + weights

    def _ground(self, ground: Ground) -> Color:
        name, opacity = ground.value
        background = self._colors["background"]
        return background if name == "background" else background.blend(self._colors[name], opacity)


_USED = ("foreground", "background", "panel", "primary", "secondary", "accent", "success", "warning", "error")


def palette(variables: Mapping[str, str], *, few_colors: bool) -> Palette:
    """The palette of a theme, from its resolved CSS variables; `few_colors` where a tinted cursor would not be seen."""
    return _palette(tuple((name, variables[name]) for name in _USED), few_colors)


@lru_cache(maxsize=8)
def _palette(colors: tuple[tuple[str, str], ...], few_colors: bool) -> Palette:
    return Palette(dict(colors), reverse_cursor=few_colors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters of the screen that are not text, each one cell wide."""

    spark: str
    no_sample: str
    fatal: str
    asking: str
    backoff: str
    stopping: str
    starting: str
    busy: str
    idle: str
    off: str
    closed: str
    opened: str
    half_open: str
    critical: str
    warning: str
    info: str
    cleared: str
    mark: str
    thumb: str
    enter: str
    line_break: str
    folded: str
    opened_up: str
    words: Mapping[int, str]

    def plain(self, text: str) -> str:
        """Any text in the characters of this set, what it lacks as '?'."""
        return text.translate(self.words).encode("ascii", "replace").decode() if self.words else text


UNICODE = Glyphs(
    spark="▁▂▃▄▅▆▇█",
    no_sample="·",
    fatal="✖",
    asking="?",
    backoff="↻",
    stopping="◌",
    starting="◐",
    busy="●",
    idle="○",
    off="□",
    closed="─",
    opened="⊘",
    half_open="◐",
    critical="✖",
    warning="▲",
    info="·",
    cleared="✓",
    mark="▌",
    thumb="▐",
    enter="⏎",
    line_break="⏎",
    folded="▸",
    opened_up="▾",
    words={},
)

ASCII = Glyphs(
    spark="_.:-=+*#",
    no_sample=".",
    fatal="X",
    asking="?",
    backoff="@",
    stopping="v",
    starting="^",
    busy="*",
    idle="o",
    off="-",
    closed="-",
    opened="0",
    half_open="/",
    critical="X",
    warning="!",
    info="i",
    cleared="v",
    mark=">",
    thumb="#",
    enter="RET",
    line_break="~",
    folded="+",
    opened_up="-",
    words=str.maketrans(
        {"·": "-", "…": ".", "–": "-", "—": "-", "→": ">", "×": "x", "⏎": "RET", "⇧": "shift+", "↑": "^", "↓": "v"}
        | {"•": "*", "│": "|", "─": "-", "┼": "+", "☐": "[ ]", "◐": "[~]", "☑": "[x]"}
    ),
)
