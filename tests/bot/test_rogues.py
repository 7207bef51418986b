"""Agents that say what no agent should: a bot stays what it is, and says in a sentence what was wrong."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deia_tui.core.bots import AgentSpec
from deia_tui.core.frames import Frame

from .conftest import Bot, Launch, text_of

AGENT = (sys.executable, "-S", "-E", str(Path(__file__).parent.parent / "agents" / "acp_agent.py"))
ROGUE = AgentSpec(name="rogue", kind="acp", argv=AGENT, idle_timeout_s=60.0)
OPTIONS = [
    {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


def raw(**message: Any) -> str:
    """A mark that makes the agent write just that; `]]` would end it too soon."""
    return "[[raw:" + json.dumps({"jsonrpc": "2.0", **message}).replace("]]", "] ]") + "]]"


def update(kind: str, *, session: str = "SESSION", **fields: Any) -> str:
    return raw(method="session/update", params={"sessionId": session, "update": {"sessionUpdate": kind, **fields}})


def tool(call_id: str, status: str, **fields: Any) -> str:
    return update("tool_call", toolCallId=call_id, title=fields.pop("title", "t"), status=status, **fields)


def ask(number: int, **call: Any) -> str:
    params = {
        "sessionId": "SESSION",
        "toolCall": {"toolCallId": f"c{number}", "title": "t", **call},
        "options": OPTIONS,
    }
    return raw(id=f"q{number}", method="session/request_permission", params=params)


def of(frames: list[Frame], kind: str) -> list[Frame]:
    return [frame for frame in frames if frame["type"] == kind]


async def is_well(bot: Bot) -> None:
    frames = await bot.answer("[[say:well]]")
    assert (frames[-1]["status"], text_of(frames)) == ("answered", "well")
    assert "Traceback" not in bot.log()


NAUGHTY = {
    "answers nobody asked for": "".join(
        raw(id=number, result={"stopReason": "end_turn"}) for number in (-1, 77, 78, 78)
    ),
    "a session of somebody else": update(
        "agent_message_chunk", session="other", content={"type": "text", "text": "no"}
    ),
    "characters that control": tool(
        "\x1b[2J\r\n\x00", "completed", title="\x1b]0;gotcha\x07\u202eevil\x00\nx", rawInput="\x9b31m"
    ),
    "half a character": tool("1", "completed", title="\ud800", rawOutput={"x": "\udfff"}),
    "numbers without bounds": "[[usage:-5:-7:-9]][[cost:nan]][[cost:-1]][[cost:inf]]"
    + update("usage_update", used=10**400, size=-1),
    "deep nesting": raw(method="x", params={"a": 1}).replace("1", "[" * 50_000),
    "no title": update("tool_call_update", toolCallId="never begun", status="completed"),
    "an input without end": tool("1", "completed", rawInput={str(number): "x" * 100 for number in range(6_000)}),
    "plan of thousands": update("plan", entries=[{"content": "c", "status": "pending", "priority": "low"}] * 5000),
    "requests that make no sense": raw(
        id="q", method="session/request_permission", params={"sessionId": "SESSION", "toolCall": 7}
    )
    + raw(id="r", method="terminal/create", params=None)
    + raw(id="r", method="session/request_permission"),
    "a method that is no text": raw(id=5, method=["x"]),
}


@pytest.mark.parametrize("what", NAUGHTY)
async def test_nonsense_in_a_turn_changes_nothing(launch: Launch, what: str) -> None:
    bot = await launch(ROGUE)
    frames = await bot.answer(NAUGHTY[what] + "[[say:done]]")
    assert (frames[-1]["status"], text_of(frames)) == ("answered", "done")
    assert not of(frames, "asked")
    for frame in of(frames, "usage"):
        assert all(value >= 0 for value in frame["usage"].values() if isinstance(value, int | float))
    await is_well(bot)


async def test_a_turn_that_is_answered_twice_ends_once(launch: Launch) -> None:
    bot = await launch(ROGUE)
    twice = "".join(raw(id=number, result={"stopReason": "end_turn"}) for number in range(10))
    frames = await bot.answer("[[say:one]]" + twice + "[[slow:3]][[say:two]]")
    assert frames[-1]["status"] == "answered"
    await is_well(bot)


async def test_a_thousand_requests_at_once_are_not_for_a_human(launch: Launch) -> None:
    bot = await launch(ROGUE)
    sent = await bot.send("".join(ask(number) for number in range(1000)) + "[[say:asked]][[hang]]")
    async with bot.events(sent["seq"] - 1) as events:
        frames = await events.until("output")
        assert 1 <= len(of(frames, "asked")) <= 32
        assert (await bot.status())["activity"] == "asking"
        await bot.http.post("/interrupt")
        frames += await events.turn(sent["message_id"])
    assert frames[-1]["status"] == "interrupted"
    assert len(of(frames, "asked")) == len(of(frames, "answered")) <= 32
    await is_well(bot)
