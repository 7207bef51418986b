import json
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import codec
from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, ExitRecord


def _values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: _values(hints[field.name]) for field in fields(hint)})
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(st.none(), *(_values(argument) for argument in arguments if argument is not NoneType))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    scalars = {bool: st.booleans(), str: st.text(), int: st.integers(), float: st.floats(allow_nan=False)}
    return scalars[hint]


@given(st.one_of(*(_values(kind) for kind in codec.TYPES.values())))
def test_every_event_survives_json(event: ev.Event) -> None:
    data = codec.to_json(event)
    assert next(iter(data)) == "type"
    restored = codec.from_json(json.loads(json.dumps(data)))
    assert restored == event
    assert type(restored) is type(event)


def test_every_event_has_a_name_of_its_own() -> None:
    assert set(codec.TYPES.values()) == set(get_args(ev.Event))
    assert codec.TYPES["bot_exited"] is ev.BotExited
    assert codec.TYPES["hive_opened"] is ev.HiveOpened


def test_nested_values_are_plain_json() -> None:
    agent = AgentSpec(name="x", kind="command", argv=("ls", "-l"))
    data = codec.to_json(ev.BotLaunched(at=1.0, bot_id="B", spec=BotSpec(bot_id="B", agent=agent)))
    assert data["spec"]["restart"] == "permanent"
    assert type(data["spec"]["restart"]) is str
    assert data["spec"]["agent"]["argv"] == ["ls", "-l"]


def test_what_an_event_holds_is_read_by_itself_too() -> None:
    agent = AgentSpec(name="x", kind="command", argv=("ls", "-l"))
    assert codec.decode(AgentSpec, codec.encode(agent)) == agent
    with pytest.raises(ValueError, match="AgentSpec lacks name"):
        codec.decode(AgentSpec, {"kind": "command"})


def test_what_a_newer_version_added_is_ignored_and_what_has_a_default_may_be_missing() -> None:
    data = {"type": "bot_exited", "at": 1, "bot_id": "B", "run": 1, "exit": {"at": 1, "mood": "grim"}, "more": 1}
    assert codec.from_json(data) == ev.BotExited(at=1.0, bot_id="B", run=1, exit=ExitRecord(at=1.0))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "There is no event type None."),
        ({"type": "bot_flew"}, "There is no event type 'bot_flew'."),
        ({"type": "bot_stopped", "at": 1.0}, "bot_stopped lacks bot_id."),
        ({"type": "bot_stopped", "at": "now", "bot_id": "B"}, "bot_stopped.at must be a number, not 'now'."),
        ({"type": "bot_stopped", "at": True, "bot_id": "B"}, "bot_stopped.at must be a number, not True."),
        ({"type": "bot_stopped", "at": 1.0, "bot_id": 7}, "bot_stopped.bot_id must be a text, not 7."),
        (
            {"type": "bot_exited", "at": 1.0, "bot_id": "B", "run": 1, "exit": {"at": 1.0, "code": "0"}},
            "bot_exited.exit.code must be a whole number, not '0'.",
        ),
        (
            {"type": "bot_exited", "at": 1.0, "bot_id": "B", "run": 1, "exit": []},
            "bot_exited.exit must be an object, not [].",
        ),
        (
            {"type": "bot_exited", "at": 1.0, "bot_id": "B", "run": 1, "exit": {"at": 1.0}, "stderr_tail": "x"},
            "bot_exited.stderr_tail must be a list, not 'x'.",
        ),
        (
            {"type": "hive_opened", "at": 1.0, "pid": 1, "mode": "party", "version": "1"},
            "hive_opened.mode must be one of console, background, serve, not 'party'.",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_a_sentence(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        codec.from_json(data)
    assert str(refusal.value) == sentence


def test_wrong_enums_and_objects_are_named() -> None:
    spec = {"bot_id": "B", "agent": "shell", "restart": "sometimes"}
    with pytest.raises(ValueError, match=r"spec\.agent must be an object"):
        codec.from_json({"type": "bot_launched", "at": 1.0, "bot_id": "B", "spec": spec})
    with pytest.raises(ValueError, match=r"spec\.restart must be one of permanent, transient, temporary"):
        spec = {**spec, "agent": {"name": "x", "kind": "command", "env": {"A": "of version 0.1"}}}
        codec.from_json({"type": "bot_launched", "at": 1.0, "bot_id": "B", "spec": spec})
