"""Agents that never answer, answer slowly, or answer when nobody counts on it any more, and the breaker before them."""

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, is_live
from tests.hives import until

SILENT = ["sleep", "1000"]
SLOW = ["sh", "-c", "sleep 0.4; echo done"]
# Does as the message says.
MOODY = """
import sys, time
word = sys.stdin.read()
if word == "late":
    time.sleep(0.6)
print(word)
sys.exit(word == "fail")
"""
TWO_FAILURES = "[breaker]\nconsecutive_failures = 2\ncooldown_s = {cooldown_s}\nslow_call_s = {slow_call_s}\n"


def breaker(cooldown_s: float = 600, slow_call_s: float = 600) -> str:
    return TWO_FAILURES.format(cooldown_s=cooldown_s, slow_call_s=slow_call_s)


def moves(hive: FaultyHive) -> list[str]:
    """The transitions of the breaker so far."""
    return [str(event["to_phase"]) for event in hive.events("breaker_changed", bot_id="BOT-001")]


def is_refused(hive: FaultyHive) -> bool:
    status, answer = hive.call("POST", "/api/bot/send/BOT-001", {"text": "anybody there?"})
    return status == 503 and "Bot Unavailable (recovering)" in answer["detail"]


@pytest.mark.fault(6)
def test_an_agent_that_never_answers_opens_the_breaker(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(hive.agent("silent", SILENT, "timeout_s = 0.4"), breaker())
    console = hive.console()
    hive.launch("silent", 1)
    hive.launch("shell", 1)
    asked = [hive.send("BOT-001", "hello?") for _ in range(2)]
    took_s = is_live(console)
    assert [hive.turn(message)["status"] for message in asked] == ["failed", "failed"]
    hive.until_bot("BOT-001", breaker="open")
    assert is_refused(hive)
    assert moves(hive) == ["open"]
    assert len(hive.alerts("breaker", "BOT-001")) == 1
    console.until("unavailable")
    assert hive.turn(hive.send("BOT-002", "echo alive"))["status"] == "answered"
    assert [hive.bot(bot_id)["run"] for bot_id in ("BOT-001", "BOT-002")] == [1, 1], "a breaker restarts nobody"
    rows = until(lambda: hive.journal("circuit-breaker.jsonl"), "a row of the trip")
    assert [(row["from_state"], row["to_state"]) for row in rows] == [("closed", "open")]
    measured(f"help shown after {1000 * took_s:.0f} ms")


@pytest.mark.fault(7)
def test_slow_answers_trip_the_breaker_and_survive_as_answers(hive: FaultyHive) -> None:
    hive.configure(hive.agent("slow", SLOW), breaker(slow_call_s=0.2))
    supervisor = hive.serve()
    hive.launch("slow", 1)
    asked = [hive.send("BOT-001", "take your time") for _ in range(2)]
    assert [hive.turn(message)["status"] for message in asked] == ["answered", "answered"]
    assert [hive.answer(message) for message in asked] == ["done\n", "done\n"]
    hive.until_bot("BOT-001", breaker="open")
    assert "slow call" in hive.events("breaker_changed")[0]["reason"]
    hive.kill_nine(supervisor)
    hive.serve()
    hive.until_bot("BOT-001", state="running", breaker="open")
    assert is_refused(hive), "an open breaker is still open under the next supervisor"


@pytest.mark.fault(8)
def test_a_result_from_before_the_trip_changes_nothing(hive: FaultyHive) -> None:
    hive.configure(hive.agent("moody", hive.script("moody", MOODY)), breaker(cooldown_s=1.2))
    hive.serve()
    hive.launch("moody", 1)
    *failures, late = [hive.send("BOT-001", word) for word in ("fail", "fail", "late")]
    assert [hive.turn(message)["status"] for message in failures] == ["failed", "failed"]
    hive.until_bot("BOT-001", breaker="open")
    assert hive.turn(late)["status"] == "answered", "what was accepted is finished"
    assert moves(hive) == ["open"], "and does not close the breaker"
    trial = until(lambda: _trial(hive), "the cooldown to end", pause=0.1)
    hive.turn(trial)
    hive.until_bot("BOT-001", breaker="closed")
    assert moves(hive) == ["open", "half_open", "closed"]
    half_open = hive.events("breaker_changed")[1]
    assert half_open["at"] >= hive.events("breaker_changed")[0]["at"] + 1.2 - 0.1


def _trial(hive: FaultyHive) -> str | None:
    """The id of the first message that gets through again."""
    try:
        return hive.send("BOT-001", "well?")
    except AssertionError:
        return None
