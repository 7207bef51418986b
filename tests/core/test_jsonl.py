"""What is found in the JSON lines of a program, by which paths."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.jsonl import picker


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("a", {"a": "x"}, "x"),
        ("a.b", {"a": {"b": 7}}, 7),
        (" a.b ", {"a": {"b": 0.5}}, 0.5),
        ("a.0.b", {"a": [{"b": "x"}]}, "x"),
        ("a.-1", {"a": ["x", "y"]}, "y"),
        ("a.2", {"a": ["x", "y"]}, None),
        ("a.x", {"a": ["x"]}, None),
        ("a.b.c", {"a": {"b": "text"}}, None),
        ("a", ["a"], None),
        ("a", {"a": ""}, None),
        ("a", {"a": None}, None),
        ("a", {"a": True}, None),
        ("a", {"a": {"b": "x"}}, None),
        ("[type=x].a", {"type": "x", "a": "found"}, "found"),
        ("[type=x].a", {"type": "y", "a": "found"}, None),
        ("[type=x.y].a", {"type": "x.y", "a": "found"}, "found"),
        ("a[n=1].b", {"a": {"n": 1, "b": "x"}}, "x"),
        ("a[n=1]", {"a": []}, None),
        ("a | b", {"b": "second"}, "second"),
        ("a | b", {"a": "first", "b": "second"}, "first"),
    ],
)
def test_a_path_leads_to_a_text_or_a_number(path: str, value: Any, found: Any) -> None:
    assert picker([("text", path)]).pick(value) == ({} if found is None else {"text": found})


@pytest.mark.parametrize(
    ("name", "path", "sentence"),
    [
        ("texts", "a", "there is no field 'texts': known are text, "),
        ("text", "", "a path is empty"),
        ("text", "a |", "a path is empty"),
        ("text", "a..b", "'a..b' is no path"),
        ("text", "a[b]", "is no path"),
        ("text", "[a=b", "is no path"),
    ],
)
def test_a_declaration_that_leads_nowhere_is_named(name: str, path: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        picker([(name, path)])


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_line_can_be_looked_at(value: Any) -> None:
    assert set(picker([("text", "a.0[b=c].d | 0.1")]).pick(value)) <= {"text"}
