"""One supervisor per hive: who has the lock, who lost it, and who has to make room."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.hive import succession
from deia_tui.hive.lock import HiveLock, HiveTaken, Holder
from deia_tui.identity import identify

HOLDING = """
import sys, pathlib
from deia_tui.folder import Folder
from deia_tui.hive.lock import HiveLock
with HiveLock(Folder(pathlib.Path(sys.argv[1])), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.create()
    return folder


@contextmanager
def held_by_another(folder: Folder, mode: str) -> "Iterator[subprocess.Popen[str]]":
    """A process that holds the lock and answers nobody."""
    argv = [sys.executable, "-c", HOLDING, str(folder.root), mode]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            other.kill()


def holder_of(folder: Folder) -> Holder:
    with pytest.raises(HiveTaken) as taken:
        HiveLock(folder, "serve").take()
    return taken.value.holder


def test_the_lock_names_its_holder_and_what_it_became(folder: Folder) -> None:
    with HiveLock(folder, "console") as lock:
        assert holder_of(folder) == Holder(identify(os.getpid()), "console")
        lock.say("background")
        assert holder_of(folder) == Holder(identify(os.getpid()), "background")
        with pytest.raises(HiveTaken, match=f"pid {os.getpid()}, background.*--take-over"):
            HiveLock(folder, "serve").take()
    with HiveLock(folder, "serve"):
        pass


def test_it_dies_with_its_holder(folder: Folder) -> None:
    with held_by_another(folder, "serve") as other:
        assert holder_of(folder).pid == other.pid
        other.kill()
        other.wait()
        with HiveLock(folder, "serve") as lock:
            assert lock.still_held()


@pytest.mark.parametrize("note", ["", "{", '{"pid": 1, "mode": "serve"}', '{"pid": "x", "mode": 3}'])
def test_a_note_that_says_too_little_names_no_process(folder: Folder, note: str) -> None:
    with HiveLock(folder, "serve"):
        (folder.run / "lock").write_text(note)
        assert holder_of(folder).process is None


def test_a_deleted_lock_file_is_noticed_and_made_anew(folder: Folder) -> None:
    with HiveLock(folder, "serve") as lock:
        assert lock.still_held()
        (folder.run / "lock").unlink()
        assert not lock.still_held()
        lock.renew()
        assert lock.still_held()
        assert holder_of(folder).pid == os.getpid()


def test_somebody_who_was_quicker_keeps_it(folder: Folder) -> None:
    with HiveLock(folder, "serve") as lock:
        (folder.run / "lock").unlink()
        with held_by_another(folder, "console") as other:
            assert not lock.still_held()
            with pytest.raises(HiveTaken, match=f"pid {other.pid}, console"):
                lock.renew()


def test_without_its_folder_there_is_nothing_to_hold(folder: Folder) -> None:
    with HiveLock(folder, "serve") as lock:
        (folder.run / "lock").unlink()
        folder.run.rename(folder.deia / "gone")
        assert not lock.still_held()
        with pytest.raises(ConfigError, match=r"was \.deia deleted"):
            lock.renew()


def test_a_link_in_its_place_is_not_followed(folder: Folder) -> None:
    victim = folder.root / "victim"
    victim.write_text("precious")
    (folder.run / "lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        HiveLock(folder, "serve").take()
    assert victim.read_text() == "precious"


# Who makes room


def test_nobody_has_to_be_asked_for_a_free_hive(folder: Folder) -> None:
    lock = succession.claim(folder, "console", take_over=False)
    assert lock is not None
    with lock:
        assert holder_of(folder).mode == "console"


@pytest.mark.parametrize(("mode", "take_over"), [("background", False), ("serve", False), ("console", True)])
def test_who_has_no_screen_or_must_will_make_room(folder: Folder, mode: str, take_over: bool) -> None:
    with held_by_another(folder, mode):
        assert succession.claim(folder, "console", take_over=take_over) is None


def test_a_screen_is_not_taken_away_unasked(folder: Folder) -> None:
    with held_by_another(folder, "console"), pytest.raises(HiveTaken):
        succession.claim(folder, "console", take_over=False)


def test_one_that_does_not_answer_is_left_alone_unless_told_otherwise(folder: Folder) -> None:
    with held_by_another(folder, "serve") as other:
        with pytest.raises(ConfigError, match=f"pid {other.pid}, serve.*does not answer.*--take-over"):
            succession.succeed(folder, "console", take_over=False, patience_s=0.2)
        assert other.poll() is None


def test_one_that_does_not_answer_is_ended_when_told_to(folder: Folder) -> None:
    with held_by_another(folder, "console") as other:
        other.send_signal(signal.SIGSTOP)
        with succession.succeed(folder, "console", take_over=True, patience_s=0.2) as lock:
            assert other.wait() == -signal.SIGKILL
            assert lock.still_held()


def test_a_process_that_only_has_the_number_of_the_holder_is_not_killed(folder: Folder) -> None:
    """The note of a holder whose pid was recycled: the flock is held, by an inherited descriptor, say."""
    with held_by_another(folder, "serve") as other:
        process = identify(other.pid)
        assert process is not None
        former = {"pid": other.pid, "mode": "serve", "start_ticks": process.start_ticks - 1, "boot_id": process.boot_id}
        (folder.run / "lock").write_text(json.dumps(former))
        with pytest.raises(ConfigError, match="does not even end by SIGKILL"):
            succession.succeed(folder, "console", take_over=True, patience_s=0.2)
        assert other.poll() is None
