"""Titles in borders: never markup, and no repaint when they stay as they are."""

from textual.content import Content
from textual.widget import Widget

from deia_tui.core.text import clean
from deia_tui.ui.theme import Glyphs


def entitle(widget: Widget, glyphs: Glyphs, *, title: str | None = None, subtitle: str | None = None) -> None:
    if title is not None and widget.border_title != (wanted := Content(glyphs.plain(clean(title)))).markup:
        widget.border_title = wanted
    if subtitle is not None and widget.border_subtitle != (wanted := Content(glyphs.plain(clean(subtitle)))).markup:
        widget.border_subtitle = wanted
