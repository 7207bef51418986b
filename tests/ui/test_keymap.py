"""The table of keys: none means two things in one place, and each does something there."""

from collections import Counter
from typing import get_args

import pytest

from deia_tui.ui import keymap
from deia_tui.ui.dialogs.help import HelpOverlay
from deia_tui.ui.keys import ModeName
from deia_tui.ui.modes.hive import HiveMode
from deia_tui.ui.modes.messages import MessagesMode
from deia_tui.ui.modes.mode import Mode
from deia_tui.ui.modes.work import WorkMode
from deia_tui.ui.screen import ConsoleScreen
from deia_tui.ui.theme import UNICODE

MODES: dict[ModeName, type[Mode]] = {"hive": HiveMode, "work": WorkMode, "messages": MessagesMode}


@pytest.mark.parametrize("mode", get_args(ModeName))
def test_a_key_means_one_thing_in_a_mode(mode: ModeName) -> None:
    used = Counter(
        name for key in keymap.KEYS if key.where in ("console", "mode", "list", mode) for name in key.keys.split(",")
    )
    assert [name for name, times in used.items() if times > 1] == []


def test_every_key_has_an_id_of_its_own() -> None:
    assert len({key.id for key in keymap.KEYS}) == len(keymap.KEYS)


def test_every_action_exists_where_its_key_is_bound() -> None:
    for key in keymap.KEYS:
        name = f"action_{key.action.partition('(')[0]}"
        if key.where == "console":
            assert hasattr(ConsoleScreen, name), key.id
        elif key.where == "mode":
            assert all(hasattr(mode, name) for mode in MODES.values()), key.id
        elif key.where in MODES:
            assert hasattr(MODES[key.where], name), key.id


@pytest.mark.parametrize("mode", get_args(ModeName))
def test_every_pane_has_help_and_a_way_out_at_the_bottom(mode: ModeName) -> None:
    names = {"hive": ("bots", "chat", "log", "alerts"), "work": ("tasks", "task")}.get(
        mode, ("letters", "letter", "inboxes")
    )
    for pane in names:
        assert {"app.help", "app.quit"} <= {key.id for key in keymap.footer(pane, usable=())}
        assert HelpOverlay(mode, pane, UNICODE)
