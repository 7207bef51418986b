"""Agent programs that are well known, so that nobody needs to declare them: how each is run, installed and logged in
to, and which versions of it were tried. Knows nothing about this machine; preflight looks there."""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`packages` are the npm packages it comes in, newest name first.

    It is logged in to when one of `keys` is set or one of `files` is there: (variable, default, name) is the file
    `name` in the folder the variable names, or the default. With `elsewhere` there are other ways that nobody sees from
    outside. `variables` (with them the keys) are handed on to it from the supervisor's environment. `tested` are the
    first and the last version that the tests with real programs were run with.
    """

    name: str
    kind: Literal["claude", "acp"]
    argv: tuple[str, ...]
    provider: str
    install: str
    login: str
    packages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    files: tuple[tuple[str, str, str], ...] = ()
    elsewhere: bool = False
    variables: tuple[str, ...] = ()
    tested: tuple[str, str] | None = None


_ANTHROPIC = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_CLAUDE_FILES = (("CLAUDE_CONFIG_DIR", "~/.claude", ".credentials.json"),)
_CLAUDE_VARIABLES = ("ANTHROPIC_*", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_MAX_*", "CLAUDE_CODE_DISABLE_*", "DISABLE_*")

PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="claude",
            kind="claude",
            argv=("claude",),
            provider="anthropic",
            install="npm install -g @anthropic-ai/claude-code",
            login="run 'claude' and '/login' there, or set ANTHROPIC_API_KEY",
            packages=("@anthropic-ai/claude-code",),
            keys=(*_ANTHROPIC, *_CLOUDS),
            files=_CLAUDE_FILES,
            variables=_CLAUDE_VARIABLES,
            tested=("2.1.197", "2.1.197"),
        ),
        Program(
            name="claude-agent-acp",
            kind="acp",
            argv=("claude-agent-acp",),
            provider="anthropic",
            install="npm install -g @agentclientprotocol/claude-agent-acp",
            login="run 'claude' and '/login' there, or set ANTHROPIC_API_KEY",
            packages=("@agentclientprotocol/claude-agent-acp", "@zed-industries/claude-agent-acp"),
            keys=(*_ANTHROPIC, *_CLOUDS),
            files=_CLAUDE_FILES,
            variables=_CLAUDE_VARIABLES,
            tested=("0.100.0", "0.100.0"),
        ),
        Program(
            name="codex-acp",
            kind="acp",
            argv=("codex-acp",),
            provider="openai",
            install="npm install -g @agentclientprotocol/codex-acp",
            login="run 'codex login', or set OPENAI_API_KEY",
            packages=("@agentclientprotocol/codex-acp", "@zed-industries/codex-acp"),
            keys=("OPENAI_API_KEY", "CODEX_API_KEY"),
            files=(("CODEX_HOME", "~/.codex", "auth.json"),),
            variables=("OPENAI_*", "CODEX_HOME"),
        ),
        Program(
            name="gemini",
            kind="acp",
            argv=("gemini", "--acp"),
            provider="google",
            install="npm install -g @google/gemini-cli",
            login="run 'gemini' and log in there, or set GEMINI_API_KEY",
            packages=("@google/gemini-cli",),
            keys=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"),
            files=(("GEMINI_CLI_HOME", "~", ".gemini/oauth_creds.json"),),
            variables=("GEMINI_*", "GOOGLE_*"),
        ),
        Program(
            name="opencode",
            kind="acp",
            argv=("opencode", "acp"),
            provider="opencode",
            install="npm install -g opencode-ai",
            login="run 'opencode auth login'",
            packages=("opencode-ai",),
            files=(("XDG_DATA_HOME", "~/.local/share", "opencode/auth.json"),),
            elsewhere=True,
            variables=("OPENCODE_*",),
        ),
        Program(
            name="goose",
            kind="acp",
            argv=("goose", "acp"),
            provider="goose",
            install="curl -fsSL https://github.com/block/goose/releases/download/stable/download_cli.sh | bash",
            login="run 'goose configure'",
            elsewhere=True,
            variables=("GOOSE_*",),
        ),
    )
}


def program_of(kind: str, argv: tuple[str, ...]) -> Program | None:
    """The well-known program that an agent of this kind runs."""
    named = PROGRAMS.get(argv[0].rpartition("/")[2]) if argv else None
    return named or (PROGRAMS["claude"] if kind == "claude" else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How an agent stands on this machine. `path` is "" where its program is not installed, `version` where nobody
    knows it; `logged_in` is None where nobody can tell, `login` is what tells that it is, or what to do; `install` is
    the command that installs it, or ""."""

    agent: str
    program: str
    path: str = ""
    version: str = ""
    tested: bool | None = None
    logged_in: bool | None = None
    login: str = ""
    install: str = ""

    def __str__(self) -> str:
        """For people, without what to do."""
        if not self.program:
            return f"{self.agent}: nothing to install"
        name = self.program if self.program == self.agent else f"{self.agent}: {self.program}"
        if not self.path:
            return f"{name} is not installed"
        return f"{name} {self.standing if self.version else f'of {self.standing}'}"

    @property
    def standing(self) -> str:
        """The same beside its name."""
        if not self.program:
            return "nothing to install"
        if not self.path:
            return "not installed"
        version = self.version or "unknown version"
        tested = {True: " (tested)", False: " (not tested with this version)", None: ""}[self.tested]
        login = {True: f", logged in ({self.login})", False: ", not logged in", None: ""}[self.logged_in]
        return f"{version}{tested}{login}"


def is_tested(program: Program, version: str) -> bool | None:
    """Is this version one of those that were tried, or between them? None where there were none."""
    if not version or program.tested is None:
        return None
    first, last = program.tested
    return _numbers(first) <= _numbers(version) <= _numbers(last)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
