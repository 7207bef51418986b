"""Logs that stay small: a full one is set aside under the next number (`NAME.000001`), older ones are gzipped, and the
oldest go when all of them together are more than the log's share.

Each log has one writer, and nobody else sets it aside: the bot for its `{id}-output.log`, to which it relays what its
agent writes, supervised or not; the supervisor's journal for every `.jsonl`. Gzip is the journal's work, for both.
"""

import gzip
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

_NUMBER = re.compile(r"\.(\d{6,})(\.gz)?", re.ASCII)


def full_at(share: int) -> int:
    """The size at which a log with a share of so many bytes is set aside."""
    return share * 2 // 5


def set_aside(path: Path, share: int) -> None:
    """Give the full log its number, and remove the oldest of those before it until all fit into `share` together with
    another full one. Raises OSError. An empty log takes its place at once, so that readers always find one; its writer
    opens that."""
    before = older(path)
    number = _number(path, before[-1].name) + 1 if before else 1
    if not (before and before[-1].samefile(path)):  # or somebody was killed between these two steps
        os.link(path, path.with_name(f"{path.name}.{number:06d}"))
    empty = path.with_name(f".{path.name}.tmp")
    os.close(os.open(empty, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    os.rename(empty, path)
    room = share - full_at(share)
    for segment in reversed(older(path)):
        with suppress(FileNotFoundError):
            room -= segment.stat().st_size
            if room < 0:
                segment.unlink()


def older(path: Path) -> list[Path]:
    """What was set aside of a log and is still there, oldest first."""
    numbered = [(number, name) for name in os.listdir(path.parent) if (number := _number(path, name))]
    return [path.with_name(name) for _, name in sorted(numbered)]


def compress(path: Path) -> None:
    """Gzip what was set aside of a log, but for the newest, which may hold the last words of a bot. Raises OSError."""
    for segment in older(path)[:-1]:
        if segment.suffix == ".gz":
            continue
        packed = segment.with_name(segment.name + ".gz")
        unfinished = packed.with_name(f".{packed.name}.tmp")
        try:
            with (
                segment.open("rb") as source,
                open(unfinished, "wb", opener=_private) as raw,
                gzip.open(raw, "wb", compresslevel=6) as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
            os.rename(unfinished, packed)
            segment.unlink()
        except FileNotFoundError:  # its writer dropped it meanwhile
            continue
        finally:
            unfinished.unlink(missing_ok=True)


def last_bytes(path: Path, count: int, *, offset: int, since: float) -> bytes:
    """The end of what was written to a log after `since` (unix seconds), when it was `offset` bytes long; also where it
    was set aside meanwhile. Raises OSError."""
    aside = [segment for segment in older(path)[-1:] if segment.suffix != ".gz" and segment.stat().st_mtime >= since]
    size = path.stat().st_size
    end = _tail(path, count if aside or size < offset else min(count, size - offset))
    return _tail(aside[0], count - len(end)) + end if aside else end


def _number(path: Path, name: str) -> int:
    """Which of the segments of `path` this is; 0 for any other file."""
    found = _NUMBER.fullmatch(name.removeprefix(path.name)) if name.startswith(path.name) else None
    return int(found[1]) if found else 0


def _tail(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - count))
        return file.read(count)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
