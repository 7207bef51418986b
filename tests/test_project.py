"""What the repository promises beside its code: lock file, README, start-up."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deia_tui.core.permissions import rule_on
from deia_tui.core.programs import PROGRAMS
from deia_tui.core.turns import Failure, PermissionPolicy
from deia_tui.main import main
from deia_tui.settings import Catalogue, Settings
from deia_tui.ui.keymap import KEYS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
AGENTS = (ROOT / "docs" / "agents.md").read_text()


def test_the_lock_file_names_only_the_public_index() -> None:
    hosts = set(re.findall(r'https?://([^/"]+)', (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_the_readme_is_short_and_its_pictures_and_paths_exist() -> None:
    assert len(README.splitlines()) <= 150
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", README):
        assert (ROOT / target).exists(), target
    for path in re.findall(
        r"`((?:deia_tui|ui|core|hive|store|bot)/[\w/.]+)`", README[README.index("## Where do I change") :]
    ):
        assert (ROOT / path).exists() or (ROOT / "deia_tui" / path).exists(), path


def test_every_command_in_the_readme_exists() -> None:
    assert set(re.findall(r"^deia-tui ([a-z]+)", README, flags=re.MULTILINE)) <= set(main.commands)


def test_the_readme_names_every_command() -> None:
    told = README[README.index("make demo") : README.index("Exit codes:")]
    assert [name for name in main.commands if not re.search(rf"\b{name}\b", told)] == []


def test_the_list_of_commands_cuts_no_sentence() -> None:
    assert [name for name, command in main.commands.items() if command.get_short_help_str(62).endswith("...")] == []


def test_the_page_about_agents_names_every_program_and_every_class_of_failures() -> None:
    assert [name for name in PROGRAMS if f"`{name}`" not in AGENTS] == []
    table = AGENTS[AGENTS.index("## Failures") : AGENTS.index("## What survives")]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == [str(failure) for failure in Failure]


def test_the_settings_and_rules_that_the_documents_show_are_accepted() -> None:
    for text in (README, AGENTS):
        for example in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL):
            shown = Settings.model_validate(tomllib.loads(example))
            for name in shown.agents:
                Catalogue(settings=shown).spec("BOT-001", name)
    assert rule_on(PermissionPolicy(allow=("Bash(git:*)",)), (), "Bash", "git log").verdict == "allow"
    assert rule_on(PermissionPolicy(allow=("Bash(git:*)",)), (), "Bash", "git log; rm -r .").verdict == "ask"
    assert rule_on(PermissionPolicy(deny=("Bash(rm:*)",)), (), "Bash", "true && sudo rm -r .").verdict == "deny"


def test_links_from_the_page_about_agents_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)", AGENTS):
        assert (ROOT / "docs" / target).exists(), target


def test_every_key_in_the_readme_is_bound() -> None:
    table = README[README.index("## Keys") : README.index("`@BOT-002")]
    named = {"!": "exclamation_mark", "/": "slash", ":": "colon", "?": "question_mark", "esc": "escape"}
    bound = {key for entry in KEYS for key in entry.keys.split(",")}
    for key in re.findall(r"`([^`]+)`", table):
        assert named.get(key, key) in bound, key


def test_the_versions_doctor_calls_tested_end_with_those_the_tests_run() -> None:
    installed = re.search(r"^AGENT_PROGRAMS := (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert installed is not None
    versions = dict(word.rsplit("@", 1) for word in installed[1].split())
    for program in PROGRAMS.values():
        ran = next((versions[package] for package in program.packages if package in versions), None)
        assert ran == (program.tested and program.tested[1]), program.name


def test_the_sample_hive_is_the_one_new_hives_get() -> None:
    for name in ("hive.toml", "templates/shell.toml"):
        assert (ROOT / ".deia" / name).read_text() == (ROOT / "deia_tui" / "sample" / name).read_text()


@pytest.mark.parametrize("heavy", ["fastapi", "uvicorn", "httpx", "pydantic", "aiosqlite", "textual.widgets._markdown"])
def test_what_the_first_paint_needs_not_is_imported_later(heavy: str) -> None:
    code = f"import sys; import deia_tui.main, deia_tui.ui.app, deia_tui.hive.thread; print({heavy!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
