import json
from datetime import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.commands import AddTask
from deia_tui.core.errors import CommandRejected
from deia_tui.core.work.taskfiles import MAX_FRONT_MATTER, read_task
from deia_tui.core.work.tasks import TaskType

BOTS = frozenset({"BOT-001", "BOT-002", "CLAUDE-CODE-001"})


def read(data: bytes | str, name: str = "do.md", folder: str = "") -> AddTask:
    raw = data if isinstance(data, bytes) else data.encode()
    return read_task(name, raw, known=BOTS, folder=folder, source="do.md")


def refusal(data: bytes | str, name: str = "do.md") -> str:
    with pytest.raises(CommandRejected) as caught:
        read(data, name)
    assert caught.value.status == 422
    return str(caught.value)


def test_front_matter() -> None:
    task = read(
        "---\nfrom: Q33N\nto: bot-001\ntask_id: 007\npriority: P0\ntype: code\ncreated_at: 2026-01-31 09:30\n"
        "unknown: [1, {a: b}]\nafter:\n  - one\n  - two\n---\n# Mend the login\n\nIt is broken.\n"
    )
    assert task == AddTask(
        text="# Mend the login\n\nIt is broken.",
        title="Mend the login",
        task_id="007",
        sender="Q33N",
        to="BOT-001",
        priority=0,
        task_type=TaskType.CODE,
        after=("one", "two"),
        source="do.md",
    )


def test_bold_headers_stand_before_the_prose() -> None:
    text = "# Login\n**From:** Q33N\n- **To**: BOT-001 (Claude)\n**Priority:** P0 - now\n\nWrite **To:** x.\n**To:** x"
    task = read(text)
    assert (task.sender, task.to, task.priority, task.title) == ("Q33N", "BOT-001", 0, "Login")
    assert task.text == text


def test_a_file_without_headers_is_a_task_of_somebody_for_anybody() -> None:
    assert read("\ufeffDo it.\r\nNow.\r\n", "please-do.md") == AddTask(
        text="Do it.\nNow.", title="please do", source="do.md"
    )


def test_front_matter_before_headers_before_the_name() -> None:
    name = "2026-01-31-0930-BOT-002-BOT-001-TASK-the-name.md"
    assert (read("Do it.", name).sender, read("Do it.", name).to) == ("BOT-002", "BOT-001")
    assert read("**To:** BOT-002\nDo it.", name).to == "BOT-002"
    assert read("---\nto: CLAUDE-CODE-001\n---\n**To:** BOT-002\nDo it.", name).to == "CLAUDE-CODE-001"
    assert read("---\ntitle: A title\nto: ALL_AGENTS\n---\n# Heading\nDo it.", name).to == ""
    assert read("---\ntitle: A title\n---\n# Heading\nDo it.", name).title == "A title"
    assert read("Do it.", name).title == "the name"
    assert read("Do it.", "-.md").title == "Do it."


def test_the_folder_says_for_whom() -> None:
    assert read("**To:** BOT-001\nDo it.", folder="BOT-002").to == "BOT-002"
    assert read("**To:** BOT-077\nDo it.", folder="BOT-002").to == "BOT-002"


@pytest.mark.parametrize(
    ("written", "priority"),
    [
        ("P0 - text", 0),
        ("p1", 1),
        ("3", 3),
        ("HIGH", 1),
        ("**P1**", 1),
        ("Critical!", 0),
        ("P7", 2),
        ("soon", 2),
        ("–", 2),
        ("~", 2),
    ],
)
def test_priorities(written: str, priority: int) -> None:
    assert (
        read(f"---\nfrom: x\npriority: {json.dumps(written) if written != '~' else '~'}\n---\nDo it.").priority
        == priority
    )


def test_a_task_may_wait_for_others() -> None:
    assert read("**After:** one, two one\nDo it.").after == ("one", "two")
    assert read("---\nafter: [one]\n---\nDo it.").after == ("one",)


def test_papers_that_ask_for_nothing_are_no_tasks() -> None:
    assert "RESPONSE" in refusal("Done.", "2026-01-31-0930-BOT-001-Q33N-RESPONSE-login-complete.md")
    assert "SYNC" in refusal("---\ntype: sync\n---\nHello.")
    assert read("---\ntype: task\n---\nHello.", "2026-01-31-0930-Q33N-BOT-001-REPORT-x.md").priority == 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"---\nfrom: x\n---\n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"a\0b", "NUL"),
        (b"---\ntitle: a: b\n---\nDo it.", "line 2"),
        (b"---\ntitle: \x07\n---\nDo it.", "no YAML"),
        (b"---\ntask_id: ../../etc\n---\nDo it.", "cannot name a task"),
        (b"---\nafter: [a/b]\n---\nDo it.", "cannot name a task"),
        (b"---\nto: BOT-077\n---\nDo it.", "no such bot"),
        (b"---\nto: [BOT-001, BOT-002]\n---\nDo it.", "more than one"),
        (b"**To:** BOT-001, BOT-002\nDo it.", "more than one"),
        (b"---\nx: " + b"y" * MAX_FRONT_MATTER + b"\n---\nDo it.", "64 KiB"),
    ],
)
def test_what_is_no_task_is_told_why(data: bytes, why: str) -> None:
    assert why in refusal(data)


def test_prose_between_two_rules_is_no_front_matter() -> None:
    for text in ("---\nHello.\n---\nDo it.", "---\n- a\n---\nDo it.", "---\nnote: a\n---\nDo it.", "---\n---\nDo it."):
        assert read(text).text == text


def test_hostile_front_matter_costs_nothing_and_means_nothing() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(500)) + "to: *a\n*a : x\n[to]: BOT-001\n"
    deep = "from: " + "{a: " * 900 + "}" * 900 + "\n"
    task = read(f"---\n{bomb}{deep}priority: P1\n---\nDo it.")
    assert (task.sender, task.priority) == ("HUMAN", 1)


def test_json_tasks() -> None:
    row = {"task_id": 77, "status": "queued", "from": "Q33N", "to": "BOT-001", "priority": 1, "after": ["a", 2, None]}
    row |= {"content": "Do it.", "meta": {"deep": []}, "done": False, "text": "", "created_at": None}
    task = read(json.dumps(row), "2026-01-31-0930-Q33N-BOT-002-TASK-77.json")
    assert (task.text, task.task_id, task.sender, task.to) == ("Do it.", "77", "Q33N", "BOT-001")
    assert (task.priority, task.after, task.title) == (1, ("a", "2"), "77")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("1" * 5000, "no JSON"),
        ("[]", "no JSON object"),
        ('{"text": "x", "status": "completed"}', "only queued"),
        ('{"title": "x", "text": 1}', "no text"),
    ],
)
def test_json_that_is_no_task(text: str, why: str) -> None:
    assert why in refusal(text, "x.json")


KEYS = st.sampled_from(["from", "to", "task_id", "priority", "type", "after", "title", "other"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_front_matter_is_a_task_or_refused(headers: dict[str, object]) -> None:
    _read_or_refused(f"---\n{yaml.safe_dump(headers)}---\nDo it.".encode("utf-8", "surrogatepass"), "x.md")


@given(st.dictionaries(KEYS | st.just("text"), VALUES.filter(lambda value: not isinstance(value, bytes))))
def test_any_json_is_a_task_or_refused(row: dict[str, object]) -> None:
    _read_or_refused(json.dumps(row, default=str).encode(), "x.json")


@given(st.binary() | st.text().map(str.encode), st.text().map(lambda stem: f"{stem}.md") | st.just("x.json"))
def test_whatever_lies_there_is_a_task_or_refused(data: bytes, name: str) -> None:
    _read_or_refused(data, name)


def _read_or_refused(data: bytes, name: str) -> None:
    try:
        task = read_task(name, data, known=BOTS)
    except CommandRejected as refusal:
        assert refusal.status == 422
        assert str(refusal).endswith(".")
        assert len(str(refusal).splitlines()) == 1
    else:
        assert task.text.strip()
        assert task.title == task.title.strip()
        assert task.to in {"", *BOTS}


def test_times_are_not_believed() -> None:
    assert read(f"---\ncreated_at: {datetime(1970, 1, 1)}\npriority: P3\n---\nDo it.").priority == 3
