"""The agent for any program that takes a prompt and prints an answer, as text or in JSON lines: an argv template, never
a shell."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from deia_tui.bot.agents.jsonlines import JsonLines
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.program import NotStarted, Program, run
from deia_tui.bot.agents.protocol import Opened, Turn, TurnResult
from deia_tui.bot.children import Children
from deia_tui.core.bots import AgentSpec
from deia_tui.core.errors import ConfigError
from deia_tui.core.jsonl import Picker, picker
from deia_tui.core.turns import Failure
from deia_tui.folder import write_atomic

_SESSION = re.compile(r"[A-Za-z0-9_][!-~]{0,199}")
"""What can stand in a command line without being taken for an option."""


@dataclass(slots=True)
class CommandLine:
    """`prompt_file` is where prompts are put for an agent that wants them in a file."""

    spec: AgentSpec
    place: Place
    children: Children
    prompt_file: Path
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    _session: str = ""
    _picker: Picker | None = None

    @property
    def running(self) -> bool:
        return True

    async def ended(self) -> str:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def open(self, session: str) -> Opened:
        if not self.spec.argv:
            raise ConfigError(f"Agent '{self.spec.name}' has no argv: declare its command line in hive.toml.")
        if self.spec.output == "jsonl":
            self._picker = self._made_picker()
        self.place.prepare()
        name = self.spec.argv[0]
        if lack := self.place.lack_of(name):
            raise ConfigError(f"'{name}', the program of agent '{self.spec.name}', {lack}.")
        self._session = session if _SESSION.fullmatch(session) and self._resumes else ""
        return Opened(session=self._session, resumed=bool(self._session))

    async def prompt(self, text: str, turn: Turn) -> TurnResult:
        self._cancelled.clear()
        lines = JsonLines(turn, self._picker, self._learn) if self._picker else None
        try:
            with self._program(text) as program:
                result = await run(program, lines or turn, cancelled=self._cancelled, children=self.children)
        except NotStarted as error:
            return TurnResult(status="failed", error=f"not run: {error}", failure=Failure.ERROR)
        except OSError as error:
            return TurnResult(
                status="failed", error=f"not run: the prompt cannot be written: {error.strerror}", failure=Failure.ERROR
            )
        return lines.finish(result) if lines else result

    def cancel(self) -> None:
        self._cancelled.set()

    async def close(self) -> None:
        self.cancel()

    @property
    def _resumes(self) -> bool:
        return any("{session}" in word for word in self.spec.argv)

    def _learn(self, session: str) -> bool:
        """Can the next prompt go on with this conversation?"""
        if not self._resumes or not _SESSION.fullmatch(session):
            return False
        self._session = session
        return True

    def _made_picker(self) -> Picker:
        try:
            return picker(self.spec.fields)
        except ValueError as error:
            raise ConfigError(f"The fields of agent '{self.spec.name}' in hive.toml: {error}.") from error

    @contextmanager
    def _program(self, prompt: str) -> Iterator[Program]:
        """The program for one prompt, and the prompt's file as long as it runs."""
        spec, place = self.spec, self.place
        argv = resumed(spec.argv, self._session)
        program = Program(argv=argv, cwd=place.folder, env=place.env, spools=place.spools, timeout_s=spec.timeout_s)
        match spec.prompt:
            case "stdin":
                yield replace(program, stdin=prompt.encode())
            case "argument":
                yield replace(program, argv=fill(argv, "{prompt}", prompt))
            case "file":
                write_atomic(self.prompt_file, prompt.encode(), sync=False)
                try:
                    yield replace(program, argv=fill(argv, "{prompt_file}", str(self.prompt_file)))
                finally:
                    self.prompt_file.unlink(missing_ok=True)


def command(means: Means) -> CommandLine:
    return CommandLine(means.spec, means.place, means.children, means.prompt_file)


def resumed(argv: tuple[str, ...], session: str) -> tuple[str, ...]:
    """`argv` with `{session}` replaced; without a session that word is left out, and if it is nothing but that, the one
    before it, too."""
    if session:
        return tuple(word.replace("{session}", session) for word in argv)
    words: list[str] = []
    for word in argv:
        if word == "{session}":
            del words[max(1, len(words) - 1) :]
        elif "{session}" not in word:
            words.append(word)
    return tuple(words)


def fill(argv: tuple[str, ...], placeholder: str, value: str) -> tuple[str, ...]:
    """`argv` with the placeholder replaced wherever it stands; where it does not, the value comes last."""
    if not any(placeholder in word for word in argv):
        return (*argv, value)
    return tuple(word.replace(placeholder, value) for word in argv)
