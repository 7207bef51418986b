"""Which processes of a hive run although the hive knows nothing of them, and their end."""

import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path

from deia_tui.host.titles import NONCE_VARIABLE
from deia_tui.identity import Identity, boot_id, start_ticks

from ..hives import TrialHive
from .evidence import Note
from .verdicts import Finding


def strays(hive: TrialHive, diary: Iterable[Note], nonces: Collection[str]) -> list[Finding]:
    """Processes of runs that are over: found by the nonces of all runs, and by what agents wrote down."""
    known = {run["nonce"] for run in hive.runs()}
    found = {pid: Finding(_words(pid)) for pid, nonce in _carriers(nonces).items() if nonce not in known}
    for note in diary:
        if note.nonce not in known and start_ticks(note.pid) == note.start_ticks and _lives(note.pid):
            found[note.pid] = Finding(_words(note.pid), note.bot_id, note.message_id)
    return list(found.values())


def end_all(diary: Iterable[Note]) -> None:
    """Whatever agents and daemons are left after a failure."""
    for note in diary:
        Identity(note.pid, note.start_ticks, boot_id()).send(signal.SIGKILL)


def _carriers(nonces: Collection[str]) -> dict[int, str]:
    found = {}
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        for entry in _read(pid, "environ").split("\0"):
            name, _, value = entry.partition("=")
            if name == NONCE_VARIABLE and value in nonces and _lives(pid):
                found[pid] = value
    return found


def _lives(pid: int) -> bool:
    return _read(pid, "stat").rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def _words(pid: int) -> str:
    command = _read(pid, "cmdline").replace("\0", " ").strip() or _read(pid, "comm").strip()
    return f"{pid} ({command}) runs although nobody knows it"


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
