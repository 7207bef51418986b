"""Real processes: a pid alone is a stranger."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deia_tui.identity import Identity, boot_id, ended, identify, start_ticks, wait_for_end


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing; it is reaped only with the test."""
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def known(pid: int) -> Identity:
    identity = identify(pid)
    assert identity is not None
    return identity


def test_one_process_has_one_identity(child: subprocess.Popen[bytes]) -> None:
    assert known(child.pid) == known(child.pid) == Identity(child.pid, start_ticks(child.pid) or 0, boot_id())
    assert known(child.pid) != known(os.getpid())
    assert len(boot_id()) == 36


def test_a_signal_reaches_exactly_that_process(child: subprocess.Popen[bytes]) -> None:
    assert known(child.pid).send(signal.SIGTERM)
    assert child.wait(30) == -signal.SIGTERM


def test_a_process_that_was_reaped_is_gone(child: subprocess.Popen[bytes]) -> None:
    identity = known(child.pid)
    child.kill()
    child.wait(30)
    assert identity.open() is None
    assert not identity.send(signal.SIGKILL)
    assert identify(child.pid) is None
    assert ended(child.pid)


def test_a_zombie_has_ended_but_keeps_its_identity(child: subprocess.Popen[bytes]) -> None:
    identity = known(child.pid)
    child.kill()
    assert wait_for_end(child.pid)
    assert ended(child.pid)
    assert identify(child.pid) == identity, "not reaped yet"


def test_a_zombie_takes_no_signal_that_matters(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    assert wait_for_end(child.pid)
    known(child.pid).send(signal.SIGTERM)
    assert child.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "of another boot"}])
def test_a_recycled_pid_is_a_stranger(child: subprocess.Popen[bytes], change: dict[str, object]) -> None:
    former = replace(known(child.pid), **change)
    assert former.open() is None
    assert not former.send(signal.SIGKILL)
    assert not ended(child.pid), "the stranger lives"


def test_a_pidfd_is_the_caller_s_to_close(child: subprocess.Popen[bytes]) -> None:
    pidfd = known(child.pid).open()
    assert pidfd is not None
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    os.close(pidfd)
    assert child.wait(30) == -signal.SIGTERM


def test_a_name_full_of_parentheses_and_spaces_confuses_nobody() -> None:
    name = ") Z 1 (2) Z"
    program = f"open('/proc/self/comm', 'w').write({name!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert Path(f"/proc/{child.pid}/comm").read_text() == name + "\n"
        assert not ended(child.pid)
        assert (start_ticks(child.pid) or 0) >= (start_ticks(os.getpid()) or 0) > 0
        assert known(child.pid).send(signal.SIGTERM)
    assert child.returncode == -signal.SIGTERM


def test_nobody_has_that_number() -> None:
    free = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert (start_ticks(free), identify(free), ended(free)) == (None, None, True)
    assert not Identity(free, 1, boot_id()).send(signal.SIGKILL)


def test_waiting_has_an_end(child: subprocess.Popen[bytes]) -> None:
    assert not wait_for_end(child.pid, timeout_s=0.05)
    child.kill()
    assert wait_for_end(child.pid)
