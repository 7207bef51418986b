"""What the commands print, beside what a hive has to say."""

import time
from datetime import datetime

from deia_tui.cli import event_line
from deia_tui.core import events as ev
from tests.cli.conftest import Operator


def test_help_tells_the_exit_codes(operator: Operator) -> None:
    shown = " ".join(operator.ok("--help").split())
    assert "Exit codes: 0 done, 1 it failed, 2 wrong usage or settings, 3 no supervisor runs." in shown


def test_an_event_of_another_day_has_its_date() -> None:
    long_ago = datetime(2025, 10, 24, 14, 56, 4).timestamp()
    assert event_line(ev.BotReady(at=long_ago, bot_id="B", run=1)).startswith("2025-10-24 14:56:04 B ")
    said = ev.OutputAdded(at=long_ago, bot_id="B", message_id="m", run=1, source_seq=1, text="a\nb")
    assert event_line(said) == "2025-10-24 14:56:04 B │ a\n2025-10-24 14:56:04 B │ b"


def test_an_event_of_today_has_the_time_alone() -> None:
    while True:
        today, line = datetime.now().date(), event_line(ev.BotReady(at=time.time(), bot_id="B", run=1))
        if datetime.now().date() == today:  # and not midnight meanwhile
            break
    assert line[2] == line[5] == ":"
