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


SECRET = "sk-ant-0123456789abcdefghijklmnop"


async def test_a_secret_shows_nowhere(launch: Launch) -> None:
    bot = await launch(ROGUE)
    text = {"type": "text", "text": f"I use {SECRET} now"}
    everywhere = (
        update("agent_thought_chunk", content=text),
        tool("1", "in_progress", title=f"curl {SECRET}", rawInput={"api_key": SECRET}, rawOutput=SECRET),
        update("plan", entries=[{"content": f"try {SECRET}", "status": "pending", "priority": "low"}]),
        tool(SECRET, "completed", content=[{"type": "diff", "path": SECRET, "oldText": SECRET, "newText": SECRET}]),
        ask(1, title=f"Bearer {SECRET}", rawInput={"command": f"curl -H 'x-api-key: {SECRET}'"}),
        f"[[stderr:3]][[error:-32000:{SECRET}]]",
    )
    sent = await bot.send("".join(everywhere))
    async with bot.events(sent["seq"] - 1) as events:
        frames = await events.turn(sent["message_id"])
    assert frames[-1]["failure"] == "authentication"
    assert {"thought", "tool", "plan", "asked"} <= {frame["type"] for frame in frames}
    assert SECRET not in json.dumps(frames)
    assert SECRET not in bot.log()


async def test_answers_to_choose_from_are_few_and_short(launch: Launch) -> None:
    bot = await launch(ROGUE)
    options = [{"optionId": SECRET + "o" * 90_000, "name": SECRET + "n" * 90_000, "kind": "allow_once"}]
    options += [{"optionId": str(number), "name": str(number), "kind": "reject_once"} for number in range(1000)]
    params = {"sessionId": "SESSION", "toolCall": {"toolCallId": "c", "title": "t"}, "options": options}
    sent = await bot.send(raw(id="q", method="session/request_permission", params=params) + "[[say:asked]][[hang]]")
    async with bot.events(sent["seq"] - 1) as events:
        frames = await events.until("asked")
        assert len(json.dumps(frames[-1])) < 10_000 and SECRET not in json.dumps(frames[-1])
        path = f"/permissions/{frames[-1]['request']['request_id']}"
        reply = await bot.http.post(path, json={"outcome": "allow_once", "by": "me", "note": ""})
        assert reply.status_code == 200
        await bot.http.post("/interrupt")
        assert (await events.turn(sent["message_id"]))[-1]["status"] == "interrupted"


async def test_what_an_agent_does_without_end_costs_a_bot_little_memory(launch: Launch) -> None:
    bot = await launch(ROGUE)
    await is_well(bot)
    before = _memory_kb(bot.pid)
    long = {"type": "text", "text": "y" * 100_000}
    calls = tool("1", "in_progress") + tool("1", "completed", content=[{"type": "content", "content": long}])
    thoughts = update("agent_thought_chunk", content=long)
    for _ in range(5):
        frames = await bot.answer((calls + thoughts) * 4)
        assert frames[-1]["status"] == "answered"
        assert len({frame["call"]["call_id"] for frame in of(frames, "tool")}) == 4
    assert _memory_kb(bot.pid) - before < 40_000


def _memory_kb(pid: int) -> int:
    found = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]
    return int(found)


@pytest.mark.parametrize(
    ("before", "how"),
    [
        ("", "exit 7"),
        (tool("1", "in_progress"), "exit 7"),
        (ask(1), "exit 7"),
        ("[[stderr:2000000]]", "exit 7"),
        ("[[big:5000000]]", "exit 7"),
        ("[[garbage:50]]", "exit 7"),
    ],
    ids=["at once", "in a tool", "while it asks", "after a flood", "after a long line", "after garbage"],
)
async def test_an_agent_that_ends_in_a_turn_is_back_for_the_next(launch: Launch, before: str, how: str) -> None:
    bot = await launch(ROGUE)
    frames = await bot.answer(before + "[[die:7]]")
    assert (frames[-1]["status"], frames[-1]["failure"]) == ("failed", "outage")
    assert how in frames[-1]["error"] and "\n" not in frames[-1]["error"] and len(frames[-1]["error"]) < 600
    assert len(of(frames, "asked")) == len(of(frames, "answered"))
    assert all(call["status"] == "failed" for call in [frame["call"] for frame in of(frames, "tool")][-1:])
    await is_well(bot)


@pytest.mark.parametrize("kind", ["acp", "claude"])
async def test_a_program_that_is_no_agent_is_found_out_at_once(launch: Launch, kind: str) -> None:
    source = "import time\nfor _ in range(2000): print('Welcome!', flush=True)\ntime.sleep(1000)"
    bot = await launch(AgentSpec(name="other", kind=kind, argv=(sys.executable, "-S", "-E", "-c", source)), ready=False)
    assert bot.wait() == 70
    assert "Welcome!" in bot.log().splitlines()[-1]
