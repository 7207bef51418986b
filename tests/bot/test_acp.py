"""Agents that speak the Agent Client Protocol: a real program that does what the prompt says, well or badly."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from acp.schema import PromptResponse

from deia_tui.bot.agents.acp.adapter import Acp
from deia_tui.bot.agents.acp.tokens import usages_of
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.protocol import AgentFailed, Decision, Opened, TurnResult
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Diff, Failure, OptionKind, PermissionOption, PlanEntry, ToolCall, Usage

from .conftest import DEADLINE_S, Launch, logs_of, text_of

AGENT = (sys.executable, "-S", str(Path(__file__).parent.parent / "agents" / "acp_agent.py"))


@dataclass
class Record:
    """A turn that keeps what is said, and answers requests for leave with `answer`: a kind of option, "never" or None
    for a turn that is cancelled."""

    answer: OptionKind | str | None = None
    note: str = ""
    said: bytearray = field(default_factory=bytearray)
    warned: bytearray = field(default_factory=bytearray)
    remarks: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    plans: list[tuple[PlanEntry, ...]] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.said.decode()

    def output(self, data: bytes) -> None:
        self.said += data

    def warn(self, data: bytes) -> None:
        self.warned += data

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)

    def drop(self, count: int) -> None:
        raise AssertionError("nothing is dropped")

    def thought(self, text: str) -> None:
        self.thoughts.append(text)

    def tool(self, call: ToolCall) -> None:
        self.calls.append(call)

    def plan(self, entries: Sequence[PlanEntry]) -> None:
        self.plans.append(tuple(entries))

    def usage(self, usage: Usage) -> None:
        self.usages.append(usage)

    def degraded(self, reason: str) -> None:
        self.remarks.append(reason)

    async def ask(self, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]) -> Decision:
        self.asked.append((tool, title, input))
        if self.answer == "never":
            await asyncio.get_running_loop().create_future()
        return Decision(option=next((each for each in options if each.kind == self.answer), None), note=self.note)


@dataclass
class Driven:
    acp: Acp
    opened: Opened
    logged: list[str]

    async def ask(self, text: str, **turn: Any) -> tuple[Record, TurnResult]:
        record = Record(**turn)
        async with asyncio.timeout(DEADLINE_S):
            return record, await self.acp.prompt(text, record)


Drive = Callable[..., Awaitable[Driven]]


@pytest.fixture
async def drive(tmp_path: Path) -> AsyncIterator[Drive]:
    """Start the agent with these options; afterwards nothing is left of it, not even a task."""
    before = len(asyncio.all_tasks())
    started: list[Acp] = []

    async def drive(
        *options: str, argv: tuple[str, ...] = AGENT, session: str = "", patience_s: float = DEADLINE_S, **spec: Any
    ) -> Driven:
        logged: list[str] = []
        means = Means(
            spec=AgentSpec(name="mine", kind="acp", argv=(*argv, *options), **spec),
            place=Place(folder=tmp_path, own=False, spools=tmp_path, env={"PATH": "/usr/bin:/bin", "MARK": "here"}),
            children=Children(),
            prompt_file=tmp_path / "prompt",
            log=logged.append,
        )
        acp = Acp(means, patience_s=patience_s)
        started.append(acp)
        async with asyncio.timeout(DEADLINE_S):
            return Driven(acp, await acp.open(session), logged)

    yield drive
    for acp in started:
        await acp.close()
        assert not acp.running
    async with asyncio.timeout(DEADLINE_S):
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0.005)


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_answer_with_everything_an_agent_can_do(drive: Drive) -> None:
    driven = await drive(model="any/large", mode="act")
    marks = "[[think:hm]][[plan:look,leap]][[say:héllo ]][[tool:Bash:ls -l]][[diff:a.txt:old:new]][[who]][[env:MARK]]"
    record, result = await driven.ask(marks)
    assert result == TurnResult(status="answered", stop_reason="end_turn")
    assert record.text == "héllo large, acthere"
    assert record.thoughts == ["hm"]
    assert record.plans == [
        (
            PlanEntry(content="look", status="completed", priority="high"),
            PlanEntry(content="leap", status="pending", priority="high"),
        )
    ]
    ls = ToolCall(
        call_id="call-1",
        tool="Bash",
        title="Bash ls -l",
        kind="execute",
        status="pending",
        input='{"command": "ls -l"}',
    )
    assert record.calls[0] == ls
    assert [call.status for call in record.calls[:3]] == ["pending", "in_progress", "completed"]
    assert (record.calls[2].input, record.calls[2].output, record.calls[2].tool) == (ls.input, "Bash did ls -l", "Bash")
    assert (record.calls[-1].title, record.calls[-1].kind) == ("Edit a.txt", "edit")
    assert record.calls[-1].diffs == (Diff(path="a.txt", old="old", new="new"),)


async def test_the_conversation_goes_on_from_turn_to_turn(drive: Drive) -> None:
    driven = await drive()
    assert (await driven.ask("one"))[0].text == "You said: one"
    assert (await driven.ask("[[recall]]"))[0].text == "one"
    assert driven.acp.running


async def test_tokens_and_costs_are_those_of_the_turn(drive: Drive) -> None:
    driven = await drive(model="small")
    assert (await driven.ask("[[usage:10:5:100]][[cost:0.5]]"))[0].usages == [
        Usage(model="small", input_tokens=10, output_tokens=5, cache_read_tokens=100, cost_usd=0.5)
    ]
    assert (await driven.ask("[[cost:0.75]]"))[0].usages == [Usage(model="small", cost_usd=0.25)]
    assert (await driven.ask("[[cost:0.25]][[error:1:no]]"))[0].usages == [Usage(model="small", cost_usd=0.25)]
    assert (await driven.ask("[[quota:gem:7:3]]"))[0].usages == [Usage(model="gem", input_tokens=7, output_tokens=3)]
    assert (await driven.ask("nothing is told"))[0].usages == []


@pytest.mark.parametrize(
    ("meta", "usages"),
    [
        (
            {
                "model": "m",
                "token_count": {"totalTokens": 15, "inputTokens": 10, "cachedInputTokens": 8, "outputTokens": 5},
            },
            Usage(model="m", input_tokens=2, output_tokens=5, cache_read_tokens=8, cost_usd=1.0),
        ),
        (
            {"token_count": {"totalTokens": 15, "inputTokens": 2, "outputTokens": 5, "reasoningOutputTokens": 8}},
            Usage(model="?", input_tokens=2, output_tokens=13, cost_usd=1.0),
        ),
        ({"token_count": {"inputTokens": "many"}}, Usage(model="?", cost_usd=1.0)),
        ({"token_count": 7}, Usage(model="?", cost_usd=1.0)),
        ("nothing", Usage(model="?", cost_usd=1.0)),
    ],
    ids=["with cache", "without thoughts", "text", "number", "no object"],
)
def test_tokens_are_counted_once(meta: Any, usages: Usage) -> None:
    response = PromptResponse(stop_reason="end_turn", field_meta={"quota": {"model_usage": [meta]}})
    assert usages_of(response, 1.0, "?") == [usages]


def test_a_cost_is_shared_by_the_models_it_was_for() -> None:
    counts = [{"model": name, "token_count": {"inputTokens": tokens}} for name, tokens in (("a", 30), ("b", 10))]
    response = PromptResponse(stop_reason="end_turn", field_meta={"quota": {"model_usage": counts}})
    assert [(usage.model, usage.cost_usd) for usage in usages_of(response, 4.0, "")] == [("a", 3.0), ("b", 1.0)]


@pytest.mark.parametrize(("how", "model", "says"), [("option", "large", "large"), ("method", "x/y/large", "large")])
async def test_the_model_is_passed_on(drive: Drive, how: str, model: str, says: str) -> None:
    driven = await drive("--models", how, model=model)
    assert (await driven.ask("[[who]]"))[0].text.startswith(says)


async def test_an_agent_that_lets_nobody_choose_is_told_of(drive: Drive) -> None:
    driven = await drive("--models", "", model="large")
    assert driven.logged == ["Agent 'mine' lets nobody choose its model: 'large' was not passed on."]


@pytest.mark.parametrize("method", [(), ("--no-resume", "--load")], ids=["resume", "load"])
async def test_a_session_is_gone_on_with(drive: Drive, tmp_path: Path, method: tuple[str, ...]) -> None:
    store = ("--store", str(tmp_path / "sessions"))
    former = await drive(*store)
    await former.ask("remember me")
    await former.acp.close()
    driven = await drive(*store, *method, session=former.opened.session)
    assert driven.opened == Opened(session=former.opened.session, resumed=True)
    record, _ = await driven.ask("[[recall]]")
    assert record.text == "remember me", "and nothing of what was replayed"


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ((), "The conversation cannot be resumed (Resource not found"),
        (("--no-resume", "--load"), "The conversation cannot be resumed (Resource not found"),
        (("--no-resume",), "This agent cannot go on with an earlier conversation: a new one begins."),
    ],
)
async def test_a_new_conversation_says_that_it_is_one(drive: Drive, options: tuple[str, ...], note: str) -> None:
    driven = await drive(*options, session="forgotten")
    assert driven.opened.note.startswith(note)
    assert not driven.opened.resumed
    assert driven.opened.session not in ("", "forgotten")
    assert (await driven.ask("hello"))[1].status == "answered"


@pytest.mark.parametrize(
    ("answer", "option"),
    [("allow_once", "once"), ("allow_always", "always"), ("reject_once", "no"), (None, "cancelled")],
)
async def test_leave_is_asked_for_and_answered_by_kind(drive: Drive, answer: OptionKind | None, option: str) -> None:
    driven = await drive()
    record, result = await driven.ask("[[ask:Bash:rm x]]", answer=answer)
    assert record.asked == [("Bash", "Bash rm x", '{"command": "rm x"}')]
    assert record.text == f"[{option}]"
    assert record.calls[-1].status == ("completed" if option in ("once", "always") else "failed")
    assert result.status == "answered"


async def test_a_word_that_cannot_be_passed_on_is_told_of(drive: Drive) -> None:
    record, _ = await (await drive()).ask("[[ask:Bash:rm x]]", answer="reject_once", note="use mv")
    assert record.remarks == ["The agent is not told why, its protocol has no words for that: use mv"]


@pytest.mark.parametrize(
    "mark", ["[[say:begun]][[slow:100000]]", "[[say:begun]][[hang]]", "[[say:begun]][[ask:Bash:x]]"]
)
async def test_an_interrupt_ends_the_turn_and_keeps_the_agent(drive: Drive, mark: str) -> None:
    driven = await drive()
    record = Record(answer="never")
    turn = asyncio.create_task(driven.acp.prompt(mark, record))
    await eventually(lambda: record.asked if "ask" in mark else record.said)
    driven.acp.cancel()
    driven.acp.cancel()
    async with asyncio.timeout(DEADLINE_S):
        result = await turn
    assert (result.status, result.error) == ("interrupted", "interrupted")
    assert driven.acp.running
    if "ask" in mark:
        assert record.text == "begun[cancelled]", "it was answered before it was cancelled"
    driven.acp.cancel()
    assert (await driven.ask("next"))[1].status == "answered"


async def test_an_agent_that_does_not_listen_is_ended_in_time(drive: Drive) -> None:
    driven = await drive()
    record = Record()
    turn = asyncio.create_task(driven.acp.prompt("[[say:begun]][[deaf]]", record))
    await eventually(lambda: record.said)
    driven.acp.cancel()
    await driven.acp.close()
    assert (await turn).status == "interrupted"


@pytest.mark.parametrize(
    ("mark", "failure", "retry_after_s", "error"),
    [
        ("[[error:-32000:Authentication required]]", Failure.AUTHENTICATION, None, "Authentication required"),
        ('[[error:-32603:{"details": "API Error: 401 Invalid x-api-key"}]]', Failure.AUTHENTICATION, None, "401"),
        ('[[error:-32603:{"details": "Your credit balance is too low"}]]', Failure.BUDGET, None, "credit"),
        ("[[error:402:Payment Required]]", Failure.BUDGET, None, "Payment"),
        ('[[error:-32603:{"errorKind": "rate_limit", "status": 429, "retry_after": 7}]]', Failure.OVERLOAD, 7.0, "429"),
        ("[[error:429:Rate limit exceeded. Please try again in 1.5s.]]", Failure.OVERLOAD, 1.5, "try again"),
        ('[[error:-32603:{"details": "API Error: 529 Overloaded"}]]', Failure.OVERLOAD, None, "Overloaded"),
        ('[[error:-32603:{"details": "API Error: 500 upset"}]]', Failure.OUTAGE, None, "500"),
        ('[[error:-32603:{"details": "API Error: 400 prompt is too long"}]]', Failure.REQUEST, None, "too long"),
        ("[[error:-32602:Invalid params]]", Failure.REQUEST, None, "Invalid params"),
        ("[[error:503:upset]]", Failure.OUTAGE, None, "upset"),
        ("[[error:1234:something else]]", Failure.ERROR, None, "something else"),
        ("[[stop:refusal]]", Failure.REQUEST, None, "the model refused to answer"),
        ("[[say:unexpected status 401 Unauthorized: no key]]", Failure.AUTHENTICATION, None, "401"),
        ("[[say:stream disconnected before completion: error sending request]]", Failure.OUTAGE, None, "stream"),
        ("[[stop:of the world]]", Failure.ERROR, None, "the agent answered a prompt with what is no answer to one"),
    ],
)
async def test_a_failure_is_of_a_kind(
    drive: Drive, mark: str, failure: Failure, retry_after_s: float | None, error: str
) -> None:
    driven = await drive()
    _, result = await driven.ask(mark)
    assert (result.status, result.failure, result.retry_after_s) == ("failed", failure, retry_after_s)
    assert error in result.error
    assert "\n" not in result.error
    assert driven.acp.running
    assert (await driven.ask("next"))[1].status == "answered"


@pytest.mark.parametrize(
    "answer",
    ["Error: you asked me to say this", "There are 401 errors in this log.", "[[usage:1:1:0]][[say:error 500 it is]]"],
)
async def test_an_answer_about_errors_is_none(drive: Drive, answer: str) -> None:
    text = answer if answer.startswith("[[") else f"[[say:{answer}]]"
    assert (await (await drive()).ask(text))[1].status == "answered"


@pytest.mark.parametrize("code", [-32603, -32002])
async def test_an_agent_whose_inner_process_died_is_lost(drive: Drive, code: int) -> None:
    driven = await drive()
    _, result = await driven.ask(f"[[error:{code}:Internal error]]")
    assert (result.status, result.failure) == ("failed", Failure.OUTAGE)
    assert not driven.acp.running
    assert await driven.acp.ended() == "it lost the process behind it: Internal error"


@pytest.mark.parametrize(
    ("mark", "error"),
    [
        ("[[say:begun]][[die:3]]", "the agent ended (exit 3: it went wrong)"),
        ("[[garbage:1000]][[hang]]", "the agent does not speak the Agent Client Protocol, it writes 'garbage 99'"),
        ("[[endless:40000000]][[hang]]", "the agent wrote a line of more than 16 MiB"),
    ],
)
async def test_what_cannot_go_on_is_told_at_once(drive: Drive, mark: str, error: str) -> None:
    driven = await drive()
    _, result = await driven.ask(mark)
    assert result == TurnResult(status="failed", error=error, failure=Failure.OUTAGE)
    assert not driven.acp.running
    async with asyncio.timeout(DEADLINE_S):
        assert await driven.acp.ended() in error


async def test_oddities_are_passed_over(drive: Drive) -> None:
    driven = await drive()
    record, result = await driven.ask("[[garbage:50]][[odd]][[big:5000000]][[stderr:3000000]]")
    assert result.status == "answered"
    assert len(record.said) == len("[]") + 5_000_000, "what it asks for and we do not have is refused"
    assert 0 < len(record.warned) < 1_000_000
    assert driven.logged == ["The agent wrote what is no message of the protocol: garbage 0"]
    assert (await driven.ask("next"))[0].text == "You said: next"


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        (
            {"options": ("--protocol", "9")},
            ConfigError,
            "Agent 'mine' speaks version 9 of the Agent Client Protocol, and not 1: install a version of",
        ),
        (
            {"options": ("--logged-out",)},
            ConfigError,
            "Agent 'mine' is not logged in (Authentication required: run acp-agent login): log in with",
        ),
        ({"options": ("--mute",), "patience_s": 0.2}, AgentFailed, "Agent 'mine' did not answer 'initialize' within"),
        (
            {"argv": ("sh", "-c", "echo no model >&2; exit 4")},
            AgentFailed,
            "Agent 'mine' cannot begin: the agent ended",
        ),
        (
            {"argv": ("yes",)},
            AgentFailed,
            "Agent 'mine' cannot begin: the agent does not speak the Agent Client Protocol",
        ),
        ({"argv": ("cat",)}, AgentFailed, "Agent 'mine' cannot begin: Method not found"),
        ({"argv": ("no-such-program",)}, ConfigError, "Agent 'mine' cannot start: 'no-such-program' is not on PATH."),
        ({"argv": ()}, ConfigError, "Agent 'mine' has no argv: declare its command line in hive.toml."),
        ({"argv": ("x", "{model}")}, ConfigError, "Agent 'mine' needs a model for its command line"),
        ({"model": "huge"}, ConfigError, "Agent 'mine' offers no model 'huge', only small, large."),
        ({"mode": "fly"}, ConfigError, "Agent 'mine' offers no mode 'fly', only ask, act."),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
async def test_what_cannot_begin_says_why(drive: Drive, options: dict[str, Any], error: Any, sentence: str) -> None:
    with pytest.raises(error) as refusal:
        await drive(*options.pop("options", ()), **options)
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)


async def test_a_bot_drives_it_and_imports_nothing_for_it(launch: Launch) -> None:
    bot = await launch(AgentSpec(name="mine", kind="acp", argv=AGENT, mode="act"))
    sent = await bot.send("[[think:hm]][[plan:a,b]][[ask:Bash:ls]][[cost:0.5]][[usage:1:2:3]]")
    async with bot.events(sent["seq"] - 1) as events:
        frames = await events.until("asked")
        request = frames[-1]["request"]
        assert (request["tool"], [option["kind"] for option in request["options"]]) == (
            "Bash",
            ["allow_once", "allow_always", "reject_once"],
        )
        reply = await bot.http.post(
            f"/permissions/{request['request_id']}", json={"outcome": "allow_once", "by": "test", "note": ""}
        )
        assert reply.status_code < 300, reply.text
        frames += await events.turn(sent["message_id"])
    assert {"thought", "plan", "tool", "asked", "answered", "usage", "output"} <= {frame["type"] for frame in frames}
    assert text_of(frames) == "[once]"
    assert frames[-1]["status"] == "answered"
    assert logs_of(frames) == []
    failed = await bot.answer("[[error:-32602:no]]")
    assert (failed[-1]["status"], failed[-1]["failure"]) == ("failed", "request")
    await bot.http.post("/stop")
    assert bot.wait() == 0
    assert bot.modules.read_text() == "[]"
    assert "Traceback" not in bot.log()
