"""The dialog for a new task: whom it is for, what is sent, what is kept when it is not."""

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core.work.tasks import TaskType
from tests.ui.screens import shown
from tests.ui.scripted import ScriptedHive


def one_bot() -> ScriptedHive:
    hive = ScriptedHive()
    hive.run("BOT-001")
    return hive


async def test_a_new_task_is_for_the_selected_bot() -> None:
    async with shown(one_bot()) as screen:
        await screen.press("t")
        await screen.sees("New task", "BOT-001", "auto")
        await screen.press(*"tea", "enter", *"hot", "ctrl+s")
        await screen.gave(cmd.AddTask(text="tea\nhot", to="BOT-001"))
        await screen.sees("Queued T-")


async def test_everything_of_a_task_can_be_said_without_a_chord() -> None:
    async with shown(one_bot()) as screen:
        await screen.press("w")
        await screen.sees("No work yet – press t for a new task")
        await screen.press("t")
        await screen.sees("New task", "anyone")
        await screen.press(*"make it", "tab", *"bot-001", "tab", "1", "tab", *"d", "tab", *"T-1 T-2", "enter")
        await screen.press("shift+tab", "shift+tab", "shift+tab", "shift+tab", "shift+tab", "shift+tab", *"title")
        await screen.press(*["tab"] * 7, "enter")
        await screen.gave(
            cmd.AddTask(
                text="make it",
                title="title",
                to="BOT-001",
                priority=1,
                task_type=TaskType.DOCUMENTATION,
                after=("T-1", "T-2"),
            )
        )
        await screen.sees("Task · T-")


async def test_a_refused_task_is_kept_and_says_when_to_come_back() -> None:
    hive = one_bot()
    hive.busy_s = 12.2
    async with shown(hive) as screen:
        await screen.press("t", *"tea", "ctrl+s")
        await screen.sees("Bot busy, please wait. Try again in 13 s.", "tea")
        await screen.press("escape")
        await screen.misses("New task")
        await screen.press("t")
        await screen.sees("tea")
        hive.busy_s = None
        await screen.press("ctrl+s")
        await screen.gave(cmd.AddTask(text="tea", to="BOT-001"))
        await screen.misses("New task")
        await screen.press("t")
        await screen.sees("New task")
        assert not any(line.strip(" │") == "tea" for line in screen.lines())


async def test_an_empty_task_is_none() -> None:
    hive = one_bot()
    async with shown(hive) as screen:
        await screen.press("t", "ctrl+s")
        await screen.sees("Write first what is to be done.")
        assert not hive.given


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_a_small_terminal_shows_the_whole_dialog(size: tuple[int, int]) -> None:
    async with shown(one_bot(), size=size) as screen:
        await screen.press("t")
        await screen.sees("Title", "To", "Priority", "Type", "After", "Send")


async def test_the_name_of_a_bot_is_completed() -> None:
    async with shown(one_bot()) as screen:
        await screen.press("w", "t", *"tea", "tab", *"bot")
        await screen.sees("bot-001")
        await screen.press("right", "ctrl+s")
        await screen.gave(cmd.AddTask(text="tea", to="BOT-001"))
