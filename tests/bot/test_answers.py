"""What reaches the frames of a turn: at once, in order, at a bounded pace, within bounds and without secrets."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deia_tui.bot.answer import THOUGHTS, Answer
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.shortening import DIFFS, INPUT, OUTPUT
from deia_tui.bot.spool import Spool
from deia_tui.core.frames import Frame, decode, to_event
from deia_tui.core.turns import Diff, PermissionPolicy, PlanEntry, ToolCall, Usage
from deia_tui.folder import Folder

SECRET = "sk-ant-abcdefghijklmnop"


class Told:
    """An answer, and the frames it became."""

    def __init__(self, root: Path) -> None:
        folder = Folder(root)
        folder.create()
        self.sessions: list[str] = []
        log = OutputLog(folder.output_log("BOT-001"))
        self.spool = Spool(folder.spool("BOT-001", 1), log.line)
        approvals = Approvals(self.spool, log.line, 60.0, PermissionPolicy(), ())
        self.answer = Answer("m", self.spool, log, approvals, self.sessions.append)

    def frames(self, *kinds: str) -> list[Frame]:
        frames = [frame for line in self.spool.after(0, 10_000) if (frame := decode(line))]
        return [frame for frame in frames if not kinds or frame["type"] in kinds]

    def texts(self, kind: str) -> list[str]:
        return [frame["text"] for frame in self.frames(kind)]

    async def until(self, count: int) -> list[Frame]:
        async with asyncio.timeout(30):
            while self.spool.last_seq < count:
                await self.spool.news(self.spool.last_seq)
        return self.frames()


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    told = Told(tmp_path)
    yield told
    told.answer.finish()
    for frame in told.frames():
        to_event("BOT-001", 1, frame)  # whatever the agent says, the hive understands it


def tool(status: str = "in_progress", **more: object) -> ToolCall:
    known = {"call_id": "1", "tool": "Bash", "title": "List files", "status": status, **more}
    return ToolCall(**known)  # type: ignore[arg-type]


async def test_the_first_piece_is_told_at_once_and_others_are_gathered(told: Told) -> None:
    told.answer.output(b"Hel")
    assert told.texts("output") == ["Hel"]
    for piece in ("lo ", "you ", "all "):
        told.answer.output(piece.encode())
    assert told.texts("output") == ["Hel"]
    await told.until(2)
    assert told.texts("output") == ["Hel", "lo you all "]


async def test_forty_pieces_a_second_are_at_most_twenty_frames_a_second(told: Told) -> None:
    began = time.monotonic()
    for number in range(40):
        told.answer.output(b"%d " % number)
        await asyncio.sleep(0.01)
    told.answer.finish()
    took_s = time.monotonic() - began
    assert len(told.texts("output")) <= took_s / 0.05 + 2
    assert "".join(told.texts("output")) == "".join(f"{number} " for number in range(40))


async def test_much_is_told_without_waiting(told: Told) -> None:
    told.answer.output(b"first ")
    told.answer.output(b"x " * 3000)
    assert "".join(told.texts("output")) == "first " + "x " * 3000


async def test_what_was_said_before_a_tool_call_comes_before_it(told: Told) -> None:
    told.answer.output(b"Let me ")
    told.answer.output(b"look")
    told.answer.tool(tool())
    told.answer.thought("Hm, ")
    told.answer.output(b"Two files.")
    told.answer.finish()
    said = [frame.get("text", frame["type"]) for frame in told.frames()]
    assert said == ["Let me ", "look", "tool", "Hm, ", "Two files.", "tool"]


async def test_a_tool_call_ends_with_its_turn(told: Told) -> None:
    told.answer.tool(tool(call_id="1"))
    told.answer.tool(tool("pending", call_id="2"))
    told.answer.tool(tool("completed", call_id="3"))
    told.answer.finish()
    last = {frame["call"]["call_id"]: frame["call"] for frame in told.frames("tool")}
    assert {name: call["status"] for name, call in last.items()} == {"1": "failed", "2": "failed", "3": "completed"}
    assert all(call["duration_s"] is not None for call in last.values())


async def test_calls_of_one_name_are_told_apart(told: Told) -> None:
    for number in range(3):
        told.answer.tool(tool(call_id="1", input=str(number)))
        told.answer.tool(tool("completed", call_id="1", input=str(number)))
    told.answer.finish()
    calls = [frame["call"] for frame in told.frames("tool")]
    assert len({call["call_id"] for call in calls}) == 3
    assert [call["input"] for call in calls] == ["0", "0", "1", "1", "2", "2"]
    assert [call["status"] for call in calls] == ["in_progress", "completed"] * 3


async def test_a_tool_call_is_told_when_something_changed(told: Told) -> None:
    for call in (tool("pending"), tool("pending"), tool(), tool(), tool(output="a"), tool(output="ab")):
        told.answer.tool(call)
    assert [frame["call"]["status"] for frame in told.frames("tool")] == ["pending", "in_progress"]
    await told.until(3)
    told.answer.tool(tool("completed", output="abc"))
    told.answer.tool(tool("completed", output="abc"))
    calls = [frame["call"] for frame in told.frames("tool")]
    assert [call["output"] for call in calls] == ["", "", "ab", "abc"]
    assert [call["duration_s"] is None for call in calls] == [True, True, True, False]
    assert 0 <= calls[-1]["duration_s"] < 60


async def test_ten_changes_a_second_of_one_call_at_most(told: Told) -> None:
    began = time.monotonic()
    for number in range(50):
        told.answer.tool(tool(output=str(number)))
        await asyncio.sleep(0.005)
    told.answer.finish()
    calls = [frame["call"]["output"] for frame in told.frames("tool")]
    assert len(calls) <= (time.monotonic() - began) / 0.1 + 2
    assert (calls[0], calls[-1]) == ("0", "49")


async def test_more_calls_than_anybody_reads_are_all_told(told: Told) -> None:
    for number in range(1200):
        told.answer.tool(tool(call_id=str(number)))
        told.answer.tool(tool(call_id=str(number), output="late"))
    told.answer.finish()
    assert len({frame["call"]["call_id"] for frame in told.frames("tool")}) == 1200


async def test_large_calls_are_shortened_and_whole_in_the_log(told: Told, capfd: pytest.CaptureFixture[str]) -> None:
    diffs = tuple(Diff(path=f"file{number}", old="o" * 50_000, new="n" * 50_000) for number in range(5))
    told.answer.tool(tool("completed", input="i" * 9000, output="x" * 5_000_000 + f" {SECRET} end", diffs=diffs))
    [call] = [frame["call"] for frame in told.frames("tool")]
    assert len(call["input"]) <= INPUT
    assert len(call["output"]) <= OUTPUT
    assert call["output"].endswith(" end")
    assert "more characters are in the output log only" in call["output"]
    assert sum(len(diff["old"]) + len(diff["new"]) for diff in call["diffs"]) <= DIFFS + 2 * OUTPUT
    assert SECRET not in str(call)
    log = capfd.readouterr().err
    assert ("Bash List files: completed" in log, SECRET in log) == (True, False)
    assert log.count("x") >= 5_000_000


async def test_nothing_that_looks_like_a_secret_is_told(told: Told) -> None:
    for piece in ("key ", "sk-ant-", "abcdef", "ghijklmnop", " done"):
        told.answer.output(piece.encode())
        told.answer.thought(piece)
    told.answer.tool(tool("completed", title=SECRET, input=SECRET, output=SECRET, tool=SECRET))
    told.answer.plan([PlanEntry(content=f"use {SECRET}")])
    told.answer.degraded(f"{SECRET} was refused")
    told.answer.finish()
    assert "abcdef" not in str(told.frames())


async def test_thoughts_have_a_bound_and_it_is_said(told: Told) -> None:
    told.answer.thought("ü " * THOUGHTS)
    told.answer.finish()
    assert len("".join(told.texts("thought")).encode()) <= THOUGHTS + 3
    [note] = told.texts("log")
    assert note == f"{3 * THOUGHTS - THOUGHTS} bytes of what the agent thought are not shown."


async def test_hostile_values_are_data(told: Told) -> None:
    hostile = "\ud800\0\x1b[2J\u202e\r\n"
    told.answer.tool(tool(call_id=hostile * 1000, tool=hostile, title=hostile, input=hostile, output=hostile))
    told.answer.thought(hostile)
    told.answer.plan([PlanEntry(content=hostile * 1000)] * 5000)
    told.answer.usage(Usage(model=hostile, input_tokens=10**400, output_tokens=-5, cost_usd=float("nan")))
    told.answer.degraded(hostile * 1000)
    told.answer.output(b"\xff\0")
    told.answer.finish()
    [usage] = [frame["usage"] for frame in told.frames("usage")]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]) == (2**53, 0, None)
    assert len(told.frames("plan")[0]["entries"]) == 100
    assert sum(map(len, told.spool.after(0))) < 200_000


async def test_the_same_plan_is_told_once_and_a_session_passed_on(told: Told) -> None:
    for _ in range(3):
        told.answer.plan([PlanEntry(content="one")])
    told.answer.session("s")
    assert len(told.frames("plan")) == 1
    assert told.sessions == ["s"]


async def test_after_its_turn_an_agent_says_nothing_but_what_it_cost(told: Told) -> None:
    told.answer.finish()
    told.answer.output(b"late")
    told.answer.warn(b"late\n")
    told.answer.thought("late")
    told.answer.tool(tool())
    told.answer.plan([PlanEntry(content="late")])
    told.answer.degraded("late")
    told.answer.session("late")
    decision = await told.answer.ask(tool="t", title="", input="", options=())
    told.answer.usage(Usage(input_tokens=1))
    assert decision.option is None
    assert [frame["type"] for frame in told.frames()] == ["usage"]
