"""What is found out about agent programs that are really there: scripts of ours under the names of well-known ones."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from deia_tui.core.bots import AgentSpec
from deia_tui.core.programs import PROGRAMS, Readiness, is_tested
from deia_tui.preflight import Preflight
from deia_tui.settings import Catalogue


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}


def install(env: dict[str, str], name: str, script: str) -> Path:
    program = Path(env["PATH"].partition(":")[0], name)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return program


def spec(name: str) -> AgentSpec:
    return Catalogue().spec("B", name).agent


def look(env: dict[str, str], name: str = "claude", patience_s: float = 60) -> Readiness:
    return Preflight(patience_s).look([(spec(name), env)])[name]


def bare(env: dict[str, str]) -> dict[str, str]:
    """Without what this machine has."""
    return {**env, "PATH": env["PATH"].partition(":")[0]}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_not_installed_says_how_to_install_it(env: dict[str, str], name: str) -> None:
    found = look(bare(env), name)
    assert (found.path, found.version, found.tested) == ("", "", None)
    assert found.install
    assert str(found) == f"{name} is not installed"


def test_a_program_is_asked_for_its_version_once_as_long_as_it_stays_the_same(
    env: dict[str, str], tmp_path: Path
) -> None:
    program = install(env, "claude", f"echo asked >> {tmp_path}/asked; echo '2.1.329 (Claude Code)'")
    preflight = Preflight(60)
    agents = [(spec("claude"), env)]
    assert preflight.known(agents)["claude"].version == "", "nobody has asked yet"
    for _ in range(3):
        assert preflight.look(agents)["claude"].version == "2.1.329"
    found = preflight.known(agents)["claude"]
    assert (found.version, found.path) == ("2.1.329", str(program))
    assert (tmp_path / "asked").read_text() == "asked\n"
    install(env, "claude", "echo 3.0.0")
    os.utime(program, (1, 1))
    assert preflight.look(agents)["claude"].version == "3.0.0"


def test_the_version_of_what_npm_installed_stands_in_its_package(env: dict[str, str], tmp_path: Path) -> None:
    package = tmp_path / "lib" / "codex-acp"
    (package / "dist").mkdir(parents=True)
    (package / "dist" / "index.js").write_text("#!/bin/sh\nexit 1\n")
    (package / "dist" / "index.js").chmod(0o700)
    (package / "package.json").write_text(json.dumps({"name": "@agentclientprotocol/codex-acp", "version": "2.6.0"}))
    (tmp_path / "bin" / "codex-acp").symlink_to(package / "dist" / "index.js")
    assert look(env, "codex-acp").version == "2.6.0"
    (package / "package.json").write_text("[")
    assert look(env, "codex-acp").version == ""


@pytest.mark.parametrize(
    "script", ["sleep 1000", "echo nothing to see", "echo 1.2.3; exit 1", "echo 1.2.3 >&2", "exec yes"]
)
def test_a_program_that_does_not_tell_its_version_is_there_all_the_same(env: dict[str, str], script: str) -> None:
    program = install(env, "claude", script)
    found = look(env, patience_s=0.5)
    assert (found.path, found.version, found.tested) == (str(program), "", None)
    assert str(found) == "claude of unknown version, not logged in"


def test_programs_are_asked_side_by_side(env: dict[str, str]) -> None:
    """Each waits for all others to have been asked; one after the other would never end well."""
    folder = Path(env["HOME"])
    for name in PROGRAMS:
        others = " ".join(f"{folder}/{other}" for other in PROGRAMS)
        install(
            env,
            name,
            f"touch {folder}/{name}; for f in {others}; do until [ -e $f ]; do sleep 0.01; done; done; echo 1.2.3",
        )
    found = Preflight(60).look([(spec(name), env) for name in PROGRAMS])
    assert {each.version for each in found.values()} == {"1.2.3"}


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("claude", "ANTHROPIC_API_KEY"),
        ("claude", "CLAUDE_CODE_USE_BEDROCK"),
        ("claude-agent-acp", "ANTHROPIC_AUTH_TOKEN"),
        ("codex-acp", "OPENAI_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
    ],
)
def test_a_key_in_the_environment_of_the_agent_is_a_login(env: dict[str, str], name: str, variable: str) -> None:
    assert look(env, name).logged_in is False
    found = look({**env, variable: "x"}, name)
    assert (found.logged_in, found.login) == (True, variable)
    assert look({**env, variable: ""}, name).logged_in is False


@pytest.mark.parametrize(
    ("name", "file", "variable"),
    [
        ("claude", ".claude/.credentials.json", "CLAUDE_CONFIG_DIR"),
        ("codex-acp", ".codex/auth.json", "CODEX_HOME"),
        ("gemini", ".gemini/oauth_creds.json", ""),
        ("opencode", ".local/share/opencode/auth.json", "XDG_DATA_HOME"),
    ],
)
def test_a_file_of_credentials_is_a_login(env: dict[str, str], name: str, file: str, variable: str) -> None:
    credentials = Path(env["HOME"], file)
    credentials.parent.mkdir(parents=True)
    credentials.write_text("{}")
    found = look(env, name)
    assert (found.logged_in, found.login) == (True, str(credentials))
    if variable:
        assert look({**env, variable: "/nowhere"}, name).logged_in is not True


@pytest.mark.parametrize("name", ["opencode", "goose"])
def test_where_a_login_may_be_out_of_sight_nobody_says_that_there_is_none(env: dict[str, str], name: str) -> None:
    install(env, name, "echo 1.2.3")
    found = look(env, name)
    assert found.logged_in is None
    assert str(found) == f"{name} 1.2.3"


def test_a_program_that_is_not_well_known_is_not_run(env: dict[str, str], tmp_path: Path) -> None:
    """Who knows what it does with '--version'."""
    program = install(env, "mine", f"touch {tmp_path}/ran")
    agent = AgentSpec(name="llm", kind="command", argv=("mine",))
    found = Preflight().look([(agent, env)])["llm"]
    assert found == Readiness(agent="llm", program="mine", path=str(program))
    assert not (tmp_path / "ran").exists()


def test_what_was_tried() -> None:
    program = replace(PROGRAMS["claude"], tested=("2.1.300", "2.1.329"))
    assert [is_tested(program, version) for version in ("2.1.299", "2.1.300", "2.1.310-beta", "2.1.329", "2.2.0")] == [
        *(False, True, True, True, False)
    ]
    assert is_tested(program, "") is None
    assert is_tested(replace(program, tested=None), "1.0") is None
