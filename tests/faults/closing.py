"""What must hold after every fault, whatever it was."""

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from deia_tui.host.brand import brand_of, brand_worn
from deia_tui.identity import Identity, ended
from tests.faults.hive import Event, FaultyHive
from tests.hives import MARK, living, until

_START_SLACK_S = 0.1
"""How precisely the start of a process is known: two clocks, and ticks of 10 ms."""


def close_soundly(hive: FaultyHive) -> None:
    """Stop the hive as an operator would, then look at what is left: no process, and a store that knows everything."""
    if hive.status() is None:
        hive.serve()
    nonces = [nonce for (nonce,) in hive.query("SELECT nonce FROM runs")]
    _until_none(lambda: _strangers(hive, nonces), "processes that the hive does not know")
    hive.ask("POST", "/api/shutdown", {"leave_bots": False})
    _until_none(lambda: _traces(hive, nonces), "processes that outlive the hive")
    assert [pid for pid in hive.outside if not ended(pid)] == [], "a daemon outlived the hive"
    events = hive.events()
    _databases_are_whole(hive)
    _messages_are_there(hive, events)
    _nothing_ran_twice(events, clock_jumped=hive.clock_jumped)
    _logs_can_be_read(hive)
    _nobody_failed_by_surprise(hive)


# Processes


def _until_none(found: Callable[[], dict[Identity, str]], what: str) -> None:
    try:
        until(lambda: not found(), what, pause=0.05)
    except AssertionError:
        raise AssertionError(f"{what}: {found()}") from None


def _strangers(hive: FaultyHive, nonces: Sequence[str]) -> dict[Identity, str]:
    """What carries a trace of the hive and is neither its supervisor nor its host nor below one of its bots."""
    status = hive.status()
    known = {status["supervisor"]["pid"], status["hive"]["host_pid"]} if status else set[int]()
    known |= set(hive.pids().values()) | hive.started()
    return {process: line for process, line in _traces(hive, nonces).items() if not _is_below(process.pid, known)}


def _is_below(pid: int, known: set[int]) -> bool:
    while pid > 1:
        if pid in known:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            return True  # it has just ended
    return False


def _traces(hive: FaultyHive, nonces: Sequence[str]) -> dict[Identity, str]:
    """Everything that runs with the mark of the hive, the nonce or brand of a run, its path, or in a folder of it."""
    names = [f"{MARK}={hive.root}", f"DEIA_HIVE={hive.root}", *(f"DEIA_RUN={nonce}" for nonce in nonces)]
    marks = frozenset(name.encode() for name in names)
    brands = {brand_of(nonce) for nonce in nonces}
    found = {}
    for process in living():
        environ, cmdline, cwd = _seen_of(process.pid)
        is_named = not marks.isdisjoint(environ) or str(hive.root) in cmdline
        if is_named or Path(cwd).is_relative_to(hive.root) or brand_worn(process.pid) in brands:
            found[process] = f"{cmdline} in {cwd}"
    return found


def _seen_of(pid: int) -> tuple[list[bytes], str, str]:
    """Its environment, its command line and its working directory; nothing of one that has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        cmdline = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return (folder / "environ").read_bytes().split(b"\0"), cmdline, os.readlink(folder / "cwd")
    except OSError:
        return [], "", "/"


# The store


def _databases_are_whole(hive: FaultyHive) -> None:
    for path in (hive.folder.state_db, hive.folder.samples_db):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path


def _messages_are_there(hive: FaultyHive, events: Sequence[Event]) -> None:
    """Every acknowledged one, with its text; and now that no bot runs, each has ended, once."""
    stored = {(row[0], row[1]): row[2] for row in hive.query("SELECT message_id, bot_id, text FROM messages")}
    lost = {key for key, text in hive.acknowledged.items() if stored.get(key) != text}
    assert lost == set(), f"acknowledged and lost: {lost}"
    assert {key[0] for key in stored} == {event["message_id"] for event in events if event["type"] == "message_queued"}
    ends = Counter(event["message_id"] for event in events if event["type"] == "turn_ended")
    assert {key[0]: ends[key[0]] for key in stored if ends[key[0]] != 1} == {}, "messages that did not end once"
    assert hive.query("SELECT message_id FROM messages WHERE ended_at IS NULL") == []


def _nothing_ran_twice(events: Sequence[Event], *, clock_jumped: bool) -> None:
    """The runs of a bot never overlap: neither in what is told, nor by the kernel's own time of their starts."""
    live: dict[str, int] = {}
    ended_at: dict[str, float] = {}
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    for event in events:
        bot_id, run = event.get("bot_id", ""), event.get("run")
        match event["type"]:
            case "bot_spawned" | "bot_adopted":
                assert live.setdefault(bot_id, run) == run, f"{bot_id}: run {run} began before {live[bot_id]} ended"
                started_at = booted_at + event["start_ticks"] / os.sysconf("SC_CLK_TCK")
                if event["type"] == "bot_spawned" and not clock_jumped:
                    assert started_at > ended_at.get(bot_id, 0.0) - _START_SLACK_S, f"{bot_id}: run {run} overlaps"
            case "bot_exited" if live.get(bot_id) == run:
                ended_at[bot_id] = event["exit"]["at"]
                del live[bot_id]
    assert live == {}, "runs without an end"


# Files


def _logs_can_be_read(hive: FaultyHive) -> None:
    for path in hive.folder.logs.glob("*.jsonl"):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            row = json.loads(line)
            assert next(iter(row)) == "timestamp", f"{path.name}, line {number}"


def _nobody_failed_by_surprise(hive: FaultyHive) -> None:
    for path in (hive.complaints, hive.folder.run / "host.log", hive.folder.run / "serve.log"):
        if path.exists():
            assert "Traceback" not in (text := path.read_text(errors="replace")), f"{path.name}: {text[-3000:]}"
