"""Keeps an agent able to answer, whichever it is: opens it, opens it again when its program has died, and ends a turn
that does not end by itself. What the agent says of itself decides nothing here but `running` and `ended`."""

import asyncio
import traceback
from contextlib import suppress
from typing import Any, Literal

from deia_tui.bot.agents.protocol import Agent, AgentFailed, Opened, TurnResult
from deia_tui.bot.answer import Answer
from deia_tui.bot.children import Children
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.shortening import line
from deia_tui.bot.spool import Spool
from deia_tui.core.bots import AgentSpec
from deia_tui.core.turns import Failure

TRIES = 5
"""So often an agent is opened again without answering anything; then the bot ends, and its restart policy decides."""
_OPEN_S = 50.0
"""How long an agent may take to be able to answer: a bit less than what a bot has to start."""
_CANCEL_S = 0.7
"""How long a turn may go on once it was cancelled. Together with the end of its program that makes 2 s."""
_CLOSE_S = 2.0
_RETURN_S = 3.0
"""How long after the end of its program an adapter may take to return."""
_DEATH_S = 0.5
"""How long the end of a program and that of its turn, which come of each other, may be apart."""
_ALIVE_S = 60.0
"""An agent that ran as long as this is well."""

End = Literal["ended", "died", "interrupted", "silent"]
_TELLING = (Failure.AUTHENTICATION, Failure.OVERLOAD, Failure.REQUEST, Failure.BUDGET)
"""What an agent can say of a failure that explains its end, too."""


class Conversation:
    """`session` is the conversation to go on with, "" for a new one; `pause_s` is waited before the second of several
    tries to open an agent again, and twice as long before each after that."""

    def __init__(
        self,
        agent: Agent,
        spec: AgentSpec,
        spool: Spool,
        log: OutputLog,
        children: Children,
        *,
        session: str = "",
        pause_s: float = 1.0,
    ) -> None:
        self._agent = agent
        self._spec = spec
        self._spool = spool
        self._log = log
        self._children = children
        self._session = session
        self._pause_s = pause_s
        self._death: asyncio.Task[str] | None = None
        self._opened_at = 0.0
        self._tries = 0
        self._interrupted: asyncio.Future[None] | None = None
        self._answer: Answer | None = None
        self._left: frozenset[int] = frozenset()
        """Processes that earlier turns left running, which may go on when the agent dies."""

    @property
    def is_up(self) -> bool:
        """Can a message be answered?"""
        return self._agent.running and not (self._death and self._death.done())

    # Open

    async def open(self) -> None:
        """Be able to answer. Raises ConfigError or AgentFailed."""
        self._note_left()
        await self._open(is_again=False)

    async def reopen(self) -> None:
        """The same for one that died, at once, then after pauses. Raises ConfigError, or AgentFailed after TRIES."""
        self._note_death()
        while True:
            await self.close()
            if self._tries >= TRIES:
                raise AgentFailed(f"'{self._spec.name}' could not be kept running: its program ended {TRIES} times.")
            await asyncio.sleep(self._pause_s * 2 ** (self._tries - 1) if self._tries else 0)
            self._tries += 1
            try:
                return await self._open(is_again=True)
            except AgentFailed as error:
                self._degrade(f"it cannot be started again: {error}")

    async def _open(self, *, is_again: bool) -> None:
        try:
            async with asyncio.timeout(_OPEN_S):
                opened = await self._agent.open(self._session)
        except TimeoutError as error:
            raise AgentFailed(f"'{self._spec.name}' did not say within {_OPEN_S:.0f} s that it is ready.") from error
        self._opened_at = asyncio.get_running_loop().time()
        self._death = asyncio.create_task(self._agent.ended())
        if is_again or opened.session or opened.note:
            self._tell(opened)
        self._session = opened.session

    def _tell(self, opened: Opened) -> None:
        session = {"agent": self._spec.name, "session_id": opened.session, "resumed": opened.resumed}
        self._spool.add({"type": "session", **session, "note": line(opened.note)})

    # Close

    async def close(self) -> None:
        """End the agent's program and what came of it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._agent.close()
        if not self.is_up:
            await self._children.kill(spare=self._left)

    def _note_left(self) -> None:
        with suppress(OSError):  # out of file descriptors: as far as it was known before
            self._left = self._children.pids()

    async def rest(self, news: asyncio.Event) -> None:
        """Until there is news, or the agent has to be opened again."""
        noticed = asyncio.create_task(news.wait())
        await asyncio.wait({noticed, *filter(None, (self._death,))}, return_when=asyncio.FIRST_COMPLETED)
        noticed.cancel()

    # Turns

    async def turn(self, text: str, answer: Answer) -> TurnResult:
        """One message, answered or not."""
        self._answer = answer
        self._interrupted = asyncio.get_running_loop().create_future()
        prompt = asyncio.create_task(self._agent.prompt(text, answer))
        end = await self._end_of(prompt)
        if end in ("interrupted", "silent"):
            await self._cut(prompt, answer)
        elif end == "died":
            await asyncio.wait({prompt}, timeout=_DEATH_S)
        self._answer = self._interrupted = None
        result = self._judged(await self._result(prompt), end, self._patience_s(answer))
        if result.status == "answered":
            self._tries = 0
        if self.is_up:
            self._note_left()
        return result

    def interrupt(self) -> None:
        """End the turn under way."""
        if self._interrupted is not None and not self._interrupted.done():
            self._interrupted.set_result(None)

    def learn(self, session: str) -> None:
        """By what the conversation can be resumed, where the agent gets to know that in a turn."""
        if session != self._session:
            self._session = session
            self._tell(Opened(session=session))

    async def _end_of(self, prompt: asyncio.Task[TurnResult]) -> End:
        """Wait for the first thing that ends a turn."""
        assert self._interrupted and self._answer
        ends: set[asyncio.Future[Any]] = {prompt, self._interrupted, *filter(None, (self._death,))}
        while True:
            patience_s = self._patience_s(self._answer) - self._answer.silent_s
            if patience_s <= 0:
                return "silent"
            await asyncio.wait(ends, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if prompt.done():
                return "died" if await self._died_with(prompt) else "ended"
            if self._interrupted.done():
                return "interrupted"
            if self._death and self._death.done():
                return "died"

    def _patience_s(self, answer: Answer) -> float:
        """How long the agent may be silent: a tool that works says nothing."""
        return max(self._spec.idle_timeout_s, self._spec.timeout_s if answer.uses_a_tool else 0.0)

    async def _died_with(self, prompt: asyncio.Task[TurnResult]) -> bool:
        """A turn may end a moment before its program is seen to have ended."""
        is_cut = not prompt.exception() and prompt.result().failure is Failure.OUTAGE
        if self._death and (is_cut or not self._agent.running):
            await asyncio.wait({self._death}, timeout=_DEATH_S)
        return not self.is_up

    async def _cut(self, prompt: asyncio.Task[TurnResult], answer: Answer) -> None:
        """End the turn, if need be with the agent's program."""
        answer.cancel()
        self._agent.cancel()
        await asyncio.wait({prompt}, timeout=_CANCEL_S)
        if prompt.done():
            return
        closing = asyncio.create_task(self.close())
        await asyncio.wait({prompt}, timeout=_RETURN_S)
        await closing
        if not self.is_up:
            self._death, self._tries = None, 0
            self._degrade("it did not end its turn and is started again")

    async def _result(self, prompt: asyncio.Task[TurnResult]) -> TurnResult:
        """An adapter that raises or does not return has a fault, which concerns this turn only."""
        if not prompt.done():
            prompt.cancel()
            await asyncio.wait({prompt}, timeout=_RETURN_S)
        if not prompt.done() or prompt.cancelled():
            return TurnResult(status="failed", error="the agent did not end its turn", failure=Failure.OUTAGE)
        if error := prompt.exception():
            self._log.line("".join(traceback.format_exception(error)))
            said = f"the adapter of '{self._spec.name}' failed: {type(error).__name__}: {error}"
            return TurnResult(status="failed", error=line(said), failure=Failure.ERROR)
        return prompt.result()

    def _judged(self, result: TurnResult, end: End, patience_s: float) -> TurnResult:
        """What the turn came to, for whoever knows how it ended."""
        if result.status == "answered":
            return result
        match end:
            case "interrupted":
                return TurnResult(status="interrupted", error="interrupted", stop_reason="cancelled")
            case "silent":
                why = f"nothing came for {patience_s:g} s"
                return TurnResult(status="failed", error=why, failure=Failure.OUTAGE)
            case "died" if result.failure not in _TELLING:
                how = self._how()
                self._note_death()
                why = f"the agent's program ended in the middle of it ({how})"
                return TurnResult(status="failed", error=why, failure=Failure.OUTAGE)
            case _:
                return result

    # Death

    def _how(self) -> str:
        return line(self._death.result()) if self._death and self._death.done() else "nobody saw how"

    def _note_death(self) -> None:
        """Say it once; whoever lived long begins anew."""
        if self._death is None:
            return
        if asyncio.get_running_loop().time() - self._opened_at >= _ALIVE_S:
            self._tries = 0
        self._degrade(f"its program ended ({self._how()}) and is started again")
        self._death.cancel()
        self._death = None

    def _degrade(self, reason: str) -> None:
        self._log.line(f"{self._spec.name}: {reason}")
        self._spool.add({"type": "degraded", "reason": line(reason)})
