"""Logs that are nearly full, and four who write into each: full ones are set aside, and not a line is lost or torn."""

import gzip
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deia_tui import segments
from deia_tui.bot.output_log import SHARE
from deia_tui.store.journal import share_of
from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive
from tests.hives import until

WRITERS = 4
LINES = 10_000
# Whole lines, and no more in one write than a pipe takes in one piece.
CHORUS = f"""
import os
for voice in range({WRITERS}):
    if not os.fork():
        lines = [b"voice %d line %d %s\\n" % (voice, number, b"." * 80) for number in range({LINES})]
        for start in range(0, {LINES}, 30):
            os.write(1, b"".join(lines[start : start + 30]))
        os._exit(0)
for _ in range({WRITERS}):
    os.wait()
"""
MESSAGES = 40
SPARE = 20_000
"""Bytes that a log still takes before it is full."""


@pytest.mark.fault(42)
def test_an_output_log_that_is_set_aside_keeps_every_line(hive: FaultyHive, measured: Measured) -> None:
    hive.configure(hive.agent("chorus", hive.script("chorus", CHORUS)))
    log = hive.folder.output_log("BOT-001")
    _nearly_fill(log, b"an old line\n", segments.full_at(SHARE))
    hive.serve()
    hive.launch("chorus", 1)
    assert hive.turn(hive.send("BOT-001", "sing"))["status"] == "answered"
    lines = Counter(line for line in _everything(log).splitlines() if line != b"an old line")
    whole = re.compile(rb"voice (\d) line (\d+) \.{80}")
    assert [line for line in lines if not whole.fullmatch(line)] == [], "torn"
    assert len(lines) == WRITERS * LINES, "lost"
    assert set(lines.values()) == {1}
    assert len(segments.older(log)) == 1
    measured(f"{len(lines):,} lines of {WRITERS} processes over two segments")


@pytest.mark.fault(42)
def test_journals_that_are_set_aside_keep_every_row(hive: FaultyHive, measured: Measured) -> None:
    bots = [f"BOT-00{number}" for number in range(1, WRITERS + 1)]
    shared = "bot-messaging.jsonl"
    names = [shared, *(f"{bot_id}-activity.jsonl" for bot_id in bots)]
    old = json.dumps({"timestamp": "2026-01-01T00:00:00.000+00:00", "event": "of old", "context": {}}).encode() + b"\n"
    for name in names:
        _nearly_fill(hive.folder.logs / name, old, segments.full_at(share_of(name)))
    hive.serve()
    hive.launch("shell", WRITERS)
    with ThreadPoolExecutor(WRITERS) as pool:
        sent = dict(zip(bots, pool.map(lambda bot_id: _talk(hive, bot_id), bots), strict=True))
    for name in names:
        path = hive.folder.logs / name
        asked = {message for bot_id in bots for message in sent[bot_id] if name in (shared, f"{bot_id}-activity.jsonl")}
        rows = until(
            lambda path=path, asked=asked: _all_told(path, asked), f"{name} to tell of every message", pause=0.2
        )
        assert set(rows.values()) == {1}, "told twice"
        assert len(segments.older(path)) == 1, f"{name} was not set aside"
    measured(f"{WRITERS * MESSAGES} messages of {WRITERS} bots, {len(names)} journals set aside")


def _talk(hive: FaultyHive, bot_id: str) -> list[str]:
    """The ids of messages, sent as fast as the bot takes them."""
    return [
        until(lambda number=number: _taken(hive, bot_id, f"echo {number}"), "its turn") for number in range(MESSAGES)
    ]


def _taken(hive: FaultyHive, bot_id: str, text: str) -> str | None:
    status, answer = hive.call("POST", f"/api/bot/send/{bot_id}", {"text": text})
    if status == 429:
        return None
    assert status == 200, answer
    hive.acknowledged[answer["message_id"], bot_id] = text
    return str(answer["message_id"])


def _all_told(path: Path, asked: set[str]) -> Counter[str] | None:
    """How often each message that came in is in the journal, once all of them are."""
    rows = [json.loads(line) for line in _everything(path).splitlines()]
    told = [row for row in rows if row.get("event_type") == "message_received" or row.get("event") == "message_queued"]
    ids = Counter(row.get("message_id") or row["context"]["message_id"] for row in told)
    return ids if asked <= set(ids) else None


def _nearly_fill(path: Path, line: bytes, full: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(line * ((full - SPARE) // len(line)))
    path.chmod(0o600)


def _everything(log: Path) -> bytes:
    """What was set aside, then what is there now."""
    parts = [
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in segments.older(log)
    ]
    return b"".join([*parts, log.read_bytes()])
