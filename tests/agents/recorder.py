"""A turn that remembers what an agent does in it, and answers what it asks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from deia_tui.bot.agents.protocol import Agent, Decision, TurnResult
from deia_tui.core.turns import Diff, OptionKind, PermissionOption, PlanEntry, ToolCall, Usage

DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    tool: str
    title: str
    input: str
    kinds: tuple[OptionKind, ...]


@dataclass
class Recorder:
    """`decide` answers; `wrote` is set with every piece of text, `asked` with every question."""

    decide: Callable[[Question], Awaitable[tuple[OptionKind | None, str]]] | None = None
    text: str = ""
    warnings: str = ""
    remarks: list[str] = field(default_factory=list)
    thoughts: str = ""
    tools: list[ToolCall] = field(default_factory=list)
    plans: list[tuple[PlanEntry, ...]] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    wrote: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    troubled: asyncio.Event = field(default_factory=asyncio.Event)

    def output(self, data: bytes) -> None:
        self.text += data.decode()
        self.wrote.set()

    def warn(self, data: bytes) -> None:
        self.warnings += data.decode(errors="replace")

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)

    def drop(self, count: int) -> None:
        raise AssertionError("an agent that is kept drops nothing")

    def thought(self, text: str) -> None:
        self.thoughts += text

    def tool(self, call: ToolCall) -> None:
        self.tools.append(call)

    def plan(self, entries: Sequence[PlanEntry]) -> None:
        self.plans.append(tuple(entries))

    def usage(self, usage: Usage) -> None:
        self.usages.append(usage)

    def degraded(self, reason: str) -> None:
        self.troubles.append(reason)
        self.troubled.set()

    def session(self, session: str) -> None:
        self.sessions.append(session)

    async def ask(self, *, tool: str, title: str, input: str, options: Sequence[PermissionOption]) -> Decision:
        question = Question(tool, title, input, tuple(option.kind for option in options))
        self.questions.append(question)
        self.asked.set()
        assert self.decide is not None, question
        kind, note = await self.decide(question)
        return Decision(option=next((option for option in options if option.kind == kind), None), note=note)

    # What was seen, summed up

    @property
    def calls(self) -> list[tuple[str, str]]:
        """(title, status) of the tools, in the order in which they came to be so."""
        return [(call.title, call.status) for call in self.tools]

    @property
    def diffs(self) -> list[Diff]:
        return [diff for call in self.tools[-1:] for diff in call.diffs]

    @property
    def tokens(self) -> tuple[int, int]:
        return sum(usage.input_tokens for usage in self.usages), sum(usage.output_tokens for usage in self.usages)

    @property
    def cost_usd(self) -> float:
        return sum(usage.cost_usd or 0.0 for usage in self.usages)


def deciding(kind: OptionKind | None, note: str = "") -> Recorder:
    async def decide(question: Question) -> tuple[OptionKind | None, str]:
        return kind, note

    return Recorder(decide)


def undecided() -> Recorder:
    """Nobody answers what is asked."""

    async def decide(question: Question) -> tuple[OptionKind | None, str]:
        never: asyncio.Future[tuple[OptionKind | None, str]] = asyncio.get_running_loop().create_future()
        return await never

    return Recorder(decide)


async def answered(agent: Agent, text: str, turn: Recorder | None = None) -> tuple[TurnResult, Recorder]:
    turn = turn or Recorder()
    async with asyncio.timeout(DEADLINE_S):
        return await agent.prompt(text, turn), turn


async def cancelled(
    agent: Agent, text: str, when: Callable[[Recorder], asyncio.Event], turn: Recorder | None = None
) -> tuple[TurnResult, Recorder, float]:
    """The turn, cancelled as soon as what `when` names happened, and the seconds from there to its end."""
    turn = turn or Recorder()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        running = asyncio.create_task(agent.prompt(text, turn))
        await when(turn).wait()
        at = loop.time()
        agent.cancel()
        result = await running
    return result, turn, loop.time() - at
