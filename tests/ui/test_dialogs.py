"""Launching, killing, leaving: what is asked, what is submitted, what is refused."""

from dataclasses import replace
from typing import Literal

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core.client import Launchable
from deia_tui.core.programs import Readiness
from deia_tui.ui.app import ConsoleOptions, Leaving
from deia_tui.ui.orders import READ_ONLY
from tests.ui.screens import shown
from tests.ui.scripted import ScriptedHive


def one_bot() -> ScriptedHive:
    hive = ScriptedHive()
    hive.run("BOT-001")
    return hive


async def test_launching_submits_what_was_chosen() -> None:
    hive = ScriptedHive()
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("runs command lines", "counts lines all day")
        await screen.press("down", "down", "tab", "backspace")
        await screen.write("3")
        await screen.press("enter")
        await screen.gave(cmd.LaunchBots(what="worker", count=3, bot_id=None, wait=False))
        await screen.sees("BOT-001", "BOT-003")
        await screen.misses("How many")


async def test_a_dialog_that_opens_before_the_supervisor_did_waits_for_it() -> None:
    async with shown(ScriptedHive(opened=False)) as screen:
        await screen.misses("healthy")
        await screen.press("l")
        await screen.sees("The supervisor is starting")
        screen.hive.open()
        await screen.sees("runs command lines")


async def test_a_refused_launch_keeps_the_dialog_open_with_the_reason() -> None:
    hive = one_bot()
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("runs command lines")
        await screen.press("tab", "tab")
        await screen.write("BOT-001")
        await screen.press("enter")
        await screen.sees("BOT-001 runs already (pid", "How many")
        await screen.press("end", "backspace")
        await screen.write("7")
        await screen.press("enter")
        await screen.gave(cmd.LaunchBots(what="shell", count=1, bot_id="BOT-007", wait=False))


async def test_what_cannot_be_launched_says_why() -> None:
    async with shown(ScriptedHive()) as screen:
        await screen.press("l")
        await screen.sees("The program 'gemini' is not on PATH: install it.")
        await screen.press("down", "down", "enter")
        await screen.until(lambda: screen.hive.given)
        assert isinstance(screen.hive.given[0], cmd.LaunchBots)
        assert screen.hive.given[0].what != "gemini"


async def test_what_can_be_launched_stands_first() -> None:
    hive = ScriptedHive()
    hive.offered = hive.offered[::-1]
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("is not on PATH")
        lines = screen.lines()
        places = [next(place for place, line in enumerate(lines) if word in line) for word in ("counts", "on PATH")]
        assert places == sorted(places)


CLAUDE = Readiness(agent="claude", program="claude", login="run 'claude' and '/login' there", install="npm i claude")
HERE = replace(CLAUDE, path="/bin/claude", logged_in=False)


def offer(name: str, ready: Readiness, sort: Literal["template", "agent", "bot"] = "agent") -> Launchable:
    problem = "" if ready.path else "'claude', the program of agent 'claude', is not on PATH."
    return Launchable(name=name, kind="claude", summary="thinks", problem=problem, sort=sort, ready=ready)


async def test_the_selected_one_says_how_its_agent_stands_and_what_to_do() -> None:
    hive = ScriptedHive()
    hive.offered = [offer("thinker", CLAUDE, "template"), offer("mine", HERE), *hive.offered[:1]]
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("claude of unknown version, not logged in", "To log in, run 'claude' and '/login' there.")
        await screen.sees("thinker  template  claude is not installed")
        await screen.press("down", "down")
        await screen.sees("Install it: npm i claude")
        await screen.misses("To log in")


async def test_what_programs_say_of_themselves_comes_when_it_comes_and_moves_nothing() -> None:
    hive = ScriptedHive()
    hive.offered = [offer("a", HERE), offer("b", HERE)]
    hive.looked = [
        offer("a", CLAUDE),
        offer("b", replace(HERE, version="2.1.9", tested=True, logged_in=True, login="KEY")),
    ]
    hive.may_look.clear()
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("claude of unknown version, not logged in")
        await screen.press("down", "tab")
        await screen.write("2")
        hive.may_look.set()
        await screen.sees("claude 2.1.9 (tested), logged in (KEY)", "a  agent     claude is not installed")
        await screen.press("enter")
        await screen.gave(cmd.LaunchBots(what="b", count=2, bot_id=None, wait=False))


async def test_declared_bots_are_offered_too() -> None:
    hive = ScriptedHive()
    hive.offered = [offer("SCOUT", HERE, "bot")]
    async with shown(hive) as screen:
        await screen.press("l")
        await screen.sees("SCOUT  bot")
        await screen.press("enter")
        await screen.gave(cmd.LaunchBots(what="SCOUT", count=1, bot_id=None, wait=False))


async def test_killing_asks_with_the_name_and_cancel_is_the_answer_of_enter() -> None:
    hive = one_bot()
    async with shown(hive) as screen:
        await screen.press("K")
        await screen.sees("Kill BOT-001?")
        await screen.press("enter")
        await screen.misses("Kill BOT-001?")
        assert not hive.given
        await screen.press("K")
        await screen.sees("Kill BOT-001?")
        await screen.press("right", "enter")
        await screen.gave(cmd.KillBot(bot_id="BOT-001"))


async def test_without_a_live_bot_q_leaves_at_once() -> None:
    async with shown(ScriptedHive()) as screen:
        await screen.press("q")
        assert await screen.left() is Leaving.LEAVE


@pytest.mark.parametrize(
    ("keys", "leaving"),
    [(("enter",), Leaving.BACKGROUND), (("j", "enter"), Leaving.LEAVE), (("j", "j", "enter"), Leaving.STOP)],
)
async def test_quitting_asks_what_becomes_of_the_bots(keys: tuple[str, ...], leaving: Leaving) -> None:
    hive = one_bot()
    async with shown(hive) as screen:
        await screen.press("q")
        await screen.sees("Stop all bots", "Leave them running", "Keep supervising in the background")
        await screen.press(*keys)
        assert await screen.left() is leaving
        assert (cmd.StopAll() in hive.given) == (leaving is Leaving.STOP)


@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q"])
async def test_control_keys_ask_too_even_while_writing(key: str) -> None:
    async with shown(one_bot()) as screen:
        await screen.press("enter", key)
        await screen.sees("Stop all bots")
        await screen.press("escape")
        await screen.misses("Stop all bots")
        assert not screen.app._exit


async def test_help_begins_with_the_focused_pane() -> None:
    async with shown(one_bot()) as screen:
        await screen.press("exclamation_mark", "question_mark")
        await screen.sees("Help", "Clear the selected alert")
        await screen.press("escape")
        await screen.misses("Clear the selected alert")


async def test_help_explains_the_glyphs() -> None:
    async with shown(one_bot()) as screen:
        await screen.press("question_mark")
        await screen.sees("─ closed, ⊘ open, ◐ on trial")


async def test_the_palette_finds_actions_and_bots() -> None:
    hive = one_bot()
    hive.run("BOT-002")
    async with shown(hive) as screen:
        await screen.press("colon")
        await screen.sees("Launch (l)")
        await screen.write("BOT-002")
        await screen.sees("Go to BOT-002")
        await screen.press("enter")
        await screen.sees("Chat · BOT-002")


@pytest.mark.parametrize("key", ["s", "r", "i", "K", "l"])
async def test_a_read_only_console_answers_with_one_sentence(key: str) -> None:
    hive = one_bot()
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await screen.sees("read-only")
        await screen.press(key)
        await screen.sees(READ_ONLY[:40])
        assert not hive.given


async def test_a_read_only_console_sends_no_message() -> None:
    hive = one_bot()
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await screen.press("enter")
        await screen.write("hello")
        await screen.press("enter")
        await screen.sees(READ_ONLY[:40])
        assert screen.app._main.hive._chat.input.value == "hello"
        assert not hive.given


async def test_quitting_shows_what_stopping_waits_for() -> None:
    hive = one_bot()
    hive.run("BOT-002")
    hive.ask("BOT-002", "make tea")
    hive.ends_at_once = False
    async with shown(hive) as screen:
        await screen.press("q", "j", "j", "enter")
        await screen.sees("Stopping: waiting for 2 of 2: BOT-001 (", 's left for "make tea")')
        hive.ends_at_once = True
        assert await screen.left() is Leaving.STOP


async def test_stopping_many_shows_at_the_bottom_what_it_waits_for() -> None:
    hive = one_bot()
    hive.run("BOT-002", "BOT-003")
    hive.ask("BOT-002", "make tea")
    hive.ends_at_once = False
    async with shown(hive) as screen:
        await screen.press("v", "v", "s")
        await screen.until(lambda: "waiting for 2 of 2: BOT-001 (" in screen.lines()[-1])
        assert 's left for "make tea")' in screen.lines()[-1]
        hive.ends_at_once = True
        await screen.gave(cmd.StopBot(bot_id="BOT-001"))
        await screen.gave(cmd.StopBot(bot_id="BOT-002"))
        await screen.until(lambda: "q Quit" in screen.lines()[-1])
        assert not any(isinstance(command, cmd.StopBot) and command.bot_id == "BOT-003" for command in hive.given)
