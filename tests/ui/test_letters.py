"""The mode Messages: inboxes, delivery states, conversations, writing and marking as read."""

import time
from typing import Any

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.ui.app import ConsoleOptions
from deia_tui.ui.orders import READ_ONLY
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def a_hive() -> ScriptedHive:
    """A letter in every state."""
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002", "BOT-003")
    now = time.time()
    pairs = (("BOT-001", "BOT-002"), ("BOT-002", "BOT-001"), ("BOT-001", "BOT-003"), ("BOT-001", "BOT-002"))
    ids = [hive.letter(*pair, f"text {place}", at=now - 100 + place) for place, pair in enumerate(pairs)]
    delivered, read, failed, expired = (
        {"at": now, "letter_id": one, "from_bot": pair[0], "to_bot": pair[1], "priority": 2}
        for one, pair in zip(ids, pairs, strict=True)
    )
    hive.record(
        ev.LetterHanded(**delivered, attempt=1, message_id="m"),
        ev.LetterDelivered(**delivered, attempt=1),
        ev.LetterRead(**read),
        ev.LetterFailed(**failed, reason="refused four times"),
        ev.LetterExpired(**expired),
    )
    hive.letter("BOT-003", "BOT-002", "text 4", priority=0)
    return hive


async def go_to_messages(screen: Screen) -> None:
    await screen.press("m")
    await screen.sees("Inboxes", "text 4")


async def test_every_state_has_its_word_and_inboxes_count() -> None:
    async with shown(a_hive()) as screen:
        await go_to_messages(screen)
        for text, word in enumerate(("◐ delivered", "✓ read", "✖ failed", "□ expired", "○ pending")):
            assert word in next(line for line in screen.lines() if f"  text {text}" in line)
        assert "P0  BOT-003 → BOT-002  text 4" in screen.text()
        await screen.sees("all bots", "2 unread", "2 lost")


async def test_only_what_failed_once_retries_and_says_why() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002")
    letter = {"letter_id": hive.letter("BOT-001", "BOT-002", "text 4"), "from_bot": "BOT-001", "to_bot": "BOT-002"}
    of: Any = {"at": time.time(), "priority": 2, **letter, "attempt": 1}
    hive.record(ev.LetterHanded(**of, message_id="m"))
    async with shown(hive) as screen:
        await go_to_messages(screen)
        await screen.sees("○ pending")
        await screen.misses("retries")
        hive.record(ev.LetterReturned(**of, reason="exit 77", counted=True))
        await screen.sees("↻ retries", "exit 77")
        again: Any = {**of, "attempt": 2}
        hive.record(ev.LetterHanded(**again, message_id="n"), ev.LetterDelivered(**again))
        await screen.sees("◐ delivered")
        await screen.misses("exit 77")


async def test_a_conversation_shows_both_sides_by_time_with_what_became_of_each() -> None:
    hive = a_hive()
    async with shown(hive) as screen:
        await go_to_messages(screen)
        await screen.press("j")
        await screen.sees("Conversation · BOT-001 – BOT-002", "BOT-002 → BOT-001")
        await screen.press("j")
        await screen.sees("Conversation · BOT-001 – BOT-003", "refused four times")
        await screen.press("enter", "enter")
        await screen.misses("Inboxes")
        await screen.press("y", "escape")
        await screen.until(lambda: screen.app.clipboard == "text 2")
        hive.letter("BOT-003", "BOT-001", "I was away")
        await screen.sees("I was away")


async def test_an_inbox_lists_its_own_and_b_goes_to_its_bot() -> None:
    async with shown(a_hive()) as screen:
        await go_to_messages(screen)
        await screen.press("shift+tab", "j")
        await screen.misses("text 2")
        await screen.sees("text 4")
        await screen.press("b")
        await screen.sees("Chat · BOT-002")


async def test_what_is_marked_is_marked_as_read_and_nothing_else() -> None:
    hive = a_hive()
    async with shown(hive) as screen:
        await go_to_messages(screen)
        await screen.press("j", "r")
        await screen.sees("Only what is pending or delivered")
        await screen.press("slash")
        await screen.write("delivered")
        await screen.press("enter", "v", "r")
        await screen.until(lambda: len(hive.given) == 1)
        assert isinstance(hive.given[0], cmd.ReadLetter)
        await screen.press("escape")
        await screen.until(lambda: "✓ read" in screen.line("text 0"))


async def test_a_letter_is_written_to_whom_one_would_answer() -> None:
    hive = a_hive()
    async with shown(hive) as screen:
        await go_to_messages(screen)
        await screen.press("c")
        await screen.sees("New message", "BOT-003")
        await screen.press(*"hello", "ctrl+s")
        await screen.gave(cmd.SendLetter(from_bot="HUMAN", to_bot="BOT-003", text="hello"))
        await screen.misses("New message")
        await screen.sees("HUMAN   → BOT-003")


async def test_a_letter_to_nobody_is_not_sent() -> None:
    hive = ScriptedHive()
    async with shown(hive) as screen:
        await screen.press("m")
        await screen.sees("No messages yet")
        await screen.press("c")
        await screen.press("ctrl+s")
        await screen.sees("Write first what it shall read.")
        await screen.press("x", "ctrl+s")
        await screen.sees("Name the bot it is for.")
        assert not hive.given


async def test_a_letter_in_a_chat_is_told_from_what_a_human_wrote() -> None:
    hive = ScriptedHive()
    hive.run("BOT-001")
    hive.record(
        ev.MessageQueued(at=0.0, bot_id="BOT-001", message_id="m", sender="BOT-002", text="hello", letter_id="l")
    )
    async with shown(hive) as screen:
        await screen.sees("a bot's message", "BOT-002")


async def test_read_only_changes_no_letter() -> None:
    hive = a_hive()
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await go_to_messages(screen)
        for key in ("r", "c"):
            await screen.press(key)
            await screen.sees(READ_ONLY[:40])
        assert not hive.given


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20), (3, 2)])
async def test_every_size_shows_what_fits(size: tuple[int, int]) -> None:
    async with shown(a_hive(), size=size) as screen:
        await screen.press("m")
        if size[0] >= 60:
            await screen.sees("pending", "BOT-003", "? Help")
        await screen.press("tab", "tab", "tab", "c", "escape", "escape")
        await screen.until(lambda: screen.app._main.mode is screen.app._main.hive)


async def test_ascii_draws_messages_with_ascii_only() -> None:
    async with shown(a_hive(), options=ConsoleOptions(ascii=True)) as screen:
        await go_to_messages(screen)
        assert screen.text().isascii()
