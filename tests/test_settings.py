"""hive.toml and templates: what is refused and how it is said, what the shipped files hold, what can be launched."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from deia_tui.core.bots import AgentSpec, RestartPolicy
from deia_tui.core.breaker import BreakerPolicy
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.lifecycle import LifePolicy
from deia_tui.core.load.scaler import Limits
from deia_tui.core.programs import PROGRAMS
from deia_tui.core.runaway import RunawayPolicy
from deia_tui.folder import Folder
from deia_tui.settings import (
    SAMPLE,
    AgentSection,
    BotSection,
    Catalogue,
    LivenessSection,
    Settings,
    Template,
    furnish,
    load,
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "site")
    folder.create()
    return folder


def loaded(folder: Folder, toml: str) -> Catalogue:
    folder.hive_toml.write_text(toml, "utf-8")
    return load(folder)


# Files that do not fit


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        (
            "[restart]\n\nmax_restart = 5",
            ", line 3: restart.max_restart: there is no such setting; did you mean 'max_restarts'?",
        ),
        ('[agents.x]\nkid = "shell"', ", line 2: agents.x.kid: there is no such setting; did you mean 'kind'?"),
        ('[agents]\nx = { kid = "shell" }', ", line 2: agents.x.kid: there is no such setting; did you mean 'kind'?"),
        ('hive.nam = "x"', ", line 1: hive.nam: there is no such setting; did you mean 'name'?"),
        ("[hivee]", ", line 1: hivee: there is no such setting; did you mean 'hive'?"),
        ("[liveness]\nzzz = 1", ", line 2: liveness.zzz: there is no such setting; remove it"),
        ('[breaker]\ncooldown_s = "soon"', ", line 2: breaker.cooldown_s: input should be a valid number"),
        ("[breaker]\ncooldown_s = 0", ", line 2: breaker.cooldown_s: input should be greater than 0 (it is 0)"),
        ("[breaker]\nwindow_s = nan", ", line 2: breaker.window_s: input should be"),
        ('[hive]\n"on_term" = "kill"', ", line 2: hive.on_term: input should be 'leave' or 'stop' (it is 'kill')"),
        (
            '[agents.x]\nkind = "comand"',
            ", line 2: agents.x.kind: there is no such kind of agent; did you mean 'command'? (it is 'comand')",
        ),
        (
            '[agents.x]\nkind = "zzz"',
            ", line 2: agents.x.kind: there is no such kind of agent; known are shell, command",
        ),
        ("[agents.x]\nargv = []", ", line 1: agents.x.kind: field required"),
        (
            '[agents.x]\nkind = "command"\nargv = ["a",\n 2]',
            ", line 3: agents.x.argv.1: input should be a valid string",
        ),
        (
            '[agents.x]\nkind = "command"\nargv = [" "]',
            ", line 3: agents.x.argv: the first word must name a program (it is [' '])",
        ),
        (
            '[bots.BOT-001]\nagent = "shell"\n[bots."a b"]\nagent = "shell"',
            ", line 3: bots.a b: this cannot name a bot: use 1 to 32 letters, digits, '-' or '_' (it is 'a b')",
        ),
        ("[[bots]]", ", line 1: bots: input should be a valid dictionary"),
        ("[process]\nfirst_port = 80", ", line 2: process.first_port: input should be greater than or equal to 1024"),
        ("[process]\nfirst_port = 9000", ", line 1: process: first_port must not be above last_port"),
        ("[flow]\nrelease_below = 11", ", line 1: flow: release_below must not be above refuse_at"),
        ("[messages]\nwarn_depth = 501", ", line 1: messages: warn_depth must not be above critical_depth"),
        ("[strain]\ncpu_degraded = 95", ", line 1: strain: cpu_degraded must not be above cpu_critical"),
    ],
)
def test_a_complaint_names_file_line_field_and_reason(folder: Folder, toml: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        loaded(folder, toml)
    assert str(refusal.value).startswith(f"{folder.hive_toml}{complaint}")
    assert "\n" not in str(refusal.value)


def test_everything_that_is_wrong_is_told_at_once(folder: Folder) -> None:
    (folder.templates / "tester.toml").write_text('agent = "shell"\nmemory = 4\n')
    with pytest.raises(ConfigError) as refusal:
        loaded(folder, '[hive]\nnmae = "x"\n[restart]\nmax_restarts = 0\n')
    first, second, third = str(refusal.value).split(" · ")
    assert first == f"{folder.hive_toml}, line 2: hive.nmae: there is no such setting; did you mean 'name'?"
    assert second.startswith(f"{folder.hive_toml}, line 4: restart.max_restarts: input should be greater than")
    assert third.startswith(f"{folder.templates}/tester.toml, line 2: memory: there is no such setting")


def test_how_many_bots_of_a_template_scaling_keeps(folder: Folder) -> None:
    def limits(toml: str) -> Limits | None:
        (folder.templates / "t.toml").write_text(f'agent = "shell"\n{toml}')
        return load(folder).templates["t"].limits

    assert limits("") is None
    assert limits("min_bots = 2") == Limits(2, 10)
    assert limits("max_bots = 3") == Limits(1, 3)
    assert limits("min_bots = 0\nmax_bots = 3") == Limits(0, 3)
    with pytest.raises(ConfigError, match="min_bots must not be above max_bots"):
        limits("min_bots = 4\nmax_bots = 3")


def test_a_file_full_of_mistakes_does_not_fill_the_screen(folder: Folder) -> None:
    with pytest.raises(ConfigError, match=r"zz9: there is no such setting; remove it · and 90 more$"):
        loaded(folder, "[hive]\n" + "".join(f"zz{number} = 1\n" for number in range(100)))


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        (
            "[hive]\n[restart]\n[hive]\n",
            "[hive] stands here a second time: put all its lines under the first (at line 3,",
        ),
        ('[bots."A"]\n[bots.A]\n', "[bots.A] stands here a second time: put all its lines under the first (at line 2,"),
        ("[hive]\nname = 1\n\nname = 2\n", "name is set a second time here: keep one (at line 4, column "),
        ("[hive]\nname = 1\nname = 2", "name is set a second time here: keep one (at end of document)."),
        ("x = { a = 1, a = 2 }\n", "a is set a second time here: keep one (at line 1,"),
        ("hive = { }\nhive.name = 'x'\n", "hive was given before as a whole: put this line there (at line 2,"),
        ("[[bots]]\n[bots]\n", "[bots] stands here a second time"),
    ],
)
def test_what_stands_twice_is_said_in_words(folder: Folder, toml: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        loaded(folder, toml)
    assert str(refusal.value).startswith(f"{folder.hive_toml}: {complaint}")


@pytest.mark.parametrize(("toml", "line"), [("[hive\n", 1), ("[hive]\nname = 1\nname = 2\n", 3), ("\n= 1\n", 2)])
def test_what_is_no_toml_is_refused_with_its_place(folder: Folder, toml: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"hive\.toml: .+ \(at line {line}, column \d+\)\.$"):
        loaded(folder, toml)


def test_a_template_is_checked_like_the_settings(folder: Folder) -> None:
    path = folder.templates / "tester.toml"
    path.write_text('agent = "shell"\nmemory = 4\n')
    with pytest.raises(ConfigError) as refusal:
        load(folder)
    assert str(refusal.value) == f"{path}, line 2: memory: there is no such setting; did you mean 'memory_mb'?"


def test_a_file_that_cannot_be_read(folder: Folder) -> None:
    folder.hive_toml.write_bytes(b'[hive]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match=r"hive\.toml cannot be read: 'utf-8' codec"):
        load(folder)
    folder.hive_toml.unlink()
    folder.hive_toml.mkdir()
    with pytest.raises(ConfigError, match=r"hive\.toml cannot be read: .*directory"):
        load(folder)


def test_a_byte_order_mark_is_no_mistake(folder: Folder) -> None:
    assert loaded(folder, '\ufeff[hive]\r\nname = "ä"\r\n').settings.hive.name == "ä"


def test_without_files_the_defaults_count(folder: Folder) -> None:
    catalogue = load(folder)
    assert catalogue.settings.hive.name == "site", "the folder's name"
    assert catalogue.settings.model_copy(update={"hive": Settings().hive}) == Settings()
    assert catalogue.names() == ["shell"]


# What is shipped


def documented() -> dict[str, Any]:
    """The sample hive.toml with every commented key and table made real."""
    text = (SAMPLE / "hive.toml").read_text("utf-8")
    return tomllib.loads(re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE))


def sections() -> list[str]:
    return [name for name in Settings.model_fields if name not in ("agents", "bots")]


@pytest.mark.parametrize("section", sections())
def test_every_setting_is_documented_with_its_default(section: str) -> None:
    """A new setting without a line in sample/hive.toml fails here."""
    defaults: BaseModel = getattr(Settings(), section)
    assert documented()[section] == defaults.model_dump(mode="json")


def test_the_documented_file_holds_no_section_that_does_not_exist() -> None:
    assert set(documented()) == set(Settings.model_fields)
    Settings.model_validate(documented())


def test_the_example_agent_shows_every_key_and_the_defaults_where_there_are_any() -> None:
    agent = documented()["agents"]["llm"]
    assert set(agent) == set(AgentSection.model_fields)
    assert {name: agent[name] for name in ("prompt", "timeout_s")} == {"prompt": "stdin", "timeout_s": 600.0}


def test_the_example_bot_shows_every_key() -> None:
    bot = documented()["bots"]["BOT-001"]
    assert {*bot, "agent"} == set(BotSection.model_fields)  # template or agent
    assert (bot["restart"], bot["memory_mb"], bot["nice"]) == ("permanent", Settings().runaway.memory_mb, 0)


def test_the_sample_as_it_is_means_the_defaults() -> None:
    text = (SAMPLE / "hive.toml").read_text("utf-8")
    assert Settings.model_validate(tomllib.loads(text)) == Settings()


SONNET, HAIKU, OPUS = (f"anthropic/claude-{name}" for name in ("sonnet-4-20250514", "3-5-haiku-latest", "opus-latest"))


@pytest.mark.parametrize(
    ("name", "values", "capabilities"),
    [
        ("tool-builder", ("t3.medium", SONNET, 30, 4000, 20, 60), "automation deployment coding infrastructure"),
        ("designer", ("t3.small", SONNET, 35, 2000, 15, 60), "design ux review aesthetics"),
        ("support", ("t3.micro", HAIKU, 20, 1000, 10, 60), "knowledge-base faq customer-support"),
        ("manager", ("t3.large", OPUS, 45, 8000, 30, 90), "coordination decision-making planning oversight"),
        ("shell", ("", "", None, 500, None, 0), "commands"),
    ],
)
def test_the_shipped_templates(folder: Folder, name: str, values: tuple[object, ...], capabilities: str) -> None:
    furnish(folder)
    template = load(folder).templates[name]
    keys = ("instance", "model", "heartbeat_min", "memory_mb", "storage_gb", "cooldown_s")
    assert tuple(getattr(template, key) for key in keys) == values
    assert template.capabilities == tuple(capabilities.split())
    assert template.summary


def test_a_new_hive_is_furnished_once(folder: Folder) -> None:
    furnish(folder)
    written = sorted(path for path in folder.deia.rglob("*.toml"))
    assert [path.name for path in written] == [
        *("hive.toml", "prices.toml"),
        *("designer.toml", "manager.toml", "shell.toml", "support.toml", "tool-builder.toml"),
    ]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert load(folder).settings.restart == Settings().restart
    (folder.templates / "designer.toml").unlink()
    folder.hive_toml.write_text("# mine\n")
    furnish(folder)
    assert folder.hive_toml.read_text() == "# mine\n"
    assert not (folder.templates / "designer.toml").exists(), "who deletes a template does not want it back"


def test_templates_of_ones_own_are_left_alone(folder: Folder) -> None:
    (folder.templates / "mine.toml").write_text('agent = "shell"\n')
    furnish(folder)
    assert not folder.hive_toml.exists()
    assert load(folder).names() == ["mine", "shell"]


# What the settings mean


def test_the_model_has_the_defaults_of_the_policies() -> None:
    settings = Settings()
    spec = Catalogue().spec("BOT-001", "shell")
    assert settings.life_policy(spec) == LifePolicy()
    assert settings.breaker_policy() == BreakerPolicy()
    assert settings.runaway_policy(spec) == RunawayPolicy()
    assert settings.liveness == LivenessSection(period_s=30.0, timeout_s=5.0, failure_threshold=3)


CATALOGUE = Catalogue(
    settings=Settings.model_validate(
        {
            "agents": {
                "llm": {"kind": "command", "argv": ["llm", "-m", "x"], "env": {"A": "1"}, "timeout_s": 9},
                "empty": {"kind": "command"},
                "silent": {"kind": "acp"},
                "claude": {"kind": "claude", "model": "m"},
            },
            "bots": {
                "BOT-001": {"template": "coder", "workdir": "~/src", "restart": "temporary", "nice": 0},
                "BOT-002": {"template": "coder", "agent": "shell", "memory_mb": 70},
                "BOT-003": {"agent": "llm"},
                "BOT-004": {},
                "BOT-005": {"template": "coda", "agent": "shell"},
            },
            "restart": {"policy": "transient"},
            "runaway": {"memory_mb": 300},
        }
    ),
    templates={
        "coder": Template(agent="llm", memory_mb=4000, nice=5, restart=RestartPolicy.PERMANENT),
        "lost": Template(agent="gone"),
    },
)
LLM = AgentSpec(name="llm", kind="command", argv=("llm", "-m", "x"), provider="llm", timeout_s=9.0, idle_timeout_s=9.0)


def test_a_template_gives_what_the_bot_does_not_say() -> None:
    spec = CATALOGUE.spec("B", "coder")
    assert (spec.agent, spec.template, spec.memory_mb, spec.nice) == (LLM, "coder", 4000.0, 5)
    assert (spec.restart, spec.workdir) == (RestartPolicy.PERMANENT, "")


def test_an_agent_alone_gets_the_hive_s_values() -> None:
    spec = CATALOGUE.spec("B", "llm")
    assert (spec.agent, spec.template, spec.memory_mb, spec.nice) == (LLM, None, 300.0, 0)
    assert spec.restart is RestartPolicy.TRANSIENT


def test_a_declared_bot_has_the_last_word() -> None:
    first, second, third = (CATALOGUE.declared(f"BOT-00{number}") for number in (1, 2, 3))
    assert (first.workdir, first.restart, first.nice) == (str(Path.home() / "src"), RestartPolicy.TEMPORARY, 0)
    assert (second.agent.kind, second.template, second.memory_mb) == ("shell", "coder", 70.0)
    assert (third.agent, third.template, third.memory_mb) == (LLM, None, 300.0)


@pytest.mark.parametrize(
    ("what", "status", "sentence"),
    [
        ("codr", 404, "There is no template or agent 'codr': did you mean 'coder'?"),
        ("zzz", 404, "There is no template or agent 'zzz'; known are coder, lost, shell, llm, empty, silent, claude, "),
        ("lost", 404, "Template 'lost' wants agent 'gone': declare [agents.gone] in hive.toml."),
        ("codex-acpp", 404, "There is no template or agent 'codex-acpp': did you mean 'codex-acp'?"),
        ("silent", 422, "[agents.silent] in hive.toml has no argv: name its program."),
        ("empty", 422, "[agents.empty] in hive.toml has no argv: name its program."),
    ],
)
def test_what_nobody_can_run_is_refused(what: str, status: int, sentence: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        CATALOGUE.spec("B", what)
    assert str(refusal.value).startswith(sentence)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("bot_id", "sentence"),
    [
        ("BOT-004", "[bots.BOT-004] in hive.toml names neither a template nor an agent."),
        ("BOT-005", "There is no template 'coda', which [bots.BOT-005] in hive.toml names."),
    ],
)
def test_a_declaration_nobody_can_follow_is_refused(bot_id: str, sentence: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        CATALOGUE.declared(bot_id)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("name", PROGRAMS)
def test_well_known_programs_need_no_declaration(name: str) -> None:
    agent, program = Catalogue().spec("B", name).agent, PROGRAMS[name]
    assert (agent.name, agent.kind, agent.argv, agent.provider) == (name, program.kind, program.argv, program.provider)
    declared = Settings.model_validate({"agents": {name: {"kind": program.kind, "model": "m"}}})
    assert Catalogue(settings=declared).spec("B", name).agent == replace(agent, model="m"), "nor argv in one"


def test_what_is_declared_under_the_name_of_a_program_is_what_it_says() -> None:
    mine = {
        "mine": {"kind": "claude"},
        "gemini": {"kind": "command", "argv": ["/opt/gemini", "-p"]},
        "codex-acp": {"kind": "command"},
    }
    catalogue = Catalogue(settings=Settings.model_validate({"agents": mine}))
    assert catalogue.spec("B", "mine").agent.argv == ("claude",)
    gemini = catalogue.spec("B", "gemini").agent
    assert (gemini.argv, gemini.provider) == (("/opt/gemini", "-p"), "google")
    with pytest.raises(CommandRejected, match="has no argv"):
        catalogue.spec("B", "codex-acp")


@pytest.mark.parametrize(
    "given", [{"bot"}, {"bot", "template"}, {"template", "agent"}, {"agent"}, {"bot", "agent"}, set()]
)
def test_the_model_of_the_bot_comes_before_the_template_s_and_that_before_the_agent_s(given: set[str]) -> None:
    model = {name: name if name in given else "" for name in ("bot", "template", "agent")}
    catalogue = Catalogue(
        settings=Settings.model_validate(
            {
                "agents": {"claude": {"kind": "claude", "model": model["agent"]}},
                "bots": {"B": {"template": "writer", "model": model["bot"]}},
            }
        ),
        templates={"writer": Template(agent="claude", model=model["template"])},
    )
    assert catalogue.declared("B").agent.model == next((each for each in model.values() if each), "")


def test_a_relative_workdir_is_one_of_the_hive_s_folder(folder: Folder) -> None:
    catalogue = loaded(
        folder, '[bots.A]\nagent = "shell"\nworkdir = "src"\n[bots.B]\nagent = "shell"\nworkdir = "~/x"\n'
    )
    assert catalogue.declared("A").workdir == str(folder.root / "src")
    assert catalogue.declared("B").workdir == str(Path.home() / "x")


def test_an_agent_named_shell_replaces_the_built_in_one() -> None:
    settings = Settings.model_validate({"agents": {"shell": {"kind": "command", "argv": ["fish"]}}})
    assert Catalogue(settings=settings).spec("B", "shell").agent.argv == ("fish",)
    assert Catalogue(settings=settings).names() == ["shell"]
