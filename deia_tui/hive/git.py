"""What git says of a repository: each question is one run of git that is bounded in time, has no terminal, no hooks and
nothing of the supervisor's own environment, and fails in one sentence."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deia_tui.core.errors import ConfigError
from deia_tui.inquiry import Answer, NoAnswer, ask

_QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "advice.detachedHead=false", "gc.auto=0")
_ENV = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "GIT_PAGER": "cat",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_LOOK_S = 20.0
CHECKOUT_S = 300.0
"""How long git may take to fill a worktree with files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A worktree as its repository knows it. `gone`: its folder is not there any more."""

    path: Path
    branch: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """git in the folder `at`. `env` is what it gets, without any GIT_*; it ends early once `stop` can be read."""

    at: Path
    env: Mapping[str, str]
    stop: int | None = None

    def within(self, folder: Path) -> "Git":
        return replace(self, at=folder)

    def ask(self, *words: str, timeout_s: float = _LOOK_S) -> Answer:
        """Raises ConfigError where there is no answer; a code other than 0 is one."""
        settings = [word for setting in _QUIET for word in ("-c", setting)]
        argv = ["git", "-C", str(self.at), *settings, *words]
        try:
            return ask(argv, env={**self.env, **_ENV}, timeout_s=timeout_s, stop=self.stop)
        except NoAnswer as reason:
            if shutil.which("git", path=self.env.get("PATH", "")) is None:
                raise ConfigError("git is not installed: install it, or set worktree = false.") from reason
            raise ConfigError(f"git {reason} in {self.at}.") from reason

    def tell(self, *words: str, timeout_s: float = _LOOK_S) -> str:
        """What it prints; raises ConfigError with git's reason where it fails."""
        answer = self.ask(*words, timeout_s=timeout_s)
        if answer.code:
            raise ConfigError(_sentence(self.at, answer))
        return answer.out.rstrip("\n")

    def says(self, *words: str) -> bool:
        """Its yes or no."""
        return self.ask(*words).code == 0

    def common(self) -> Path:
        """The folder all worktrees of the repository share: what tells it from others."""
        return (self.at / self.tell("rev-parse", "--git-common-dir")).resolve()

    def own(self) -> Path:
        """What belongs to this worktree alone."""
        return (self.at / self.tell("rev-parse", "--git-dir")).resolve()

    def entries(self) -> list[Entry]:
        listed = self.tell("worktree", "list", "--porcelain")
        return list(_entries(listed))


def _entries(listed: str) -> Iterator[Entry]:
    for block in listed.split("\n\n"):
        lines = dict(line.partition(" ")[::2] for line in block.splitlines())
        if "worktree" in lines:
            path = Path(lines["worktree"])
            branch = lines.get("branch", "").removeprefix("refs/heads/")
            yield Entry(path=path, branch=branch, gone=not path.exists())


def _sentence(at: Path, answer: Answer) -> str:
    """git's own reason, and what to do where that is known."""
    said = [line.strip() for line in answer.err.splitlines() if line.strip()]
    reason = next((line for line in said if line.startswith("fatal: ")), said[-1] if said else f"exit {answer.code}")
    reason = re.sub(r"^(fatal|error): ", "", reason).rstrip(".")
    for pattern, meaning in _KNOWN:
        if found := re.search(pattern, answer.err):
            return meaning(at, found)
    return f"git cannot do this in {at}: {reason}."


_KNOWN: tuple[tuple[str, Callable[[Path, re.Match[str]], str]], ...] = (
    (
        r"No space left on device|Disk quota exceeded",
        lambda at, found: f"No space is left for a worktree of {at}: free some, then launch again.",
    ),
    (
        r"(?:'|lock )(?P<lock>[^'\n]+?(?:\.lock)?)'?: File exists",
        lambda at, found: f"Another git works in {at}, or was killed there: if none runs, remove {_lock(found)}.",
    ),
    (
        r"dubious ownership",
        lambda at, found: f"{at} belongs to another user: 'git config --global --add safe.directory {at}' trusts it.",
    ),
    (
        r"not a git repository",
        lambda at, found: f"{at} is in no git repository: run 'git init' there, or name one as workdir.",
    ),
)


def _lock(found: re.Match[str]) -> str:
    lock = found["lock"].removeprefix("config file ")
    return lock if lock.endswith(".lock") else f"{lock}.lock"
