"""What a launch means before anything starts: which bots, of which make, and whether they can run here."""

import difflib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from deia_tui.core.bots import NOT_NEEDED, OFF, AgentSpec, BotSpec, BotState
from deia_tui.core.client import Launchable
from deia_tui.core.commands import LaunchBots
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.ids import MAX_BOTS, check_bot_id, next_bot_ids
from deia_tui.core.programs import Readiness, program_of
from deia_tui.core.state import BotView
from deia_tui.hive import worktrees
from deia_tui.settings import BUILT_IN, AgentSection, Catalogue

EnvOf = Callable[[str], Mapping[str, str]]
"""What the agent of a name gets in its environment."""
REUSABLE = OFF - {BotState.FATAL}


def plan(command: LaunchBots, catalogue: Catalogue, bots: Mapping[str, BotView], env_of: EnvOf) -> list[BotSpec]:
    """The bots a launch makes, in order. Raises CommandRejected, and then nothing has changed.

    A bot of the same make that is off is used again before a new number is given out.
    """
    if not 1 <= command.count <= MAX_BOTS:
        raise CommandRejected(f"Count must be 1 to {MAX_BOTS}, not {command.count}.", status=400)
    if command.bot_id is None and command.what in catalogue.settings.bots:
        command = replace(command, bot_id=command.what)
    if command.bot_id is not None:
        specs = [_named(command, catalogue, bots)]
    else:
        catalogue.spec("BOT-001", command.what)
        reusable = [
            bot_id
            for bot_id, bot in sorted(bots.items())
            if bot.state in REUSABLE and command.what in (bot.spec.template, bot.spec.agent.name)
            if bot_id not in catalogue.settings.bots
        ][: command.count]
        taken = {*bots, *catalogue.settings.bots}
        fresh = next_bot_ids(taken, command.count - len(reusable))
        specs = [catalogue.spec(bot_id, command.what) for bot_id in sorted([*reusable, *fresh])]
    if problem := _why_not_here(specs[0], catalogue, env_of):
        raise CommandRejected(problem, status=422)
    return specs


def reserve(template: str, count: int, catalogue: Catalogue, bots: Mapping[str, BotView]) -> list[str]:
    """The ids for bots that scaling starts: of those that it started before and that are off, unless a human wants them
    so, then new ones. Raises CommandRejected when there are no more."""
    own = [
        bot_id
        for bot_id, bot in sorted(bots.items())
        if bot.scaled and bot.spec.template == template and bot_id not in catalogue.settings.bots
        if bot.state is BotState.EXITED or (bot.state is BotState.STOPPED and bot.reason == NOT_NEEDED)
    ][:count]
    return [*own, *next_bot_ids({*bots, *catalogue.settings.bots}, count - len(own))]


def _named(command: LaunchBots, catalogue: Catalogue, bots: Mapping[str, BotView]) -> BotSpec:
    assert command.bot_id is not None
    bot_id = check_bot_id(command.bot_id)
    if command.count != 1:
        raise CommandRejected(f"One id cannot name {command.count} bots: leave out the id or the count.", status=400)
    bot = bots.get(bot_id)
    if bot is not None and bot.state not in OFF:
        where = f"pid {bot.pid}" if bot.pid else str(bot.state)
        raise CommandRejected(f"{bot_id} runs already ({where}): stop it first, or choose another id.")
    if bot_id in catalogue.settings.bots and command.what in ("", bot_id):
        return catalogue.declared(bot_id)
    return catalogue.spec(bot_id, command.what)


def why_not(agent: AgentSpec, env: Mapping[str, str]) -> str:
    """Why this agent cannot run on this machine, in one sentence, or ""."""
    if not agent.argv or shutil.which(agent.argv[0], path=env.get("PATH", "")) is not None:
        return ""
    program = program_of(agent.kind, agent.argv)
    mend = f"'{program.install}' installs it" if program else f"install it or correct argv in [agents.{agent.name}]"
    return f"'{agent.argv[0]}', the program of agent '{agent.name}', is not on PATH: {mend}."


def _why_not_here(spec: BotSpec, catalogue: Catalogue, env_of: EnvOf) -> str:
    if problem := why_not(spec.agent, env_of(spec.agent.name)):
        return problem
    if spec.workdir and not os.path.isdir(spec.workdir):
        return f"The workdir of {spec.bot_id}, {spec.workdir}, is no folder: make it or correct hive.toml."
    return worktrees.why_not(spec, catalogue.root)


def agents(catalogue: Catalogue, env_of: EnvOf) -> list[tuple[AgentSpec, Mapping[str, str]]]:
    """Every agent one can have here, declared, wanted by a template or well known, with the environment it gets."""
    wanted = [*catalogue.names(), *BUILT_IN]
    specs = {}
    for name in wanted:
        with suppress(CommandRejected):  # launchables says why
            spec = catalogue.spec("BOT-001", name).agent
            specs[spec.name] = spec
    return [(spec, env_of(spec.name)) for spec in specs.values()]


def launchables(
    catalogue: Catalogue, ready: Mapping[str, Readiness], env_of: EnvOf, bots: Mapping[str, BotView]
) -> list[Launchable]:
    """Everything one can name in a launch, with the reason where it cannot be: what the catalogue holds, well-known
    programs, and bots that are declared."""
    known = [name for name in BUILT_IN if name not in catalogue.names()]
    found = [_launchable(name, catalogue, ready, env_of) for name in [*catalogue.names(), *known]]
    for bot_id in catalogue.settings.bots:
        bot = bots.get(bot_id)
        entry = _launchable(bot_id, catalogue, ready, env_of, declared=True)
        runs = bot is not None and bot.state not in OFF
        found.append(replace(entry, problem=f"{bot_id} runs already.") if runs else entry)
    return found


def _launchable(
    name: str,
    catalogue: Catalogue,
    ready: Mapping[str, Readiness],
    env_of: EnvOf,
    *,
    declared: bool = False,
) -> Launchable:
    template = None if declared else catalogue.templates.get(name)
    kind, summary, readiness = "?", template.summary or ", ".join(template.capabilities) if template else "", None
    try:
        spec = catalogue.declared(name) if declared else catalogue.spec("BOT-001", name)
    except CommandRejected as refusal:
        problem = str(refusal)
    else:
        kind, readiness = spec.agent.kind, ready.get(spec.agent.name)
        summary = summary or (f"{spec.template or spec.agent.name} {spec.workdir}".rstrip() if declared else "")
        problem = _why_not_here(spec, catalogue, env_of)
    sort: Literal["template", "agent", "bot"] = "bot" if declared else "template" if template else "agent"
    return Launchable(name=name, kind=kind, summary=summary, problem=problem, sort=sort, ready=readiness)


def read(catalogue: Callable[[], Catalogue]) -> Catalogue:
    """The catalogue as its files are now. Raises CommandRejected when they do not fit."""
    try:
        return catalogue()
    except ConfigError as error:
        raise CommandRejected(str(error), status=422) from error


def unknown_bot(bot_id: str, known: Collection[str]) -> str:
    """The sentence for a bot that is not there."""
    close = difflib.get_close_matches(bot_id.upper(), known, n=1)
    hint = f": did you mean {close[0]}?" if close else ("." if known else ": launch one first.")
    return f"There is no bot '{bot_id[:40]}'{hint}"


def agent_environment(environ: Mapping[str, str], agent: AgentSection | None = None) -> dict[str, str]:
    """What an agent gets of the environment the supervisor was started in, and what hive.toml sets for it.

    By an allow-list: keys of other services, sockets of other agents and whatever else the operator's shell holds are
    none of its business. A well-known program gets what it is known to ask for. Without `agent`: what every agent gets.
    """
    program = program_of(agent.kind, agent.argv) if agent else None
    own = (*program.keys, *program.variables) if program else ()
    allowed = (*_PASSED, *own, *(agent.pass_env if agent else ()))
    passed = {
        name: value
        for name, value in environ.items()
        if not name.startswith("DEIA_") and any(fnmatchcase(name, pattern) for pattern in allowed)
    }
    return {"TERM": "dumb", **passed, **(agent.env if agent else {})}


def with_own_program(env: Mapping[str, str]) -> dict[str, str]:
    """With a PATH on which an agent finds `deia-tui`: ours stands at its end, where it hides nothing."""
    path, own = env.get("PATH", os.defpath), Path(sys.executable).parent
    if shutil.which("deia-tui", path=path) or not (own / "deia-tui").exists():
        return dict(env)
    return {**env, "PATH": f"{path}{os.pathsep}{own}"}


def missing_variables(environ: Mapping[str, str], agent: AgentSection) -> list[str]:
    """What `pass_env` names, and nobody has set."""
    named = (name for name in agent.pass_env if not set(name) & set("*?["))
    return [name for name in named if name not in environ and name not in agent.env]


_PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "XDG_*"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
)
