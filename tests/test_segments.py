"""Logs that are set aside, gzipped and dropped: nothing is lost before there is no room, and no line is torn."""

import gzip
import os
import threading
import time
from pathlib import Path

from deia_tui import segments


def write(path: Path, size: int, *, age_s: float = 0.0) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_numbers_go_on_whatever_else_is_there(tmp_path: Path) -> None:
    log = tmp_path / "A.log"
    for name in ("A.log.000009.gz", "A.log.1", "A.log.000003.tmp", "AA.log.000077", "A.log.gz"):
        write(tmp_path / name, 1)
    for expected in (10, 11):
        write(log, 1)
        segments.set_aside(log, 1000)
        assert segments.older(log)[-1].name == f"A.log.{expected:06d}"
    write(tmp_path / "A.log.1000000", 1)
    assert [path.name for path in segments.older(log)] == [
        *("A.log.000009.gz", "A.log.000010", "A.log.000011", "A.log.1000000")
    ]


def test_the_oldest_go_when_there_is_no_room_for_another_full_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for size in (10, 20, 15, 40):
        write(log, size)
        segments.set_aside(log, 100)
        assert (log.stat().st_size, log.stat().st_mode & 0o777) == (0, 0o600)
    assert [path.stat().st_size for path in segments.older(log)] == [15, 40]


def test_all_but_the_newest_are_gzipped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in (b"first", b"second", b"third"):
        log.write_bytes(text)
        segments.set_aside(log, 1000)
    segments.compress(log)
    segments.compress(log)
    names = [path.name for path in segments.older(log)]
    assert names == ["log.000001.gz", "log.000002.gz", "log.000003"]
    assert gzip.decompress((tmp_path / names[1]).read_bytes()) == b"second"
    assert (tmp_path / names[0]).stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["log", *names]


def test_last_words_are_found_across_the_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"of another run|mine")
    since = time.time() - 60
    assert segments.last_bytes(log, 100, offset=15, since=since) == b"mine"
    segments.set_aside(log, 1000)
    log.write_bytes(b" and more")
    assert segments.last_bytes(log, 13, offset=15, since=since) == b"mine and more"
    assert segments.last_bytes(log, 4, offset=15, since=since) == b"more"
    os.utime(tmp_path / "log.000001", (0, 0))
    assert segments.last_bytes(log, 100, offset=4, since=since) == b" more"
    assert segments.last_bytes(log, 100, offset=400, since=since) == b" and more"


def test_four_writers_lose_and_tear_nothing_while_all_is_gzipped(tmp_path: Path) -> None:
    """Each has a log of its own, as bots do; one sweeps for all."""
    logs = [tmp_path / f"BOT-{number}" for number in range(4)]
    over = threading.Event()

    def relay(log: Path) -> None:
        for number in range(20_000):
            if number % 1000 == 999:
                segments.set_aside(log, 10_000_000)
            with log.open("ab", buffering=0) as file:
                file.write(b"%d\n" % number)

    def sweep() -> None:
        while not over.is_set():
            for log in logs:
                segments.compress(log)

    writers = [threading.Thread(target=relay, args=(log,)) for log in logs]
    sweeper = threading.Thread(target=sweep)
    for thread in (*writers, sweeper):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    sweeper.join()
    for log in logs:
        kept = segments.older(log)
        assert len(kept) == 20
        whole = b"".join(map(content, [*kept, log]))
        assert whole.splitlines() == [b"%d" % number for number in range(20_000)]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
