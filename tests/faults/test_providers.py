"""What the API behind an agent does to it, and what the hive does about it."""

import json
import sys
from pathlib import Path

import pytest

from tests.faults.hive import FaultyHive
from tests.hives import until

REPLICA = Path(__file__).parents[1] / "agents" / "claude_replica.py"


def claude(hive: FaultyHive) -> str:
    argv = json.dumps([sys.executable, "-S", "-E", str(REPLICA)])
    return f"[agents.claude]\nkind = 'claude'\nargv = {argv}\nenv = {{ HOME = '{hive.root}' }}\n"


@pytest.mark.fault(46)
def test_an_overloaded_api_is_left_alone_by_all_bots_and_asked_again(hive: FaultyHive) -> None:
    hive.configure(claude(hive))
    hive.serve()
    one, two = hive.launch("claude", 2)
    assert hive.turn(hive.send(one, "[[fail:429]]"))["failure"] == "overload"
    paused = hive.until_event("provider_paused", provider="anthropic", by=one)
    refused = hive.send(two, "[[fail:429]]")
    assert hive.until_event("turn_started", message_id=refused)["at"] >= paused["until"] - 0.1, "nobody asked before"
    assert hive.turn(refused)["failure"] == "overload"
    longer = hive.until_event("provider_paused", by=two)
    assert longer["until"] - longer["at"] == pytest.approx(2 * (paused["until"] - paused["at"]), abs=0.01)
    waiting = hive.send(one, "hello")
    assert hive.turn(waiting)["status"] == "answered", "it goes on by itself"
    assert hive.until_event("turn_started", message_id=waiting)["at"] >= longer["until"] - 0.1
    assert hive.until_event("provider_resumed")["at"] >= longer["until"] - 0.1
    assert hive.bot(one)["breaker"] == hive.bot(two)["breaker"] == "closed", "nothing is wrong with them"


@pytest.mark.fault(46)
def test_who_is_not_let_in_waits_for_a_human_and_a_cut_answer_counts_against_the_bot(hive: FaultyHive) -> None:
    hive.configure(claude(hive), "[breaker]\nconsecutive_failures = 2\ncooldown_s = 600\n")
    hive.serve()
    locked, unlucky = hive.launch("claude", 2)
    assert hive.turn(hive.send(locked, "[[fail:401]]"))["failure"] == "authentication"
    opened = hive.until_event("breaker_changed", bot_id=locked, to_phase="open")
    assert opened["retry_at"] is None
    status, refusal = hive.call("POST", f"/api/bot/send/{locked}", {"text": "again"})
    assert status == 503 and "until you restart it" in refusal["detail"]
    for _ in range(2):
        assert hive.turn(hive.send(unlucky, "[[cut]]"))["failure"] == "outage"
    until(lambda: hive.bot(unlucky)["breaker"] == "open", "its breaker to open")
    assert hive.until_event("breaker_changed", bot_id=unlucky, to_phase="open")["retry_at"] is not None
    hive.ask("POST", f"/api/bot/restart/{locked}")
    assert hive.turn(hive.send(locked, "hello"))["status"] == "answered"
    assert not hive.events("provider_paused"), "the API was not overloaded"


@pytest.mark.fault(46)
@pytest.mark.parametrize("fault", ["[[stall]]", "[[hang]]"])
def test_an_answer_that_stalls_is_ended_and_the_conversation_goes_on(hive: FaultyHive, fault: str) -> None:
    hive.configure(claude(hive), "idle_timeout_s = 1.0\n")
    hive.serve()
    [bot] = hive.launch("claude", 1)
    assert hive.turn(hive.send(bot, "hello"))["status"] == "answered"
    ended = hive.turn(hive.send(bot, fault))
    assert (ended["status"], ended["failure"]) == ("failed", "outage")
    assert ended["error"] == "nothing came for 1 s"
    assert hive.turn(hive.send(bot, "are you there?"))["status"] == "answered"
    assert len(hive.events("bot_spawned")) == 1, "the bot lives"
