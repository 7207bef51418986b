"""The agent that needs nothing installed: a message is a command line, run in the bot's workspace. A plain one runs as
it is; for one that needs a shell, or is risky, leave is asked, and then bash runs it."""

import asyncio
from dataclasses import dataclass, field

from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted, Program, run
from deia_tui.bot.agents.protocol import Opened, Turn, TurnResult
from deia_tui.bot.children import Children
from deia_tui.core.risk import Plain, judge
from deia_tui.core.turns import Failure, PermissionOption

_OPTIONS = (
    PermissionOption(option_id="once", name="Run it", kind="allow_once"),
    PermissionOption(option_id="always", name="Run it, and such commands from now on", kind="allow_always"),
    PermissionOption(option_id="no", name="Do not run it", kind="reject_once"),
)


@dataclass(slots=True)
class Shell:
    place: Place
    children: Children
    timeout_s: float
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return True

    async def ended(self) -> str:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def open(self, session: str) -> Opened:
        self.place.prepare()
        return Opened()

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        self._cancelled.clear()
        verdict = judge(text)
        if isinstance(verdict, Plain):
            return await self._run(verdict.argv, turn)
        if "\0" in text:
            return _refused(verdict.reason)
        decision = await turn.ask(
            tool="shell", title=f"{text.strip()} ({verdict.reason})", input=text, options=_OPTIONS
        )
        if decision.allows:
            return await self._run(("bash", "-c", text), turn)
        if decision.option is None:
            return TurnResult(status="interrupted", error="interrupted")
        return _refused(f"denied ({verdict.reason})" + (f": {decision.note}" if decision.note else ""))

    async def _run(self, argv: tuple[str, ...], turn: Turn) -> TurnResult:
        place = self.place
        program = Program(argv=argv, cwd=place.folder, env=place.env, spools=place.spools, timeout_s=self.timeout_s)
        try:
            return await run(program, turn, cancelled=self._cancelled, children=self.children)
        except NotStarted as error:
            return _refused(str(error))

    def cancel(self) -> None:
        self._cancelled.set()

    async def close(self) -> None:
        self.cancel()


def shell(means: Means) -> Shell:
    return Shell(means.place, means.children, means.spec.timeout_s)


def _refused(reason: str) -> TurnResult:
    return TurnResult(status="failed", error=f"not run: {reason}", failure=Failure.REQUEST)
