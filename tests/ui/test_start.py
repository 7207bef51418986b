"""What happens before and at the first frame."""

import subprocess
import sys

import pytest

from deia_tui.ui.terminal import prepare_environment, wants_ascii
from tests.ui.screens import shown
from tests.ui.scripted import ScriptedHive


def test_an_ssh_line_gets_the_quiet_profile_and_what_is_set_stays() -> None:
    environ = {"SSH_CONNECTION": "1", "TEXTUAL_FPS": "15"}
    assert prepare_environment(environ)
    assert environ["TEXTUAL_ANIMATIONS"] == "none"
    assert environ["TEXTUAL_FPS"] == "15"
    local: dict[str, str] = {}
    assert not prepare_environment(local)
    assert local == {"TEXTUAL_FPS": "120"}


@pytest.mark.parametrize(
    ("environ", "ascii"),
    [({"LANG": "C.UTF-8"}, False), ({"LANG": "de_DE.ISO-8859-1"}, True), ({"TERM": "linux"}, True), ({}, False)],
)
def test_which_terminals_get_ascii(environ: dict[str, str], ascii: bool) -> None:
    assert wants_ascii(environ) is ascii


def test_nothing_heavy_is_imported_before_the_first_paint() -> None:
    heavy = (
        "deia_tui.ui.modes.work",
        "deia_tui.ui.modes.messages",
        "markdown_it",
        "textual.widgets._markdown",
        "textual.widgets._text_area",
        "fastapi",
        "pydantic",
        "sqlite3",
    )
    code = f"import sys, deia_tui.console, deia_tui.ui.app; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_terminal_profile_needs_no_textual() -> None:
    code = "import sys, deia_tui.ui.terminal; print('textual' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


async def test_a_state_that_was_there_before_is_on_the_first_screen() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    hive.alert("BOT-001", "old alert")
    async with shown(hive) as screen:
        await screen.sees("BOT-001", "old alert")
        assert not len(screen.app._notifications)
