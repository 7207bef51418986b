"""Claude Code, one process for a whole conversation, fed line by line with JSON (`--input-format stream-json`).

It says nothing before its first turn, but answers `initialize` at once and without the network: so its start is known
to have worked, or not.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field, replace

from deia_tui.bot.agents.claude.process import Process
from deia_tui.bot.agents.claude.tools import Plan, subject_of, text_of
from deia_tui.bot.agents.claude.turn import Json, Reading
from deia_tui.bot.agents.claude.usage import TurnLedger
from deia_tui.bot.agents.companion import Companion
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.program import NotStarted
from deia_tui.bot.agents.protocol import AgentFailed, Opened, Turn, TurnResult
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Failure, PermissionOption

_ARGUMENTS = (
    *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
    *("--include-partial-messages", "--permission-prompt-tool", "stdio"),
)
_NOT_FOR_BOTS = ("AskUserQuestion", "ScheduleWakeup", "CronCreate", "CronDelete", "CronList")
"""Tools that need a dialog of their own, or begin turns that nobody asked for."""
_ENVIRONMENT = {
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # their end would begin a turn
    "CLAUDE_CODE_DISABLE_CRON": "1",
    "DISABLE_AUTOUPDATER": "1",
}
"""What is set unless the operator sets it otherwise."""
_INSTALL = "install it with: npm install -g @anthropic-ai/claude-code"
_INITIALIZE = "initialize"
_LOST_CONVERSATION = "No conversation found"
_GARBAGE_LINES = 20
"""So many lines that cannot be understood are shown of a process."""
_HOPELESS_LINES = 1000
"""So many of them in a row, and nothing sensible will come any more."""
_OPTIONS = (
    PermissionOption(option_id="allow", name="Allow once", kind="allow_once"),
    PermissionOption(option_id="always", name="Always allow", kind="allow_always"),
    PermissionOption(option_id="deny", name="Deny", kind="reject_once"),
)
_INTERRUPTED = TurnResult(status="interrupted", error="interrupted", stop_reason="cancelled")
_DENIED = "The user does not want this to be done."


@dataclass(slots=True)
class _Current:
    """The turn under way."""

    turn: Turn
    reading: Reading
    ended: asyncio.Future[TurnResult]
    is_cancelled: bool = False

    def end(self, result: TurnResult) -> None:
        """Only the first end counts."""
        if not self.ended.done():
            self.ended.set_result(result)


@dataclass(slots=True)
class Claude:
    means: Means
    _session: str = ""
    _is_told: bool = False
    """Whether the bot knows by what the conversation can be resumed: only once there is something to resume."""
    _process: Process | None = None
    _current: _Current | None = None
    _plan: Plan = field(default_factory=Plan)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.companion.running

    async def ended(self) -> str:
        if self._process is None:
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            return await never
        return await self._process.companion.ended()

    async def open(self, session: str) -> Opened:
        self.means.place.prepare()
        self._check_program()
        note = ""
        if session:
            try:
                await self._start("--resume", session)
                self._session, self._is_told = session, True
                return Opened(session=session, resumed=True)
            except AgentFailed as error:
                if _LOST_CONVERSATION not in str(error):
                    raise
                note = "Claude Code does not have the earlier conversation any more: a new one was begun."
        self._session, self._is_told, self._plan = str(uuid.uuid4()), False, Plan()
        await self._start("--session-id", self._session)
        return Opened(note=note)

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        process = self._process
        if process is None or not process.companion.running:
            return TurnResult(status="failed", error="Claude Code does not run.", failure=Failure.OUTAGE)
        reading = Reading(turn, self.means.place.folder, self._plan, TurnLedger(process.ledger, turn.usage))
        current = _Current(turn, reading, asyncio.get_running_loop().create_future())
        self._current = current
        try:
            with process.companion.turn(turn.warn):
                process.do(self._say(process, current, text))
                return await current.ended
        finally:
            self._current = None

    def cancel(self) -> None:
        if self._current and self._process:
            self._current.is_cancelled = True
            self._process.request("interrupt")

    async def close(self) -> None:
        if self._process:
            await self._process.close()
            self._lose(self._process, "Claude Code was closed.")

    # Start

    def _check_program(self) -> None:
        name = self._program[0]
        if lack := self.means.place.lack_of(name):
            raise ConfigError(f"'{name}', the program of agent '{self.means.spec.name}', {lack}: {_INSTALL}")

    @property
    def _program(self) -> tuple[str, ...]:
        return self.means.spec.argv or ("claude",)

    def _argv(self, *session: str) -> tuple[str, ...]:
        spec = self.means.spec
        model = ("--model", spec.model.removeprefix("anthropic/")) if spec.model else ()
        mode = ("--permission-mode", spec.mode) if spec.mode else ()
        tools = ("--disallowedTools", ",".join(_NOT_FOR_BOTS))
        return (*self._program, *_ARGUMENTS, *tools, *model, *mode, *session)

    async def _start(self, *session: str) -> None:
        means = self.means
        place = replace(means.place, env={**_ENVIRONMENT, **means.place.env})
        try:
            companion = await Companion.start(self._argv(*session), place, means.children, means.log)
        except NotStarted as error:
            raise AgentFailed(f"Claude Code was not started: {error}.") from error
        process = self._process = Process(companion, asyncio.get_running_loop().create_future())
        process.quiet.set()
        process.do(self._read(process))
        process.request(_INITIALIZE)
        try:
            await process.started
        except AgentFailed as error:
            await process.close()
            if "unknown option" in str(error):
                raise ConfigError(f"This version of Claude Code is too old: {_INSTALL}") from error
            raise

    # What it says

    async def _read(self, process: Process) -> None:
        why = ""
        try:
            while (line := await process.companion.line()) is not None:
                self._take(process, line)
        except AgentFailed as error:
            why = f"Claude Code was lost: {error}."
        await process.companion.close()
        self._lose(process, why or f"Claude Code ended ({await process.companion.ended()}).")

    def _take(self, process: Process, raw: bytes) -> None:
        try:
            self._understand(process, raw)
            process.garbage_now = 0
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            self._garbage(process, raw)

    def _understand(self, process: Process, raw: bytes) -> None:
        """Raises whatever a line leads to that is not as agreed."""
        match line := json.loads(raw):
            case {"type": "control_response", "response": {"request_id": "initialize"} as answer}:
                self._initialized(process, answer)
            case {"type": "control_request", "request_id": str() as id, "request": dict() as request}:
                self._requested(process, id, request)
            case {"type": "control_cancel_request", "request_id": str() as id} if id in process.asking:
                process.asking[id].cancel()
            case dict() if (current := self._current) and not current.ended.done() and process.quiet.is_set():
                self._take_in_turn(process, current, line)
            case {"type": "system", "subtype": "init"}:
                process.quiet.clear()
            case {"type": "result"}:
                process.quiet.set()
            case dict():
                return
            case _:
                raise ValueError("no object")

    def _take_in_turn(self, process: Process, current: _Current, line: Json) -> None:
        if not self._is_told:
            current.turn.session(self._session)
            self._is_told = True
        was_hopeless = current.reading.is_hopeless
        result = current.reading.take(line)
        if current.reading.is_hopeless and not was_hopeless:
            process.request("interrupt")
        if result:
            current.end(result)

    def _garbage(self, process: Process, raw: bytes) -> None:
        process.garbage += 1
        process.garbage_now += 1
        if process.garbage_now >= _HOPELESS_LINES:
            raise AgentFailed(f"it writes what is no JSON, '{raw[:80].decode(errors='replace')}'")
        if process.garbage > _GARBAGE_LINES:
            return
        said = f"Claude Code wrote what cannot be understood: {raw[:200].decode(errors='replace')}"
        self._current.turn.remark(said) if self._current else self.means.log(said)

    def _initialized(self, process: Process, answer: Json) -> None:
        if process.started.done():
            return
        if answer.get("subtype") == "success":
            process.started.set_result(None)
        else:
            process.started.set_exception(AgentFailed(f"Claude Code refuses to begin: {answer.get('error')}."))

    def _lose(self, process: Process, why: str) -> None:
        """There is nothing to wait for any more."""
        if not process.started.done():
            process.started.set_exception(AgentFailed(why))
        for asking in list(process.asking.values()):
            asking.cancel()
        if self._current and self._current.is_cancelled:
            self._current.end(_INTERRUPTED)
        elif self._current:
            self._current.end(TurnResult(status="failed", error=why, failure=Failure.OUTAGE))

    # What it is told

    async def _say(self, process: Process, current: _Current, text: str) -> None:
        await process.quiet.wait()
        if current.is_cancelled:
            current.end(_INTERRUPTED)
        else:
            message = {"role": "user", "content": text}
            process.post({"type": "user", "message": message, "parent_tool_use_id": None, "session_id": ""})

    def _requested(self, process: Process, id: str, request: Json) -> None:
        match request:
            case {"subtype": "can_use_tool", "tool_name": str() as tool, "input": dict() as given} if self._current:
                asking = process.do(self._ask(process, self._current.turn, id, tool, given))
                process.asking[id] = asking
                asking.add_done_callback(lambda _: process.asking.pop(id, None))
            case {"subtype": "can_use_tool"}:
                process.deny(id, "Nobody can be asked between two messages.")
            case _:
                what = f"This client does not know requests of type {request.get('subtype')}."
                process.refuse(id, what)

    async def _ask(self, process: Process, turn: Turn, id: str, tool: str, given: Json) -> None:
        title = subject_of(given, self.means.place.folder) or tool
        decision = await turn.ask(tool=tool, title=title, input=text_of(given), options=_OPTIONS)
        if decision.allows:
            process.allow(id, given)
        else:
            process.deny(id, decision.note or _DENIED)


def claude(means: Means) -> Claude:
    return Claude(means)
