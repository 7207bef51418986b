"""Agents that other packages bring: the example, installed beside the program, and packages that are broken."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Operator

EXAMPLE = Path(__file__).parent.parent / "agents" / "plugin_example"
DECLARED = """
[agents.polly]
kind = "parrot"
options = { times = 3 }
permissions = { default = "allow" }
"""


def install(project: Path, target: Path) -> None:
    """What pip does with a package of one module, without a network to fetch its build system from."""
    about = tomllib.loads((project / "pyproject.toml").read_text())
    name, version = about["project"]["name"], about["project"]["version"]
    info = target / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = about["project"]["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items()) for group, entries in groups
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module in about["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]:
        shutil.copy(project / module, target)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: Operator) -> Path:
    """Where further packages are found, by the supervisor, its host and its bots."""
    target = tmp_path / "packages"
    install(EXAMPLE, target)
    monkeypatch.setenv("PYTHONPATH", str(target))
    operator.folder.create()
    return target


def test_an_agent_of_another_package_works_like_any_other(packages: Path, operator: Operator) -> None:
    operator.folder.hive_toml.write_text(DECLARED)
    operator.serve()
    assert operator.ok("launch", "polly").split() == ["BOT-001"]
    assert operator.ok("send", "BOT-001", "hello").strip() == "hello! hello! hello!"
    operator.ok("stop", "BOT-001")
    assert operator.bot()["exit"]["code"] == 0


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'."),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3."),
        ("parrot = 1", "is of no use: deia_parrot:parrot is not callable."),
    ],
)
def test_a_package_that_is_broken_is_a_sentence_and_no_dead_host(
    packages: Path, operator: Operator, broken: str, why: str
) -> None:
    operator.folder.hive_toml.write_text(DECLARED)
    module = packages / "deia_parrot.py"
    working = module.read_text()
    module.write_text(broken)
    assert f"(package deia-parrot) {why}" in operator.run("doctor").stdout
    operator.serve()
    refused = operator.run("launch", "polly")
    assert refused.returncode == 1
    assert f"The adapter for agents of kind 'parrot' (package deia-parrot) {why}" in refused.stderr + refused.stdout
    assert operator.ok("launch", "shell").split() == ["BOT-002"]
    assert operator.ok("send", "BOT-002", "echo alive").strip() == "alive"
    if "cannot be imported" in why:
        module.write_text(working)
        assert operator.ok("launch", "polly", "--id", "BOT-003").split() == ["BOT-003"], "it was mended meanwhile"


def test_a_kind_that_no_package_brings_is_refused(operator: Operator) -> None:
    operator.folder.create()
    operator.folder.hive_toml.write_text(DECLARED)
    refused = operator.run("serve")
    assert refused.returncode != 0
    assert "agents.polly.kind: there is no such kind of agent; known are shell, command, acp, claude" in refused.stderr
