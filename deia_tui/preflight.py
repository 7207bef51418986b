"""Which agents could run here: is the program there, which version, tried or not, logged in or not, and what to do.

Asks nobody over the network. A program is only run to tell its version, bounded in time, and once as long as it does
not change; whoever cannot wait gets what is known by then.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deia_tui.core.bots import AgentSpec
from deia_tui.core.programs import Program, Readiness, is_tested, program_of
from deia_tui.inquiry import NoAnswer, ask

PATIENCE_S = 3.0
"""For each program; all are asked at once."""
_AT_ONCE = 8
_NEAR = 4
"""In how many folders above a program its package.json is looked for."""

Agent = tuple[AgentSpec, Mapping[str, str]]
"""With the environment it would get."""


class Preflight:
    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._versions: dict[tuple[str, int], str] = {}

    def known(self, agents: Iterable[Agent]) -> dict[str, Readiness]:
        """By agent, what can be said at once."""
        return {agent.name: self._readiness(agent, env, self._remembered) for agent, env in agents}

    def look(self, agents: Iterable[Agent]) -> dict[str, Readiness]:
        """By agent, with versions: blocks as long as the most silent one is waited for."""

        def look_at(agent: Agent) -> Readiness:
            return self._readiness(*agent, self._ask)

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="preflight") as threads:
            return {found.agent: found for found in threads.map(look_at, agents)}

    def _readiness(
        self, agent: AgentSpec, env: Mapping[str, str], version_of: Callable[[Path, Program, Mapping[str, str]], str]
    ) -> Readiness:
        if not agent.argv:
            return Readiness(agent=agent.name, program="")
        program = program_of(agent.kind, agent.argv)
        path = shutil.which(agent.argv[0], path=env.get("PATH", "")) or ""
        if program is None:
            return Readiness(agent=agent.name, program=agent.argv[0], path=path)
        version = version_of(Path(path), program, env) if path else ""
        logged_in, login = _login(program, env)
        return Readiness(
            agent=agent.name,
            program=agent.argv[0],
            path=path,
            version=version,
            tested=is_tested(program, version),
            logged_in=logged_in,
            login=login,
            install=program.install,
        )

    def _remembered(self, path: Path, program: Program, env: Mapping[str, str]) -> str:
        return self._versions.get(_as_it_is(path), "")

    def _ask(self, path: Path, program: Program, env: Mapping[str, str]) -> str:
        as_it_is = _as_it_is(path)
        if as_it_is not in self._versions:
            try:
                self._versions[as_it_is] = _packaged(path, program) or _said(path, env, self._patience_s)
            except NoAnswer:
                return ""  # it may have been busy
        return self._versions[as_it_is]


def _as_it_is(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return str(path), 0


def _packaged(path: Path, program: Program) -> str:
    """The version that npm installed, without a run of node."""
    for folder in path.resolve().parents[:_NEAR]:
        try:
            package = json.loads((folder / "package.json").read_bytes())
            if package["name"] in program.packages:
                return str(package["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not there, or not what it seems
    return ""


def _said(path: Path, env: Mapping[str, str], patience_s: float) -> str:
    """Raises NoAnswer."""
    answer = ask([str(path), "--version"], env=env, timeout_s=patience_s)
    found = re.search(r"\d+\.\d+[\w.+-]*", answer.out)
    return found[0] if found and answer.code == 0 else ""


def _login(program: Program, env: Mapping[str, str]) -> tuple[bool | None, str]:
    """Whether it is logged in to, with what tells so, or how to."""
    for key in program.keys:
        if env.get(key):
            return True, key
    for variable, default, name in program.files:
        file = Path(env.get(variable) or default.replace("~", env.get("HOME", ""), 1), name)
        if file.is_file():
            return True, str(file)
    return (None if program.elsewhere else False), program.login
