"""Claude Code as a bot drives it, on a program that writes and takes the same lines (agents/claude_replica.py)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deia_tui.bot.agents.claude.adapter import Claude
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.protocol import AgentFailed, Opened
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Diff, Failure, PlanEntry, Usage
from tests.agents.recorder import answered, cancelled, deciding, undecided

from .conftest import DEADLINE_S, PYTHON, Launch, text_of

REPLICA = (PYTHON, "-S", "-E", str(Path(__file__).parents[1] / "agents" / "claude_replica.py"))
INTERRUPT_S = 2.0
"""A promise; on a quiet machine it takes a hundredth of it."""

LOST = "5f0c9f0e-0000-4000-8000-000000000000"

Make = Callable[..., Claude]


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
async def make(tmp_path: Path, logged: list[str]) -> AsyncIterator[Make]:
    """Another Claude on the same folder; ended with the test."""
    made: list[Claude] = []

    def make(*options: str, program: tuple[str, ...] = REPLICA, model: str = "") -> Claude:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        means = Means(
            spec=AgentSpec(name="claude", kind="claude", argv=(*program, *options), model=model),
            place=Place(folder=tmp_path, own=False, spools=tmp_path, env=env),
            children=Children(),
            prompt_file=tmp_path / "prompt",
            log=logged.append,
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


async def begun_by_itself(agent: Claude) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while agent._process and agent._process.quiet.is_set():
            await asyncio.sleep(0.005)


# Turns


async def test_an_answer_streams_and_its_tokens_are_counted(agent: Claude) -> None:
    result, turn = await answered(agent, "hello")
    assert (result.status, result.stop_reason, turn.text) == ("answered", "end_turn", "stub: turn 1: hello")
    assert turn.usages == [
        Usage(model="claude-opus-4-8", input_tokens=250, output_tokens=4),
        Usage(model="claude-opus-4-8", cost_usd=pytest.approx(250 * 5e-6 + 4 * 25e-6)),
    ]


async def test_one_process_has_the_whole_conversation(agent: Claude) -> None:
    first = pid_of(agent)
    assert [(await answered(agent, text))[1].text for text in ("one", "two")] == [
        "stub: turn 1: one",
        "stub: turn 2: two",
    ]
    assert pid_of(agent) == first


async def test_thoughts_are_no_part_of_the_answer(agent: Claude) -> None:
    _, turn = await answered(agent, "[[think:Let me see.]]")
    assert (turn.thoughts, turn.text) == ("Let me see.", "thought")


async def test_the_model_is_passed_on(make: Make) -> None:
    agent = make(model="anthropic/claude-haiku-4-5")
    await agent.open("")
    _, turn = await answered(agent, "hello")
    assert {usage.model for usage in turn.usages} == {"claude-haiku-4-5"}


async def test_what_only_the_sums_show_is_counted_once(agent: Claude) -> None:
    await answered(agent, "hello")
    _, turn = await answered(agent, "[[helper]]")
    assert turn.tokens == (1250, 100 + 4)
    assert turn.cost_usd == pytest.approx(1250 * 5e-6 + 104 * 25e-6)


# Tools


async def test_a_tool_that_is_allowed(agent: Claude, tmp_path: Path) -> None:
    turn = deciding("allow_once")
    result, _ = await answered(agent, '[[tool:Bash:{"command":"echo hi > made; cat made"}]]', turn)
    assert result.status == "answered"
    assert turn.text == "Using a tool. \n\ntool result: hi"
    assert turn.calls == [
        ("Bash", "pending"),
        ("Bash(echo hi > made; cat made)", "in_progress"),
        ("Bash(echo hi > made; cat made)", "completed"),
    ]
    assert (turn.tools[-1].kind, turn.tools[-1].output) == ("execute", "hi")
    [question] = turn.questions
    assert (question.tool, question.input) == ("Bash", '{"command": "echo hi > made; cat made"}')
    assert question.kinds == ("allow_once", "allow_always", "reject_once")
    assert (tmp_path / "made").exists()


async def test_a_tool_that_is_denied_with_a_word(agent: Claude, tmp_path: Path) -> None:
    turn = deciding("reject_once", "Use the other one.")
    result, _ = await answered(agent, '[[tool:Bash:{"command":"touch made"}]]', turn)
    assert (result.status, turn.text) == ("answered", "Using a tool. \n\ntool result: Use the other one.")
    assert turn.calls[-1] == ("Bash(touch made)", "failed")
    assert not (tmp_path / "made").exists()


async def test_a_failed_command_says_so(agent: Claude) -> None:
    turn = deciding("allow_once")
    await answered(agent, '[[tool:Bash:{"command":"exit 3"}]]', turn)
    assert (turn.tools[-1].status, turn.tools[-1].output) == ("failed", "Exit code 3")


async def test_a_file_that_is_written_anew_is_a_diff(agent: Claude, tmp_path: Path) -> None:
    turn = deciding("allow_always")
    path = f"{tmp_path}/a.txt"
    await answered(agent, f'[[tool:Write:{{"file_path":"{path}","content":"after"}}]]', turn)
    assert turn.calls[-1] == ("Write(a.txt)", "completed")
    assert turn.tools[1].diffs == (Diff(path=path, old="", new="after"),)
    assert turn.diffs == [Diff(path=path, old="before\n", new="after")]


async def test_an_edit_is_a_diff_before_anybody_allows_it(agent: Claude, tmp_path: Path) -> None:
    turn = undecided()
    edit = f'{{"file_path":"{tmp_path}/a.txt","old_string":"one","new_string":"two"}}'
    await cancelled(agent, f"[[tool:Edit:{edit}]]", lambda turn: turn.asked, turn)
    assert turn.tools[1].diffs == (Diff(path=f"{tmp_path}/a.txt", old="one", new="two"),)


async def test_tasks_are_the_plan_and_outlive_their_turn(agent: Claude) -> None:
    _, turn = await answered(agent, '[[tool:TaskCreate:{"subject":"Mend it"}]]')
    assert (turn.plans, turn.tools) == ([(PlanEntry(content="Mend it"),)], [])
    _, turn = await answered(agent, '[[tool:TaskUpdate:{"taskId":"1","status":"in_progress"}]]')
    assert turn.plans == [(PlanEntry(content="Mend it", status="in_progress"),)]


# Interrupts


@pytest.mark.parametrize("text", ["[[slow:0.1]]", "[[stall]]"])
async def test_an_answer_that_is_interrupted_ends_soon(agent: Claude, text: str) -> None:
    first = pid_of(agent)
    result, turn, took_s = await cancelled(agent, text, lambda turn: turn.wrote)
    assert (result.status, result.failure) == ("interrupted", None)
    assert took_s < INTERRUPT_S
    assert turn.text
    assert (await answered(agent, "and now?"))[1].text == "stub: turn 2: and now?"
    assert pid_of(agent) == first


async def test_a_request_that_is_never_answered_can_be_interrupted(agent: Claude) -> None:
    running = asyncio.create_task(answered(agent, "[[hang]]"))
    await asyncio.sleep(0)
    agent.cancel()
    assert (await running)[0].status == "interrupted"
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_an_interrupt_takes_back_what_is_asked(agent: Claude) -> None:
    turn = undecided()
    result, _, took_s = await cancelled(agent, '[[tool:Bash:{"command":"ls"}]]', lambda turn: turn.asked, turn)
    assert result.status == "interrupted"
    assert took_s < INTERRUPT_S
    assert turn.calls[-1] == ("Bash(ls)", "failed")
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_a_running_tool_is_interrupted(agent: Claude, tmp_path: Path) -> None:
    started = tmp_path / "started"
    turn = deciding("allow_once")
    running = asyncio.create_task(answered(agent, f'[[tool:Bash:{{"command":"touch {started}; sleep 300"}}]]', turn))
    while not started.exists():
        await asyncio.sleep(0.005)
    agent.cancel()
    assert (await running)[0].status == "interrupted"


async def test_without_a_turn_an_interrupt_is_nothing(agent: Claude) -> None:
    agent.cancel()
    assert (await answered(agent, "hello"))[0].status == "answered"


async def test_a_turn_that_nobody_asked_for_is_no_answer(agent: Claude) -> None:
    await answered(agent, "[[more]]")
    await begun_by_itself(agent)
    assert (await answered(agent, "hello"))[1].text == "stub: turn 2: hello"
    await answered(agent, "[[more]]")
    await begun_by_itself(agent)
    running = asyncio.create_task(answered(agent, "never said"))
    await asyncio.sleep(0)
    agent.cancel()
    assert (await running)[0].status == "interrupted"
    assert (await answered(agent, "hello"))[1].text == "stub: turn 4: hello"


# Failures


async def test_overload_that_passes_is_trouble_only(agent: Claude) -> None:
    result, turn = await answered(agent, "[[fail:429:2]]")
    assert (result.status, turn.text) == ("answered", "recovered after 2 x 429")
    assert turn.troubles == [f"429 rate_limit, tries again in 0.1 s ({n} of 10)" for n in (1, 2)]


@pytest.mark.parametrize(
    ("text", "failure", "sentence"),
    [
        ("[[fail:400]]", Failure.REQUEST, "API Error: 400 stub 400"),
        ("[[fail:401]]", Failure.AUTHENTICATION, "The API accepts neither key nor login: log in again."),
        ("[[fail:403]]", Failure.AUTHENTICATION, "The API accepts neither key nor login: log in again."),
        ("[[fail:429]]", Failure.OVERLOAD, "API Error: 429 stub 429"),
        ("[[fail:500]]", Failure.OUTAGE, "API Error: 500 stub 500"),
        ("[[fail:529]]", Failure.OVERLOAD, "API Error: Repeated 529 Overloaded errors."),
        ("[[cut]]", Failure.OUTAGE, "API Error: Unable to connect to API (ECONNRESET)"),
        ("[[broken]]", Failure.OUTAGE, "The answer broke off before its end."),
        ("[[stop:refusal]]", Failure.REQUEST, "API Error: Claude Code is unable to respond to this request"),
    ],
)
async def test_every_failure_has_its_kind(agent: Claude, text: str, failure: Failure, sentence: str) -> None:
    result, _ = await answered(agent, text)
    assert (result.status, result.failure, result.error) == ("failed", failure, sentence)
    assert (result.retry_after_s is not None) == (failure is Failure.OVERLOAD)
    assert (result.stop_reason == "refusal") == ("refusal" in text)
    assert (await answered(agent, "and now?"))[0].status == "answered"


async def test_an_answer_at_the_limit_of_tokens_says_so(agent: Claude) -> None:
    result, _ = await answered(agent, "[[stop:max_tokens]]")
    assert (result.status, result.stop_reason) == ("answered", "max_tokens")


async def test_a_broken_stream_that_is_asked_for_again_is_whole(agent: Claude) -> None:
    result, turn = await answered(agent, "[[again]] please")
    assert result.status == "answered"
    assert turn.text.endswith("\n\nstub: turn 1: [[again]] please")
    assert turn.remarks == ["The stream of the answer broke off; Claude Code asked for it again."]
    assert turn.tokens[0] == 500


# Sessions


async def test_a_conversation_goes_on_after_any_death(make: Make) -> None:
    agent = make()
    assert await agent.open("") == Opened()
    _, turn = await answered(agent, "one")
    [session] = turn.sessions
    result, turn = await answered(agent, "[[die]]")
    assert (result.status, result.failure, result.error) == ("failed", Failure.OUTAGE, "Claude Code ended (SIGKILL).")
    assert not turn.sessions
    assert await agent.ended() == "SIGKILL"
    assert not agent.running
    await agent.close()
    for next_one in (agent, make()):
        assert await next_one.open(session) == Opened(session=session, resumed=True)
        await answered(next_one, "more")
        await next_one.close()
    assert await agent.open(session) == Opened(session=session, resumed=True)
    assert (await answered(agent, "last"))[1].text == "stub: turn 5: last"


async def test_a_conversation_that_is_lost_is_begun_anew(make: Make) -> None:
    agent = make()
    opened = await agent.open(LOST)
    note = "Claude Code does not have the earlier conversation any more: a new one was begun."
    assert opened == Opened(note=note)
    _, turn = await answered(agent, "hello")
    assert turn.text == "stub: turn 1: hello"
    assert turn.sessions and LOST not in turn.sessions


async def test_killed_between_two_turns_it_is_seen_at_once(agent: Claude) -> None:
    os.kill(pid_of(agent), signal.SIGKILL)
    assert await agent.ended() == "SIGKILL"
    assert (await answered(agent, "hello"))[0].failure is Failure.OUTAGE


async def test_closed_in_the_middle_of_an_answer(agent: Claude) -> None:
    running = asyncio.create_task(answered(agent, "[[stall]]"))
    await asyncio.sleep(0)
    await agent.close()
    assert (await running)[0].status == "failed"
    assert not agent.running


# Bad programs


async def test_a_program_that_is_missing_is_told_with_how_to_install_it(make: Make) -> None:
    with pytest.raises(ConfigError) as error:
        await make(program=("no-claude-here",)).open("")
    assert str(error.value) == (
        "'no-claude-here', the program of agent 'claude', is not on PATH: "
        "install it with: npm install -g @anthropic-ai/claude-code"
    )


async def test_a_program_that_ends_at_once_says_why(make: Make) -> None:
    with pytest.raises(AgentFailed) as error:
        await make("--dead").open("")
    assert str(error.value) == "Claude Code ended (exit 1: Illegal instruction)."


async def test_a_version_that_lacks_an_option_is_too_old(make: Make) -> None:
    with pytest.raises(ConfigError, match="too old"):
        await make(program=("sh", "-c", "echo \"error: unknown option '--verbose'\" >&2; exit 1")).open("")


@pytest.mark.parametrize("program", [("cat",), ("yes", "no JSON"), ("sh", "-c", "exec yes >&2"), (*REPLICA, "--mute")])
async def test_another_program_altogether_holds_up_nothing(make: Make, program: tuple[str, ...]) -> None:
    agent = make(program=program)
    with pytest.raises((AgentFailed, TimeoutError)):
        async with asyncio.timeout(0.3):
            await agent.open("")
    await agent.close()
    assert not agent.running


async def test_lines_that_are_no_json_are_told_and_passed_over(agent: Claude) -> None:
    result, turn = await answered(agent, "[[garbage]]")
    assert (result.status, turn.text) == ("answered", "stub: turn 1: [[garbage]]")
    assert turn.remarks[0] == "Claude Code wrote what cannot be understood: Warning: this is no JSON"
    assert len(turn.remarks) == 3


async def test_lines_of_another_shape_are_passed_over(agent: Claude) -> None:
    result, turn = await answered(agent, "[[strange]]")
    assert (result.status, turn.text) == ("answered", "stub: turn 1: [[strange]]")


async def test_a_line_of_5_mb_is_a_line(agent: Claude) -> None:
    assert (await answered(agent, "[[line:5000000]]"))[1].text == "stub: turn 1: [[line:5000000]]"


async def test_a_line_without_end_is_the_end_of_the_program(agent: Claude) -> None:
    result, _ = await answered(agent, "[[line:20000000]]")
    assert (result.failure, result.error) == (
        Failure.OUTAGE,
        "Claude Code was lost: the agent wrote a line of more than 16 MiB.",
    )
    assert not agent.running


async def test_a_flood_beside_the_answer_holds_up_nothing(agent: Claude) -> None:
    result, turn = await answered(agent, "[[stderr:200000]]")
    assert result.status == "answered"
    assert turn.warnings.startswith("complaint 0\n")


async def test_a_request_nobody_knows_is_answered_with_an_error(agent: Claude) -> None:
    result, _ = await answered(agent, "[[ask:elicitation]]")
    assert "'subtype': 'error'" in result.error
    assert "This client does not know requests of type elicitation." in result.error


async def test_a_bot_streams_and_asks_like_any_other(launch: Launch, tmp_path: Path) -> None:
    bot = await launch(AgentSpec(name="claude", kind="claude", argv=REPLICA), HOME=str(tmp_path))
    assert text_of(await bot.answer("hello")) == "stub: turn 1: hello"
    sent = await bot.send('[[tool:Bash:{"command":"echo hi"}]]')
    async with bot.events(sent["seq"] - 1) as events:
        asked = (await events.until("asked"))[-1]
        await bot.http.post(
            f"/permissions/{asked['request']['request_id']}", json={"outcome": "allow_once", "by": "me"}
        )
        frames = await events.turn(sent["message_id"])
    assert text_of(frames) == "\n\ntool result: hi"
    assert frames[-1]["status"] == "answered"
