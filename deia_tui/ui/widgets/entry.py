"""An input line into which nothing can be pasted that a terminal would obey; several lines become one."""

from textual import events
from textual.widgets import Input

from deia_tui.core.text import clean


class Entry(Input):
    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(clean(event.text.strip("\r\n")), *self.selection)
