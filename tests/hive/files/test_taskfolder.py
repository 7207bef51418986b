"""One folder of task files, without a hive: what may be claimed, and what is refused and why."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deia_tui.core.commands import AddTask
from deia_tui.core.work.taskfiles import read_task
from deia_tui.hive.files.filing import write_new
from deia_tui.hive.files.openfiles import open_for_writing
from deia_tui.hive.files.taskfolder import GRACE_S, Found, Look, TaskFolder
from tests.hives import until

MAX_BYTES = 1000


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path, "", max_bytes=MAX_BYTES)


def read(name: str, data: bytes) -> AddTask:
    return read_task(name, data, known=frozenset({"BOT-001"}))


def look(folder: TaskFolder) -> Look:
    return folder.look([name for name, _ in folder.names()], read, lambda: False)


def claim(folder: TaskFolder, found: Found, *taken: str) -> str | None:
    return next((name for _, name in folder.claim([found], taken, lambda: False)), None)


def refused(tmp_path: Path) -> dict[str, str]:
    """The reasons, by the names they are for."""
    return {path.name.removesuffix(".reason"): path.read_text() for path in (tmp_path / "_refused").glob("*.reason")}


def test_complete_files_are_claimed_in_the_order_of_their_names(tmp_path: Path, folder: TaskFolder) -> None:
    for name in ("b.md", "a.md", "c.json"):
        (tmp_path / name).write_text('{"text": "x"}')
    found = look(folder).found
    assert [one.name for one in found] == ["a.md", "b.md", "c.json"]
    assert folder.claim(found, (), lambda: True) == []
    assert [name for _, name in folder.claim(found, (), lambda: False)] == ["a.md", "b.md", "c.json"]
    assert sorted(path.name for path in (tmp_path / "_active").iterdir()) == ["a.md", "b.md", "c.json"]
    assert folder.names() == []


def test_what_editors_leave_and_other_files_are_let_alone(tmp_path: Path, folder: TaskFolder) -> None:
    for name in (".a.md.swp", ".a.md", "a.md~", "a.md.tmp", "notes.txt", "a"):
        (tmp_path / name).write_text("x")
    assert folder.names() == []


def test_a_file_that_is_being_written_is_not_complete(tmp_path: Path, folder: TaskFolder) -> None:
    with (tmp_path / "a.md").open("w") as file:
        file.write("half")
        file.flush()
        assert (look(folder).found, look(folder).unfinished) == ([], True)
    assert [one.task.text for one in look(folder).found] == ["half"]


def test_what_changed_since_it_was_read_is_not_claimed(tmp_path: Path, folder: TaskFolder) -> None:
    (tmp_path / "a.md").write_text("one")
    [found] = look(folder).found
    with (tmp_path / "a.md").open("a") as file:
        assert claim(folder, found) is None
        file.write(" two")
    assert claim(folder, found) is None
    (tmp_path / "a.md").unlink()
    assert claim(folder, found) is None


def test_names_never_collide(tmp_path: Path, folder: TaskFolder) -> None:
    claimed = []
    for text in ("one", "two", "three"):
        (tmp_path / "a.md").write_text(text)
        [found] = look(folder).found
        claimed.append(claim(folder, found, "a-2.md"))
        if text == "one":
            folder.archive("a.md")
    assert claimed == ["a.md", "a-3.md", "a-4.md"]
    folder.archive("a.md")  # it is there already
    (tmp_path / "a-3.md").write_text("another")
    folder.give_back("a-3.md", "a-3.md")
    assert sorted(name for name, _ in folder.names()) == ["a-3-2.md", "a-3.md"]
    for _ in range(2):
        (tmp_path / "é.md").write_text("\0")
        look(folder)
    assert set(refused(tmp_path)) == {"é.md", "é-2.md"}


def test_long_names_get_their_numbers_and_reasons(tmp_path: Path, folder: TaskFolder) -> None:
    name = "é" * 125 + "x.md"
    for _ in range(2):
        (tmp_path / name).write_text("x")
        [found] = look(folder).found
        assert claim(folder, found) is not None
    (tmp_path / name).write_text("")
    os.utime(tmp_path / name)
    folder.refuse(name, "why not")
    assert list(refused(tmp_path).values()) == ["why not\n"]


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:  # the path of one must be short
        listener.bind(path.name)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_link, "a link"),
        (lambda path: path.symlink_to("nowhere"), "a link"),
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "a folder"),
        (_socket, "a socket"),
        (lambda path: path.write_bytes(b"x" * (MAX_BYTES + 1)), "larger"),
        (lambda path: path.write_bytes(b"\xff"), "UTF-8"),
        (lambda path: path.write_text("---\ntask_id: ../../../x\n---\nx"), "cannot name a task"),
        (lambda path: path.write_text("**To:** BOT-002\nx"), "no such bot"),
    ],
)
def test_what_is_no_task_is_refused_with_a_reason(
    tmp_path: Path, folder: TaskFolder, make: Callable[[Path], None], why: str
) -> None:
    make(tmp_path / "x.md")
    seen = look(folder)
    assert (seen.found, [name for name, _ in seen.refused]) == ([], ["x.md"])
    assert os.path.lexists(tmp_path / "_refused" / "x.md")
    assert why in refused(tmp_path)["x.md"]
    assert folder.names() == []


def test_names_that_cannot_be_shown_are_refused(tmp_path: Path, folder: TaskFolder) -> None:
    (tmp_path / "a\x1b[31m\n.md").write_text("x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("x")
    assert len(look(folder).refused) == 2
    assert all("rename it" in reason for reason in refused(tmp_path).values())


def test_an_empty_file_and_one_with_two_names_have_a_moment(tmp_path: Path, folder: TaskFolder) -> None:
    (tmp_path / "empty.md").touch()
    (tmp_path / "two.md").write_text("x")
    os.link(tmp_path / "two.md", tmp_path / ".two.md.tmp")
    assert (look(folder).found, look(folder).unfinished, look(folder).refused) == ([], True, [])
    assert until(lambda: not look(folder).unfinished, "a decision", timeout=GRACE_S + 10)
    assert "empty" in refused(tmp_path)["empty.md"]
    assert "hard link" in refused(tmp_path)["two.md"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path, folder: TaskFolder) -> None:
    (tmp_path / "x.md").write_text("x")
    os.chown(tmp_path / "x.md", 12345, 12345)
    look(folder)
    assert "another user" in refused(tmp_path)["x.md"]


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, folder: TaskFolder) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (tmp_path / "_active").symlink_to(elsewhere)
    (tmp_path / "a.md").write_text("x")
    [found] = look(folder).found
    with pytest.raises(OSError):
        claim(folder, found)
    assert list(elsewhere.iterdir()) == []
    assert [name for name, _ in folder.names()] == ["a.md"]
    (tmp_path / "BOT-001").symlink_to(elsewhere)
    with pytest.raises(OSError):
        TaskFolder(tmp_path, "BOT-001", max_bytes=MAX_BYTES).names()


def test_a_look_can_be_given_up(tmp_path: Path, folder: TaskFolder) -> None:
    (tmp_path / "a.md").write_text("x")
    assert folder.look(["a.md"], read, lambda: True).found == []
    assert folder.look(["gone.md"], read, lambda: False) == Look()


def test_whoever_opens_a_file_while_it_is_looked_at_ends_nobody(tmp_path: Path, folder: TaskFolder) -> None:
    """The kernel tells the holder of a lease by a signal that ends those who do not expect it."""
    (tmp_path / "a.md").write_text("x")
    script = f"while True: open({str(tmp_path / 'a.md')!r}, 'r+').close()"
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        try:
            seen = [len(look(folder).found) for _ in range(2000)]
            assert until(lambda: look(folder).found, "a moment in which nobody writes")
        finally:
            writer.kill()
    assert set(seen) <= {0, 1}


def test_who_writes_is_seen_without_leases(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("x")
    known = (path.stat().st_dev, path.stat().st_ino)
    with path.open("r"):
        assert known not in open_for_writing()
    with path.open("a"):
        assert known in open_for_writing()


def test_refusing_what_is_gone_leaves_no_reason(tmp_path: Path, folder: TaskFolder) -> None:
    folder.refuse("gone.md", "why not")
    assert refused(tmp_path) == {}


def test_new_files_never_take_the_place_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "responses"
    assert write_new(folder, "a.md", b"one") == "a.md"
    assert write_new(folder, "a.md", b"one") == "a.md"  # written before a crash
    assert write_new(folder, "a.md", b"two") == "a-2.md"
    (folder / "b.md").symlink_to("a.md")
    assert write_new(folder, "b.md", b"one") == "b-2.md"
    assert sorted(path.name for path in folder.iterdir()) == ["a-2.md", "a.md", "b-2.md", "b.md"]
    assert (folder / "a.md").stat().st_mode & 0o777 == 0o600
