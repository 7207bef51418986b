"""What a launch means before anything starts: which bots, of which make, and whether they can run here."""

import difflib
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from deia_tui.core.bots import OFF, AgentSpec, BotSpec, BotState
from deia_tui.core.client import Launchable
from deia_tui.core.commands import LaunchBots
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.ids import MAX_BOTS, check_bot_id, next_bot_ids
from deia_tui.core.state import BotView
from deia_tui.settings import AgentSection, Catalogue

REUSABLE = OFF - {BotState.FATAL}


def plan(
    command: LaunchBots, catalogue: Catalogue, bots: Mapping[str, BotView], env: Mapping[str, str]
) -> list[BotSpec]:
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
    if problem := why_not(specs[0].agent, env) or _no_folder(specs[0]):
        raise CommandRejected(problem, status=422)
    return specs


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
    if agent.kind in ("command", "acp") and shutil.which(agent.argv[0], path=env.get("PATH")) is None:
        return (
            f"'{agent.argv[0]}', the program of agent '{agent.name}', is not on PATH: "
            f"install it or correct argv in [agents.{agent.name}]."
        )
    return ""


def _no_folder(spec: BotSpec) -> str:
    if spec.workdir and not os.path.isdir(spec.workdir):
        return f"The workdir of {spec.bot_id}, {spec.workdir}, is no folder: make it or correct hive.toml."
    return ""


def launchables(catalogue: Catalogue, env: Mapping[str, str]) -> list[Launchable]:
    """Everything the catalogue names, with the reason where it cannot be launched."""
    found = []
    for name in catalogue.names():
        template = catalogue.templates.get(name)
        agent = catalogue.settings.agent(template.agent if template else name)
        try:
            problem = why_not(catalogue.spec("BOT-001", name).agent, env)
        except CommandRejected as refusal:
            problem = str(refusal)
        summary = template.summary or ", ".join(template.capabilities) if template else "agent"
        found.append(Launchable(name=name, kind=agent.kind if agent else "?", summary=summary, problem=problem))
    return found


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
    none of its business. Without `agent`: what every agent gets.
    """
    allowed = (*_PASSED, *(agent.pass_env if agent else ()))
    passed = {
        name: value
        for name, value in environ.items()
        if not name.startswith("DEIA_") and any(fnmatchcase(name, pattern) for pattern in allowed)
    }
    return {"TERM": "dumb", **passed, **(agent.env if agent else {})}


def missing_variables(environ: Mapping[str, str], agent: AgentSection) -> list[str]:
    """What `pass_env` names, and nobody has set."""
    named = (name for name in agent.pass_env if not set(name) & set("*?["))
    return [name for name in named if name not in environ and name not in agent.env]


_PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "XDG_*"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
)
