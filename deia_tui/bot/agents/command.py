"""The agent for any program that takes a prompt and prints an answer: an argv template, never a shell."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted, Program, run
from deia_tui.bot.agents.protocol import Opened, Turn, TurnResult
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.turns import Failure
from deia_tui.folder import write_atomic


@dataclass(slots=True)
class CommandLine:
    """`prompt_file` is where prompts are put for an agent that wants them in a file."""

    spec: AgentSpec
    place: Place
    children: Children
    prompt_file: Path
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return True

    async def ended(self) -> str:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def open(self, session: str) -> Opened:
        if not self.spec.argv:
            raise ConfigError(f"Agent '{self.spec.name}' has no argv: declare its command line in hive.toml.")
        self.place.prepare()
        name = self.spec.argv[0]
        path = self.place.folder / name if "/" in name else name
        if shutil.which(path, path=self.place.env.get("PATH")) is None:
            where = "does not exist or cannot be executed" if "/" in name else "is not on PATH"
            raise ConfigError(f"'{name}', the program of agent '{self.spec.name}', {where}.")
        return Opened()

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        self._cancelled.clear()
        try:
            with self._program(text) as program:
                return await run(program, turn, cancelled=self._cancelled, children=self.children)
        except NotStarted as error:
            return TurnResult(status="failed", error=f"not run: {error}", failure=Failure.ERROR)
        except OSError as error:
            return TurnResult(
                status="failed", error=f"not run: the prompt cannot be written: {error.strerror}", failure=Failure.ERROR
            )

    def cancel(self) -> None:
        self._cancelled.set()

    async def close(self) -> None:
        self.cancel()

    @contextmanager
    def _program(self, prompt: str) -> Iterator[Program]:
        """The program for one prompt, and the prompt's file as long as it runs."""
        spec, place = self.spec, self.place
        program = Program(
            argv=spec.argv, cwd=place.folder, env=place.env, spools=place.spools, timeout_s=spec.timeout_s
        )
        match spec.prompt:
            case "stdin":
                yield replace(program, stdin=prompt.encode())
            case "argument":
                yield replace(program, argv=fill(spec.argv, "{prompt}", prompt))
            case "file":
                write_atomic(self.prompt_file, prompt.encode(), sync=False)
                try:
                    yield replace(program, argv=fill(spec.argv, "{prompt_file}", str(self.prompt_file)))
                finally:
                    self.prompt_file.unlink(missing_ok=True)


def command(means: Means) -> CommandLine:
    return CommandLine(means.spec, means.place, means.children, means.prompt_file)


def fill(argv: tuple[str, ...], placeholder: str, value: str) -> tuple[str, ...]:
    """`argv` with the placeholder replaced wherever it stands; where it does not, the value comes last."""
    if not any(placeholder in word for word in argv):
        return (*argv, value)
    return tuple(word.replace(placeholder, value) for word in argv)
