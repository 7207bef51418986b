from dataclasses import replace

import pytest

from deia_tui.core.programs import PROGRAMS, Readiness, is_tested, program_of

READY = Readiness(agent="claude", program="claude", path="/opt/claude", version="2.1.0")


@pytest.mark.parametrize(
    ("kind", "argv", "name"),
    [
        ("acp", ("/opt/bin/gemini", "--acp"), "gemini"),
        ("claude", (), "claude"),
        ("claude", ("my-claude",), "claude"),
        ("acp", ("parrot",), None),
        ("shell", (), None),
    ],
)
def test_a_program_is_known_by_its_name_or_its_kind(kind: str, argv: tuple[str, ...], name: str | None) -> None:
    program = program_of(kind, argv)
    assert (program and program.name) == name


@pytest.mark.parametrize(
    ("readiness", "words"),
    [
        (Readiness(agent="shell", program=""), "shell: nothing to install"),
        (Readiness(agent="gemini", program="gemini"), "gemini is not installed"),
        (Readiness(agent="mine", program="gemini"), "mine: gemini is not installed"),
        (READY, "claude 2.1.0"),
        (replace(READY, version=""), "claude of unknown version"),
        (replace(READY, tested=True, logged_in=True, login="A_KEY"), "claude 2.1.0 (tested), logged in (A_KEY)"),
        (replace(READY, tested=False, logged_in=False), "claude 2.1.0 (not tested with this version), not logged in"),
    ],
)
def test_how_an_agent_stands_in_words(readiness: Readiness, words: str) -> None:
    assert str(readiness) == words
    assert words.endswith(readiness.standing)


@pytest.mark.parametrize(
    ("version", "tested"),
    [("2.0.9", False), ("2.1.0", True), ("2.1.10-beta.3", True), ("2.2", True), ("2.2.1", False), ("", None)],
)
def test_what_lies_between_two_tried_versions_counts_as_tried(version: str, tested: bool | None) -> None:
    program = replace(PROGRAMS["claude"], tested=("2.1.0", "2.2.0"))
    assert is_tested(program, version) is tested


def test_nothing_is_said_of_a_program_nobody_tried() -> None:
    assert is_tested(replace(PROGRAMS["claude"], tested=None), "1.0") is None
