"""Questions to real programs: answered, cut short, and never anything left of them."""

import os
import threading
from pathlib import Path

import pytest

from deia_tui.identity import identify
from deia_tui.inquiry import MOST_READ, Answer, NoAnswer, ask
from tests.hives import until

ENV = {"PATH": os.environ["PATH"]}


def sh(script: str, timeout_s: float = 30.0, stop: int | None = None) -> Answer:
    return ask(["sh", "-c", script], env=ENV, timeout_s=timeout_s, stop=stop)


def test_an_answer_is_what_it_said_and_how_it_ended() -> None:
    assert sh("echo yes; echo but >&2; exit 3") == Answer(3, "yes\n", "but\n")
    assert sh("cat") == Answer(0, "", ""), "there is no input"


def test_a_long_answer_is_cut_and_does_not_stall_the_program() -> None:
    answer = sh(f"head -c {MOST_READ * 3} /dev/zero; echo done >&2")
    assert (len(answer.out), answer.err) == (MOST_READ, "done\n")


def test_silence_is_bounded() -> None:
    with pytest.raises(NoAnswer, match=r"^does not answer within 0\.1 s$"):
        sh("sleep 1000", timeout_s=0.1)


def test_whoever_waits_can_stop_and_the_whole_group_ends_however_stubborn(tmp_path: Path) -> None:
    def stop_once_it_runs() -> None:
        until((tmp_path / "pid").exists, "the program")
        os.eventfd_write(stop, 1)

    stop = os.eventfd(0)
    try:
        threading.Thread(target=stop_once_it_runs).start()
        with pytest.raises(NoAnswer):
            sh(
                f"sleep 1000 & echo $! > {tmp_path}/new; trap '' TERM; mv {tmp_path}/new {tmp_path}/pid; wait",
                1000,
                stop,
            )
    finally:
        os.close(stop)
    identity = identify(int((tmp_path / "pid").read_text()))
    until(lambda: identity is None or not identity.lives(), "its child to end")


def test_a_daemon_that_holds_the_pipes_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    daemon = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 1000"
    answer = sh(f"setsid sh -c '{daemon}' & echo started; until [ -e {tmp_path}/pid ]; do sleep 0.01; done")
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert answer.out == "started\n"


def test_what_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match=r"^cannot run \(No such file or directory\)$"):
        ask([str(tmp_path / "none")], env=ENV, timeout_s=1)
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o700)
    with pytest.raises(NoAnswer, match=r"^cannot run \(Exec format error\)$"):
        ask([str(tmp_path / "text")], env=ENV, timeout_s=1)
