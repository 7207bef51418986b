import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.work.tasknames import KINDS, Told, party, read_name

BOTS = frozenset({"BOT-001", "BOT-002", "BOT-003", "CLAUDE-CODE-001", "BOT-001-A"})


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        (
            "2026-01-31-0930-Q33N-BOT-001-TASK-fix-the-login",
            Told(sender="Q33N", to="BOT-001", kind="TASK", title="fix the login"),
        ),
        (
            "2025-10-25-2053-000-001-HARDENING-START-NOW",
            Told(sender="Q33N", to="BOT-001", title="HARDENING START NOW"),
        ),
        ("TASK-002-001-checkin", Told(to="BOT-002", kind="TASK", title="checkin")),
        ("TASK-002-003-P1-inventory", Told(to="BOT-002", kind="TASK", priority=1, title="inventory")),
        ("20251024_145604-P1-test-task", Told(priority=1, title="test task")),
        (
            "2026-01-31-0930-CLAUDE-CODE-001-BOT-001-A-RESPONSE-x",
            Told(sender="CLAUDE-CODE-001", to="BOT-001-A", kind="RESPONSE", title="x"),
        ),
        (
            "2026-01-31-0930-HUMAN-DAVE-BOT-001-TASK-INTERJECT",
            Told(sender="HUMAN-DAVE", to="BOT-001", kind="TASK", title="INTERJECT"),
        ),
        (
            "2025-10-19-0050-003-ALL_AGENTS-ALERT-a-new-one",
            Told(sender="BOT-003", to="", kind="ALERT", title="a new one"),
        ),
        (
            "2025-10-18-2220-001-003-005-DECISION-approve",
            Told(sender="BOT-001", to="BOT-003", kind="DECISION", title="approve"),
        ),
        (
            "2025-10-25-2325-000-001-URGENT-CHECK-IN",
            Told(sender="Q33N", to="BOT-001", kind="URGENT", priority=0, title="CHECK IN"),
        ),
        ("2025-10-26-1215-ASSIGNMENT-BOT-001-REVIEW", Told(to="BOT-001", kind="ASSIGNMENT", title="REVIEW")),
        ("2025-10-26-BOT-003-SERVICE", Told(to="BOT-003", title="SERVICE")),
        ("2025-10-25-1600-000-BACKUP-WORK", Told(sender="Q33N", title="BACKUP WORK")),
        ("2025-10-25-0430-000-BOT-003-DESIGN", Told(sender="Q33N", to="BOT-003", title="DESIGN")),
        ("2026-01-31-0930-Q33N-BOT-009-TASK-x", Told(sender="Q33N", to="BOT-009", kind="TASK", title="x")),
        ("2026-03-15-TASK-165-spec-format", Told(kind="TASK", title="165 spec format")),
        ("TASK-077-003-nobody", Told(kind="TASK", title="077 003 nobody")),
        ("BOT-002-launch", Told(to="BOT-002", title="launch")),
        ("fix-404-and-500", Told(title="fix 404 and 500")),
        ("BOT-0011-is-no-bot-of-ours", Told(to="BOT-0011", title="is no bot of ours")),
        ("TASK", Told(kind="TASK")),
        ("", Told()),
    ],
)
def test_what_names_tell(stem: str, told: Told) -> None:
    assert read_name(stem, BOTS) == told


def test_parties_are_bots_in_any_case_numbers_and_everybody() -> None:
    assert [party(name, BOTS) for name in ("bot-001", "000", "002", "all_agents", "Q33N")] == [
        "BOT-001",
        "Q33N",
        "BOT-002",
        "",
        "Q33N",
    ]


def test_of_two_texts_the_first_one_counts() -> None:
    first, second = Told(sender="A", to=""), Told(sender="B", to="BOT-001", priority=0, title="t")
    assert first.or_else(second) == Told(sender="A", to="", priority=0, title="t")
    assert Told().or_else(second) == second


@given(st.text())
def test_every_name_tells_something_or_nothing(stem: str) -> None:
    told = read_name(stem, BOTS)
    assert told.kind in {*KINDS, ""}


@given(
    st.sampled_from(sorted(BOTS)),
    st.sampled_from(sorted(BOTS)),
    st.sampled_from(sorted(KINDS)),
    st.from_regex(r"\A[a-z]+(-[a-z]+)*\Z"),
)
def test_ids_with_dashes_are_never_split(sender: str, to: str, kind: str, subject: str) -> None:
    told = read_name(f"2026-01-31-0930-{sender}-{to}-{kind}-{subject}", BOTS)
    assert (told.sender, told.to, told.kind, told.title) == (sender, to, kind, subject.replace("-", " "))
