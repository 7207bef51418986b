"""What doctor says of the agents of a hive, with programs of ours under the names of well-known ones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deia_tui.folder import Folder
from deia_tui.settings import furnish


class Patient:
    """A furnished hive on a machine that has nothing but what a test installs."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root / "hive")
        self.folder.create()
        furnish(self.folder)
        self.bin = root / "bin"
        self.bin.mkdir()
        self._env = {"PATH": str(self.bin), "HOME": str(root)}

    def install(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o700)

    def ask(self, *args: str, **env: str) -> str:
        command = [sys.executable, "-m", "deia_tui", "--hive", str(self.folder.root), "doctor", *args]
        done = subprocess.run(command, capture_output=True, text=True, env={**self._env, **env}, check=True, timeout=60)
        return done.stdout

    def agents(self, **env: str) -> dict[str, Any]:
        rows = json.loads(self.ask("--json", **env))
        return {row["agent"]["agent"]: row for row in rows if row["subject"] == "agent"}


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


def test_an_agent_that_several_templates_want_is_missed_once(patient: Patient) -> None:
    warnings = [line for line in patient.ask().splitlines() if line.startswith("▲") and "claude" in line]
    assert warnings == [
        "▲ agent        claude is not installed: 'npm install -g @anthropic-ai/claude-code' installs it; "
        "designer, manager, support, tool-builder cannot run without"
    ]


def test_what_nobody_wants_is_only_noted(patient: Patient) -> None:
    found = patient.agents()
    assert {name: row["level"] for name, row in found.items()} == {
        "claude": "warning",
        "shell": "ok",
        **dict.fromkeys(("claude-agent-acp", "codex-acp", "gemini", "opencode", "goose"), "note"),
    }
    assert "· agent        goose is not installed: 'curl" in patient.ask()


def test_an_agent_that_is_there_tells_its_version_and_whether_it_is_logged_in(patient: Patient) -> None:
    patient.install("claude", "echo '9.9.9 (Claude Code)'")
    row = patient.agents()["claude"]
    assert (row["level"], row["agent"]["version"], row["agent"]["logged_in"]) == ("warning", "9.9.9", False)
    assert row["agent"]["wanted_by"] == ["designer", "manager", "support", "tool-builder"]
    assert "not logged in: run 'claude' and '/login' there, or set ANTHROPIC_API_KEY" in row["text"]
    row = patient.agents(ANTHROPIC_API_KEY="sk-x")["claude"]
    assert (row["level"], row["agent"]["logged_in"], row["agent"]["login"]) == ("ok", True, "ANTHROPIC_API_KEY")
    assert "sk-x" not in json.dumps(row)


def test_a_key_that_hive_toml_sets_is_a_login_too(patient: Patient) -> None:
    patient.install("gemini", "echo 1.2.3")
    patient.folder.hive_toml.write_text(
        '[agents.g]\nkind = "acp"\nargv = ["gemini", "--acp"]\nenv = { GEMINI_API_KEY = "x" }\n'
    )
    found = patient.agents()
    assert found["g"]["text"] == "g: gemini 1.2.3, logged in (GEMINI_API_KEY)"
    assert (found["g"]["level"], found["gemini"]["level"]) == ("ok", "note"), "nobody wants the one without a key"


def test_bots_and_templates_that_cannot_be_launched_for_another_reason_are_named(patient: Patient) -> None:
    (patient.folder.templates / "odd.toml").write_text('agent = "nobody"\n')
    with patient.folder.hive_toml.open("a") as file:
        file.write('[bots.A]\nagent = "shell"\nworkdir = "gone"\n[bots.B]\nagent = "shell"\nworktree = true\n')
    text = patient.ask()
    assert "▲ template     odd: Template 'odd' wants agent 'nobody': declare [agents.nobody] in hive.toml." in text
    assert f"▲ bot          A: The workdir of A, {patient.folder.root}/gone, is no folder" in text
    assert "▲ bot          B: B wants a git worktree, and" in text
