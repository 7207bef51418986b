import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.bots import (
    LIVE,
    OFF,
    AgentSpec,
    BotSpec,
    BotState,
    ExitRecord,
    RestartPolicy,
    idle_timeout_of,
    spec_from_json,
    spec_to_json,
)

numbers = st.floats(allow_nan=False)  # no NaN equals itself
agents = st.builds(AgentSpec, argv=..., prompt=..., timeout_s=numbers)


@given(
    st.builds(
        BotSpec, agent=agents, template=..., workdir=..., memory_mb=numbers, nice=..., restart=..., work_grace_s=numbers
    )
)
def test_a_spec_survives_json(spec: BotSpec) -> None:
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_a_spec_of_a_former_version_gets_the_defaults() -> None:
    spec = spec_from_json({"bot_id": "B", "agent": {"name": "shell", "kind": "shell", "env": {"A": "b"}}})
    assert (spec.restart, spec.agent.argv, spec.workdir) == (RestartPolicy.PERMANENT, (), "")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"bot_id": "B"},
        {"bot_id": "B", "agent": 3},
        {"bot_id": "B", "agent": {"name": "x"}},
        {"bot_id": "B", "agent": {"name": "x", "kind": "shell"}, "restart": "sometimes"},
        {"bot_id": "B", "agent": {"name": "x", "kind": "shell"}, "mood": "grim"},
    ],
)
def test_what_is_no_spec_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        spec_from_json(data)


@pytest.mark.parametrize(
    ("exit", "words", "clean"),
    [
        (ExitRecord(at=1.0, code=0), "exit 0", True),
        (ExitRecord(at=1.0, code=3), "exit 3", False),
        (ExitRecord(at=1.0, signal="SIGKILL"), "SIGKILL", False),
        (ExitRecord(at=1.0), "exit unknown", False),
    ],
)
def test_an_exit_in_words(exit: ExitRecord, words: str, clean: bool) -> None:
    assert (str(exit), exit.clean) == (words, clean)


def test_a_bot_is_live_or_off_or_waits_to_start_again() -> None:
    assert not LIVE & OFF
    assert set(BotState) - LIVE - OFF == {BotState.BACKOFF}


@pytest.mark.parametrize(("kind", "patience_s"), [("shell", 20.0), ("command", 20.0), ("claude", 300.0)])
def test_a_program_that_runs_once_a_message_may_be_silent_until_it_is_done(kind: str, patience_s: float) -> None:
    assert idle_timeout_of(kind, 20.0) == patience_s
    stored = {"bot_id": "B", "agent": {"name": "x", "kind": kind, "timeout_s": 20.0}}
    assert spec_from_json(stored).agent.idle_timeout_s == patience_s
