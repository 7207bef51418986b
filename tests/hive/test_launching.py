"""Launches as plans: which ids, which make, and every refusal before anything has happened."""

import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deia_tui.core.bots import OFF, AgentSpec, BotSpec, BotState
from deia_tui.core.client import Launchable
from deia_tui.core.commands import LaunchBots
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.state import BotView
from deia_tui.hive.launching import (
    agent_environment,
    agents,
    launchables,
    plan,
    read,
    unknown_bot,
    why_not,
    with_own_program,
)
from deia_tui.preflight import Preflight
from deia_tui.settings import AgentSection, Catalogue, Settings, Template

ENV = {"PATH": "/usr/bin:/bin"}
CATALOGUE = Catalogue(
    settings=Settings.model_validate(
        {
            "agents": {
                "cat": {"kind": "command", "argv": ["cat"]},
                "gone": {"kind": "command", "argv": ["no-such-program"]},
                "claude": {"kind": "claude"},
            },
            "bots": {
                "BOT-002": {"agent": "shell"},
                "SCOUT": {"template": "copier", "memory_mb": 70},
                "LOST": {"agent": "shell", "workdir": "/no/such/folder"},
                "ROOTLESS": {"agent": "shell", "workdir": "/", "worktree": True},
                "NOBODY": {},
            },
        }
    ),
    templates={"copier": Template(agent="cat", capabilities=("copy", "paste")), "orphan": Template(agent="nobody")},
)


def env_of(agent: str) -> dict[str, str]:
    return ENV


def bot(bot_id: str, state: BotState, what: str = "shell", pid: int | None = None) -> BotView:
    return BotView(bot_id=bot_id, spec=CATALOGUE.spec(bot_id, what), state=state, pid=pid)


def planned(command: LaunchBots, *bots: BotView) -> list[BotSpec]:
    return plan(command, CATALOGUE, MappingProxyType({bot.bot_id: bot for bot in bots}), env_of)


def ids(command: LaunchBots, *bots: BotView) -> list[str]:
    return [spec.bot_id for spec in planned(command, *bots)]


def test_new_bots_get_the_lowest_free_numbers() -> None:
    """BOT-002 is declared in hive.toml and keeps its number."""
    assert ids(LaunchBots(what="shell", count=3)) == ["BOT-001", "BOT-003", "BOT-004"]
    assert ids(LaunchBots(what="shell"), bot("BOT-001", BotState.RUNNING)) == ["BOT-003"]


def test_all_bots_of_a_launch_are_of_one_make() -> None:
    specs = planned(LaunchBots(what="copier", count=2))
    assert [replace(spec, bot_id="") for spec in specs] == [CATALOGUE.spec("", "copier")] * 2


@pytest.mark.parametrize(
    ("former", "used_again"),
    [
        (bot("BOT-007", BotState.STOPPED), True),
        (bot("BOT-007", BotState.EXITED), True),
        (bot("BOT-007", BotState.FATAL), False),  # waits for a human who means it
        (bot("BOT-007", BotState.BACKOFF), False),
        (bot("BOT-007", BotState.STOPPED, "copier"), False),
        (bot("BOT-002", BotState.STOPPED), False),  # declared: launched by its name
    ],
)
def test_a_bot_that_is_off_is_used_again_before_a_new_number(former: BotView, used_again: bool) -> None:
    assert (former.bot_id in ids(LaunchBots(what="shell"), former)) is used_again


@settings(max_examples=50)
@given(
    states=st.dictionaries(st.integers(1, 30), st.sampled_from(BotState), max_size=20),
    count=st.integers(1, 40),
)
def test_a_launch_never_touches_a_bot_that_is_not_off(states: dict[int, BotState], count: int) -> None:
    bots = {f"BOT-{number:03d}": bot(f"BOT-{number:03d}", state) for number, state in states.items()}
    launched = ids(LaunchBots(what="shell", count=count), *bots.values())
    assert len(set(launched)) == count
    assert launched == sorted(launched)
    assert all(bots[bot_id].state in OFF for bot_id in launched if bot_id in bots)


@pytest.mark.parametrize("command", [LaunchBots(what="SCOUT"), LaunchBots(what="", bot_id="SCOUT")])
def test_a_declared_bot_is_launched_by_its_name(command: LaunchBots) -> None:
    [spec] = planned(command)
    assert spec == CATALOGUE.declared("SCOUT")
    assert spec.memory_mb == 70.0


def test_an_id_of_ones_own() -> None:
    assert planned(LaunchBots(what="copier", bot_id="BEE-001A")) == [CATALOGUE.spec("BEE-001A", "copier")]
    assert planned(LaunchBots(what="shell", bot_id="SCOUT")) == [CATALOGUE.spec("SCOUT", "shell")]
    assert ids(LaunchBots(what="shell", bot_id="X"), bot("X", BotState.FATAL)) == ["X"]


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        (LaunchBots(what="shell", count=0), 400, "Count must be 1 to 999, not 0."),
        (LaunchBots(what="shell", count=1000), 400, "Count must be 1 to 999, not 1000."),
        (LaunchBots(what="shell", count=999), 409, "Only 996 of 999 bots fit"),
        (LaunchBots(what="shell", bot_id="a b"), 400, "'a b' cannot name a bot"),
        (LaunchBots(what="shell", bot_id="X", count=2), 400, "One id cannot name 2 bots"),
        (LaunchBots(what="SCOUT", count=2), 400, "One id cannot name 2 bots"),
        (LaunchBots(what="shell", bot_id="BOT-001"), 409, "BOT-001 runs already (pid 50080): stop it first"),
        (LaunchBots(what="shell", bot_id="BOT-003"), 409, "BOT-003 runs already (backoff): stop it first"),
        (LaunchBots(what="shel"), 404, "There is no template or agent 'shel': did you mean 'shell'?"),
        (LaunchBots(what="", bot_id="X"), 404, "There is no template or agent ''; known are copier"),
        (LaunchBots(what="orphan"), 404, "Template 'orphan' wants agent 'nobody'"),
        (LaunchBots(what="claude"), 422, "'claude', the program of agent 'claude', is not on PATH: 'npm install -g"),
        (LaunchBots(what="goose"), 422, "'goose', the program of agent 'goose', is not on PATH: 'curl"),
        (LaunchBots(what="ROOTLESS"), 422, "ROOTLESS wants a git worktree, and / is in no git repository: run"),
        (LaunchBots(what="gone"), 422, "'no-such-program', the program of agent 'gone', is not on PATH: install it"),
        (LaunchBots(what="LOST"), 422, "The workdir of LOST, /no/such/folder, is no folder: make it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_launched_is_refused_first(command: LaunchBots, status: int, sentence: str) -> None:
    here = [bot("BOT-001", BotState.RUNNING, pid=50080), bot("BOT-003", BotState.BACKOFF)]
    with pytest.raises(CommandRejected) as refusal:
        planned(command, *here)
    assert str(refusal.value).startswith(sentence)
    assert refusal.value.status == status


def test_a_program_is_looked_for_on_the_path_of_the_bot(tmp_path: Path) -> None:
    agent = AgentSpec(name="mine", kind="command", argv=("my-agent",))
    assert why_not(agent, {"PATH": str(tmp_path)}).startswith("'my-agent', the program of agent 'mine', is not on PATH")
    program = tmp_path / "my-agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert why_not(agent, {"PATH": str(tmp_path)}) == ""
    assert why_not(replace(agent, argv=(str(program),)), {}) == "", "a path needs no PATH"


def test_an_agent_s_own_path_counts(tmp_path: Path) -> None:
    (tmp_path / "no-such-program").write_text("#!/bin/sh\n")
    (tmp_path / "no-such-program").chmod(0o700)
    own = {"gone": {"PATH": str(tmp_path)}}
    [spec] = plan(LaunchBots(what="gone"), CATALOGUE, {}, lambda name: own.get(name, ENV))
    assert spec.agent.name == "gone"


def offered(*bots: BotView) -> list[Launchable]:
    ready = Preflight().known(agents(CATALOGUE, env_of))
    return launchables(CATALOGUE, ready, env_of, {bot.bot_id: bot for bot in bots})


def test_everything_that_can_be_launched_and_why_not() -> None:
    found = offered()
    assert replace(found[0], ready=None) == Launchable(
        name="copier", kind="command", summary="copy, paste", problem="", sort="template"
    )
    assert [(each.name, each.sort, each.kind, each.problem == "") for each in found] == [
        ("copier", "template", "command", True),
        ("orphan", "template", "?", False),
        ("shell", "agent", "shell", True),
        ("cat", "agent", "command", True),
        ("gone", "agent", "command", False),
        ("claude", "agent", "claude", False),
        *((name, "agent", "acp", False) for name in ("claude-agent-acp", "codex-acp", "gemini", "opencode", "goose")),
        ("BOT-002", "bot", "shell", True),
        ("SCOUT", "bot", "command", True),
        ("LOST", "bot", "shell", False),
        ("ROOTLESS", "bot", "shell", False),
        ("NOBODY", "bot", "?", False),
    ]


def test_how_its_agent_stands_comes_with_what_can_be_launched() -> None:
    standing = {each.name: str(each.ready) for each in offered() if each.ready}
    assert standing["copier"] == "cat of unknown version"
    assert standing["gone"] == "gone: no-such-program is not installed"
    assert standing["BOT-002"] == "shell: nothing to install"
    assert "orphan" not in standing, "there is no such agent"


def test_a_declared_bot_that_runs_cannot_be_launched() -> None:
    problems = {
        each.name: each.problem for each in offered(bot("SCOUT", BotState.RUNNING), bot("BOT-002", BotState.STOPPED))
    }
    assert (problems["SCOUT"], problems["BOT-002"]) == ("SCOUT runs already.", "")


def test_a_catalogue_that_does_not_fit_is_the_caller_s_to_hear() -> None:
    def broken() -> Catalogue:
        raise ConfigError("hive.toml, line 3: no")

    with pytest.raises(CommandRejected, match=r"^hive\.toml, line 3: no$") as refusal:
        read(broken)
    assert refusal.value.status == 422
    assert read(lambda: CATALOGUE) is CATALOGUE


@pytest.mark.parametrize(
    ("bot_id", "known", "sentence"),
    [
        ("bot-01", ["BOT-001"], "There is no bot 'bot-01': did you mean BOT-001?"),
        ("zzz", ["BOT-001"], "There is no bot 'zzz'."),
        ("BOT-001", [], "There is no bot 'BOT-001': launch one first."),
    ],
)
def test_the_sentence_for_a_bot_that_is_not_there(bot_id: str, known: list[str], sentence: str) -> None:
    assert unknown_bot(bot_id, known) == sentence


AROUND = {
    "PATH": "/bin",
    "HOME": "/root",
    "LC_TIME": "C",
    "https_proxy": "http://p",
    "TERM": "xterm",
    "DEIA_TOKEN": "a",
    "AWS_KEY": "b",
    "OPENAI_API_KEY": "c",
    "SSH_AUTH_SOCK": "d",
    "PYTHONPATH": "e",
}


def test_agents_get_what_is_on_the_list() -> None:
    every = {"PATH": "/bin", "HOME": "/root", "LC_TIME": "C", "https_proxy": "http://p", "TERM": "dumb"}
    assert agent_environment(AROUND) == every
    section = AgentSection(kind="shell", pass_env=("AWS_*", "DEIA_*", "ABSENT"), env={"HOME": "/srv", "MINE": "f"})
    assert agent_environment(AROUND, section) == {**every, "AWS_KEY": "b", "HOME": "/srv", "MINE": "f"}
    assert agent_environment(AROUND, AgentSection(kind="shell", pass_env=("TERM",)))["TERM"] == "xterm"


def test_agents_find_our_program_and_nothing_of_theirs_is_hidden(tmp_path: Path) -> None:
    own = str(Path(sys.executable).parent)
    assert with_own_program({"PATH": "/bin", "HOME": "/"}) == {"PATH": f"/bin:{own}", "HOME": "/"}
    (tmp_path / "deia-tui").touch(mode=0o755)
    assert with_own_program({"PATH": str(tmp_path)}) == {"PATH": str(tmp_path)}, "they have one"


def test_a_well_known_program_gets_what_it_is_known_to_ask_for() -> None:
    around = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b", "CLAUDECODE": "c", "AWS_SECRET_ACCESS_KEY": "d"}
    assert agent_environment(around, AgentSection(kind="claude")) == {"TERM": "dumb", "ANTHROPIC_API_KEY": "a"}
    codex = AgentSection(kind="acp", argv=("/opt/bin/codex-acp",))
    assert agent_environment(around, codex) == {"TERM": "dumb", "OPENAI_API_KEY": "b"}
    assert agent_environment(around, AgentSection(kind="command", argv=("mine",))) == {"TERM": "dumb"}
