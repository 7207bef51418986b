"""A real agent that speaks the Agent Client Protocol, claude-agent-acp, against an API on loopback."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deia_tui.bot.agents.acp.adapter import Acp
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.protocol import Opened
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Failure
from tests.agents.llm_stub import Stub
from tests.agents.recorder import Recorder, answered, cancelled, deciding, undecided

from .conftest import needs

pytestmark = pytest.mark.real_agent
INTERRUPT_S = 2.0
FEW_RETRIES = {"CLAUDE_CODE_MAX_RETRIES": "2"}

Make = Callable[..., Acp]


@pytest.fixture
async def make(programs: str, claude_env: dict[str, str], tmp_path: Path) -> AsyncIterator[Make]:
    """Another agent on the same folder; ended with the test."""
    needs("claude-agent-acp", programs)
    made: list[Acp] = []
    work, settings = tmp_path / "work", tmp_path / ".claude" / "settings.json"
    work.mkdir()
    settings.parent.mkdir()  # without this it begins no session for root
    settings.write_text(json.dumps({"permissions": {"disableBypassPermissionsMode": "disable"}}))

    def make(*, model: str = "", mode: str = "", **env: str) -> Acp:
        means = Means(
            spec=AgentSpec(name="claude", kind="acp", argv=("claude-agent-acp",), model=model, mode=mode),
            place=Place(folder=work, own=False, spools=tmp_path, env={**claude_env, **env}),
            children=Children(),
            prompt_file=tmp_path / "prompt",
            log=print,
        )
        made.append(Acp(means))
        return made[-1]

    yield make
    for agent in made:
        await agent.close()


@pytest.fixture
async def agent(make: Make) -> Acp:
    agent = make()
    await agent.open("")
    return agent


def pid_of(agent: Acp) -> int:
    assert agent._companion is not None
    return agent._companion._process.pid


def bash(command: str) -> str:
    return f'[[tool:Bash:{{"command":"{command}","description":"Run it"}}]]'


async def test_a_conversation_streams_and_is_counted(agent: Acp) -> None:
    result, turn = await answered(agent, "hello")
    assert (result.status, result.stop_reason, turn.text) == ("answered", "end_turn", "stub: turn 1: hello")
    [usage] = turn.usages
    assert usage.model.startswith("claude-")
    assert usage.input_tokens > 1000
    assert (usage.output_tokens, turn.cost_usd > 0) == (4, True)
    assert (await answered(agent, "again"))[1].text == "stub: turn 2: again"


async def test_the_model_and_the_mode_are_chosen(make: Make) -> None:
    agent = make(model="anthropic/sonnet", mode="acceptEdits")
    await agent.open("")
    assert "sonnet" in (await answered(agent, "hello"))[1].usages[0].model
    with pytest.raises(ConfigError, match="offers no model 'gpt-5'"):
        await make(model="gpt-5").open("")


async def test_a_thought(agent: Acp) -> None:
    _, turn = await answered(agent, "[[think:Let me see.]]")
    assert (turn.thoughts, turn.text) == ("Let me see.", "thought")


async def test_a_tool_that_is_allowed(agent: Acp, tmp_path: Path) -> None:
    result, turn = await answered(agent, bash("echo hi > made; cat made"), deciding("allow_once"))
    assert (result.status, turn.text) == ("answered", "Using a tool. tool result: hi")
    assert [(question.tool, json.loads(question.input)["command"]) for question in turn.questions] == [
        ("Bash", "echo hi > made; cat made")
    ]
    assert turn.calls[-1] == ("echo hi > made; cat made", "completed")
    assert (tmp_path / "work" / "made").exists()


async def test_a_tool_that_is_denied(agent: Acp, tmp_path: Path) -> None:
    path = tmp_path / "work" / "made.txt"
    turn = deciding("reject_once")
    result, _ = await answered(agent, f'[[tool:Write:{{"file_path":"{path}","content":"a"}}]]', turn)
    assert result.status in ("answered", "interrupted")
    assert turn.calls[-1][1] == "failed"
    assert [diff.new for diff in turn.diffs] == ["a"]
    assert not path.exists()
    assert (await answered(agent, "and now?"))[0].status == "answered"


@pytest.mark.parametrize("text", ["[[slow:0.1]]", "[[stall]]"])
async def test_an_answer_that_is_interrupted_ends_soon(agent: Acp, text: str) -> None:
    first = pid_of(agent)
    result, _, took_s = await cancelled(agent, text, lambda turn: turn.wrote)
    print(f"interrupted after {took_s * 1000:.0f} ms")
    assert result.status == "interrupted"
    assert took_s < INTERRUPT_S
    assert (await answered(agent, "and now?"))[0].status == "answered"
    assert pid_of(agent) == first


async def test_a_request_that_is_never_answered_can_be_interrupted(agent: Acp, stub: Stub) -> None:
    running = asyncio.create_task(answered(agent, "[[hang]] for now"))
    async with asyncio.timeout(20):
        while not any(asked.get("text") == "[[hang]] for now" for asked in stub.asked):
            await asyncio.sleep(0.01)
    agent.cancel()
    assert (await running)[0].status == "interrupted"
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_an_interrupt_takes_back_what_is_asked(agent: Acp) -> None:
    result, _, took_s = await cancelled(agent, bash("touch a"), lambda turn: turn.asked, undecided())
    assert result.status == "interrupted"
    assert took_s < INTERRUPT_S
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_overload_that_passes_is_waited_for(agent: Acp) -> None:
    result, turn = await answered(agent, "[[fail:429:2]]")
    assert (result.status, turn.text) == ("answered", "recovered after 2 x 429")


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
    ],
)
async def test_every_failure_has_its_kind(make: Make, text: str, failure: Failure) -> None:
    agent = make(**FEW_RETRIES)
    await agent.open("")
    result, turn = await answered(agent, text)
    print(result, turn.text)
    assert (result.status, result.failure) == ("failed", failure)
    assert agent.running


async def test_killed_amid_an_answer_it_goes_on_with_the_conversation(make: Make) -> None:
    first = make()
    session = (await first.open("")).session
    await answered(first, "hello")
    turn = Recorder()
    running = asyncio.create_task(answered(first, "[[slow:0.1]]", turn))
    await turn.wrote.wait()
    os.kill(pid_of(first), signal.SIGKILL)
    result, _ = await running
    assert (result.status, result.failure) == ("failed", Failure.OUTAGE)
    assert result.error.startswith("the agent ended (SIGKILL")
    assert not first.running
    await first.close()
    second = make()
    assert await second.open(session) == Opened(session=session, resumed=True)
    assert (await answered(second, "again"))[1].text.endswith("again")


async def test_what_it_does_not_know_is_begun_anew(make: Make) -> None:
    opened = await make().open("00000000-0000-4000-8000-000000000000")
    assert not opened.resumed
    assert "a new one begins" in opened.note
