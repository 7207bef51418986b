"""The real Claude Code, against an API on loopback."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deia_tui.bot.agents.claude.adapter import Claude
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.protocol import Opened
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.turns import Failure, PlanEntry
from tests.agents.llm_stub import Stub
from tests.agents.recorder import Recorder, answered, cancelled, deciding, undecided

from .conftest import kept, needs

pytestmark = pytest.mark.real_agent
INTERRUPT_S = 2.0
FEW_RETRIES = {"CLAUDE_CODE_MAX_RETRIES": "2"}

Make = Callable[..., Claude]


@pytest.fixture
async def make(programs: str, claude_env: dict[str, str], tmp_path: Path) -> AsyncIterator[Make]:
    """Another Claude on the same folder; ended with the test."""
    needs("claude", programs)
    made: list[Claude] = []
    work = tmp_path / "work"
    work.mkdir()

    def make(**env: str) -> Claude:
        means = Means(
            spec=AgentSpec(name="claude", kind="claude"),
            place=Place(folder=work, own=False, spools=tmp_path, env={**claude_env, **env}),
            children=Children(),
            prompt_file=tmp_path / "prompt",
            log=print,
        )
        made.append(Claude(means))
        return made[-1]

    yield make
    for agent in made:
        await agent.close()


@pytest.fixture
async def agent(make: Make) -> Claude:
    agent = make()
    await agent.open("")
    return agent


def pid_of(agent: Claude) -> int:
    assert agent._process is not None
    return agent._process.companion._process.pid


def bash(command: str) -> str:
    return f'[[tool:Bash:{{"command":"{command}","description":"Run it"}}]]'


async def test_a_conversation_streams_and_is_counted(agent: Claude) -> None:
    result, turn = await answered(agent, "hello")
    assert (result.status, result.stop_reason, turn.text) == ("answered", "end_turn", "stub: turn 1: hello")
    assert turn.tokens[0] > 1000
    assert turn.tokens[1] == 4
    assert turn.cost_usd > 0
    assert (await answered(agent, "again"))[1].text == "stub: turn 2: again"


async def test_a_thought(agent: Claude) -> None:
    _, turn = await answered(agent, "[[think:Let me see.]]")
    assert (turn.thoughts, turn.text) == ("Let me see.", "thought")


async def test_a_tool_that_is_allowed(agent: Claude) -> None:
    turn = deciding("allow_once")
    result, _ = await answered(agent, bash("echo hi > made; cat made"), turn)
    assert (result.status, turn.text) == ("answered", "Using a tool. \n\ntool result: hi")
    assert turn.calls[-1] == ("Bash(echo hi > made; cat made)", "completed")
    assert [question.tool for question in turn.questions] == ["Bash"]


async def test_a_tool_that_is_denied_with_a_word(agent: Claude, tmp_path: Path) -> None:
    turn = deciding("reject_once", "Use the other one.")
    path = tmp_path / "work" / "made.txt"
    result, _ = await answered(agent, f'[[tool:Write:{{"file_path":"{path}","content":"a"}}]]', turn)
    assert (result.status, turn.text) == ("answered", "Using a tool. \n\ntool result: Use the other one.")
    assert turn.calls[-1] == ("Write(made.txt)", "failed")
    assert [diff.new for diff in turn.diffs] == ["a"]
    assert not path.exists()


async def test_tasks_are_a_plan(agent: Claude) -> None:
    _, turn = await answered(agent, '[[tool:TaskCreate:{"subject":"Mend it","description":"Mend"}]]')
    assert turn.plans == [(PlanEntry(content="Mend it"),)]
    _, turn = await answered(agent, '[[tool:TaskUpdate:{"taskId":"1","status":"completed"}]]')
    assert turn.plans == [(PlanEntry(content="Mend it", status="completed"),)]


async def test_what_a_subagent_uses_is_counted(agent: Claude) -> None:
    prompt = '[[tool:Task:{"description":"Look","prompt":"around","subagent_type":"general-purpose"}]]'
    _, turn = await answered(agent, prompt)
    seen = sum(usage.input_tokens for usage in turn.usages if usage.cost_usd is None)
    assert turn.tokens[0] > seen > 0


@pytest.mark.parametrize("text", ["[[slow:0.1]]", "[[stall]]"])
async def test_an_answer_that_is_interrupted_ends_soon(agent: Claude, text: str) -> None:
    first = pid_of(agent)
    result, _, took_s = await cancelled(agent, text, lambda turn: turn.wrote)
    print(f"interrupted after {took_s * 1000:.0f} ms")
    assert result.status == "interrupted"
    assert took_s < INTERRUPT_S
    assert (await answered(agent, "and now?"))[0].status == "answered"
    assert pid_of(agent) == first


async def test_a_request_that_is_never_answered_can_be_interrupted(agent: Claude, stub: Stub) -> None:
    running = asyncio.create_task(answered(agent, "[[hang]] for now"))
    async with asyncio.timeout(20):
        while not any(asked.get("text") == "[[hang]] for now" for asked in stub.asked):
            await asyncio.sleep(0.01)
    agent.cancel()
    assert (await running)[0].status == "interrupted"
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_an_interrupt_takes_back_what_is_asked(agent: Claude) -> None:
    result, turn, took_s = await cancelled(agent, bash("touch a"), lambda turn: turn.asked, undecided())
    assert result.status == "interrupted"
    assert took_s < INTERRUPT_S
    assert turn.calls[-1] == ("Bash(touch a)", "failed")
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_a_running_tool_is_interrupted(agent: Claude, tmp_path: Path) -> None:
    started = tmp_path / "work" / "started"
    running = asyncio.create_task(
        answered(agent, bash("touch started; python3 -c 'input()' < /dev/zero"), deciding("allow_once"))
    )
    async with asyncio.timeout(20):
        while not started.exists():
            await asyncio.sleep(0.01)
    agent.cancel()
    async with asyncio.timeout(20):
        assert (await running)[0].status == "interrupted"


async def test_overload_that_passes_is_trouble_only(agent: Claude) -> None:
    result, turn = await answered(agent, "[[fail:429:2]]")
    assert (result.status, turn.text) == ("answered", "recovered after 2 x 429")
    assert [trouble[:14] for trouble in turn.troubles] == ["429 rate_limit"] * 2


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("[[fail:400]]", Failure.REQUEST),
        ("[[fail:401]]", Failure.AUTHENTICATION),
        ("[[fail:403]]", Failure.AUTHENTICATION),
        ("[[fail:429]]", Failure.OVERLOAD),
        ("[[fail:500]]", Failure.OUTAGE),
        ("[[fail:529]]", Failure.OVERLOAD),
        ("[[cut]]", Failure.OUTAGE),
        ("[[stop:refusal]]", Failure.REQUEST),
    ],
)
async def test_every_failure_has_its_kind(make: Make, text: str, failure: Failure) -> None:
    agent = make(**FEW_RETRIES)
    await agent.open("")
    result, _ = await answered(agent, text)
    print(result.error)
    assert (result.status, result.failure) == ("failed", failure)
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_no_key_at_all_is_a_matter_of_authentication(make: Make) -> None:
    agent = make(ANTHROPIC_API_KEY="")
    await agent.open("")
    result, _ = await answered(agent, "hello")
    assert (result.failure, result.error) == (Failure.AUTHENTICATION, "Not logged in · Please run /login")


async def test_kill_nine_and_resume(make: Make, tmp_path: Path) -> None:
    agent = make()
    await agent.open("")
    _, turn = await answered(agent, "one")
    [session] = turn.sessions
    await kept(tmp_path)
    running = asyncio.create_task(answered(agent, "[[stall]]", turn := Recorder()))
    await turn.wrote.wait()
    os.kill(pid_of(agent), signal.SIGKILL)
    result, _ = await running
    assert (result.failure, result.error) == (Failure.OUTAGE, "Claude Code ended (SIGKILL).")
    await agent.close()
    assert await agent.open(session) == Opened(session=session, resumed=True)
    assert re.fullmatch("stub: turn [23]: two", (await answered(agent, "two"))[1].text), "the killed turn may be in it"


async def test_a_conversation_that_is_lost_is_begun_anew(make: Make) -> None:
    agent = make()
    opened = await agent.open("5f0c9f0e-0000-4000-8000-000000000000")
    assert not opened.resumed and opened.note
    assert (await answered(agent, "hello"))[1].text == "stub: turn 1: hello"
