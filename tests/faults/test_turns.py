"""What becomes of a turn whose agent dies, or that asks for what nobody gives: the bot lives, and goes on."""

import os
import sys
from pathlib import Path

import pytest

from tests.agents import acp_agent
from tests.faults.hive import FaultyHive, gone, hit
from tests.hives import until

AGENT = [sys.executable, "-S", "-E", str(Path(acp_agent.__file__))]


def agents_of(pid: int) -> list[int]:
    """The processes a bot is parent of."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def acp(hive: FaultyHive, more: str = "") -> str:
    return hive.agent("talker", [*AGENT, "--store", str(hive.root / "sessions")], more).replace("'command'", "'acp'")


@pytest.mark.fault(11)
@pytest.mark.parametrize("busy", [True, False], ids=["in a turn", "between turns"])
def test_an_agent_that_is_killed_is_back_in_the_same_conversation(hive: FaultyHive, busy: bool) -> None:
    hive.configure(acp(hive))
    hive.serve()
    hive.launch("talker", 1)
    bot = hive.pids()["BOT-001"]
    assert hive.turn(hive.send("BOT-001", "the first"))["status"] == "answered"
    [session] = hive.events("session_opened")
    [agent] = agents_of(bot)
    cut = hive.send("BOT-001", "[[say:half]] [[hang]]") if busy else None
    if cut:
        until(lambda: hive.answer(cut), "the beginning of an answer")
        waiting = hive.send("BOT-001", "[[say:it waited]]")
    hit(agent)
    gone(agent)
    resumed = hive.until_event("session_opened", resumed=True)
    assert resumed["session_id"] == session["session_id"]
    assert "SIGKILL" in hive.until_event("agent_degraded")["reason"]
    if cut:
        end = hive.turn(cut)
        assert (end["status"], end["failure"]) == ("failed", "outage")
        assert "SIGKILL" in end["error"]
        assert hive.answer(cut).strip() == "half", "what was streamed stays"
        assert hive.turn(waiting)["status"] == "answered"
    asked = hive.send("BOT-001", "[[recall]]")
    assert hive.turn(asked)["status"] == "answered"
    assert "the first" in hive.answer(asked)
    assert hive.pids()["BOT-001"] == bot, "the bot itself went on"
    assert len(agents_of(bot)) == 1


@pytest.mark.fault(45)
@pytest.mark.parametrize("kind", ["shell", "acp"])
def test_what_nobody_allows_in_time_is_denied_and_the_agent_is_free(hive: FaultyHive, kind: str) -> None:
    soon = "approval_timeout_s = 0.5"
    hive.configure(acp(hive, soon), f"[agents.shell]\nkind = 'shell'\n{soon}\n")
    hive.serve()
    hive.launch("talker" if kind == "acp" else "shell", 1)
    made = hive.root / "made"
    line = f"true; touch {made}"
    asking = hive.send("BOT-001", line if kind == "shell" else f"[[ask:Bash:{line}]]")
    asked = hive.until_event("permission_asked", message_id=asking)
    answered = hive.until_event("permission_answered", request_id=asked["request"]["request_id"])
    assert (answered["outcome"], answered["by"]) == ("expired", "")
    end = hive.turn(asking)
    if kind == "shell":
        assert (end["status"], end["failure"]) == ("failed", "request")
        assert "Nobody answered within 0.5 s" in end["error"]
    assert not os.path.exists(made)
    after = hive.send("BOT-001", "echo free" if kind == "shell" else "[[say:free]]")
    assert hive.turn(after)["status"] == "answered"
    assert hive.answer(after).strip() == "free"
    assert hive.bot("BOT-001")["activity"] == "idle"
