from deia_tui.hive.clock import Clock
from deia_tui.hive.files.waitingfiles import WaitingFiles


def test_a_gate_is_closed_until_the_queue_says_otherwise() -> None:
    refusing = {"BOT-001"}
    files = WaitingFiles(Clock(), refusing.__contains__)
    assert not files.is_closed("BOT-001", 2)
    files.close("BOT-001", 2, 1000.0)
    assert [files.is_closed("BOT-001", priority) for priority in (1, 2, 3)] == [False, True, True]
    assert not files.is_closed("BOT-002", 2)
    refusing.clear()
    assert not files.is_closed("BOT-001", 2)


def test_a_queue_that_never_said_it_is_full_is_asked_again_when_it_wants_to_be() -> None:
    files = WaitingFiles(Clock(), lambda bot_id: False)
    files.close("BOT-001", 2, 1000.0)
    assert files.is_closed("BOT-001", 2)
    files.close("BOT-001", 2, 0.0)
    assert not files.is_closed("BOT-001", 2)


def test_urgent_tasks_are_tried_again_though_the_queue_is_full() -> None:
    files = WaitingFiles(Clock(), lambda bot_id: True)
    files.close("BOT-001", 0, 0.0)
    assert not files.is_closed("BOT-001", 0)
    files.close("BOT-001", 2, 0.0)
    assert files.is_closed("BOT-001", 2)


def test_a_file_that_waits_is_known_by_its_place_and_inode() -> None:
    files = WaitingFiles(Clock(), lambda bot_id: True)
    files.close("BOT-001", 2, 1000.0)
    files.put("BOT-001/a.md", 7, "BOT-001", 2)
    assert files.waits("BOT-001/a.md", 7)
    assert not files.waits("BOT-001/a.md", 8)
    assert not files.waits("BOT-001/b.md", 7)
    assert files
    files.put("BOT-001/c.md", 9, "BOT-001", 1)
    entries = [("a.md", 7), ("b.md", 8), ("c.md", 9)]
    assert files.in_order(entries, lambda name: f"BOT-001/{name}") == [("c.md", 9), ("a.md", 7), ("b.md", 8)]
    files.keep({"BOT-001/b.md"})
    assert not files
    assert files.in_order(entries, str) == entries
