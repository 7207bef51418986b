"""What a run leaves behind on disk: frames nobody has committed yet, read once it ended and then removed, and its last
words, which the hive writes where the bot could not."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from deia_tui.core.bots import ExitRecord
from deia_tui.core.errors import StoreError
from deia_tui.core.frames import Frame, decode
from deia_tui.core.journal import rfc3339
from deia_tui.engine.protocol import Engine
from deia_tui.folder import Folder, write_atomic

PAGE = 512


def read_spool(path: Path) -> list[list[Frame]]:
    """The frames a bot left behind, in pages; a torn last line is what it had not finished. Raises StoreError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:  # out of descriptors: they are not lost, only out of reach
        raise StoreError(f"Cannot read {path} ({error.strerror}).") from error
    frames = [frame for line in lines if line and (frame := decode(line)) is not None]
    return [frames[start : start + PAGE] for start in range(0, len(frames), PAGE)]


def forget_run(folder: Folder, engine: Engine, bot_id: str, run: int) -> None:
    """All of this run is committed. Its files go first: after a crash in between, its end is told again."""
    for pattern in (f"{bot_id}.{run}.*", f".{bot_id}.{run}.*"):  # with half-written ones
        for file in folder.spools.glob(pattern):
            with contextlib.suppress(OSError):
                file.unlink()
    engine.forget(bot_id, run)


def lay_to_rest(folder: Folder, bot_id: str, run: int, exit: ExitRecord, interrupted: Sequence[str]) -> None:
    """A run that was to stop has ended, and no other was asked for yet: what it should have done itself is done."""
    with contextlib.suppress(OSError):  # the agent's files in it stay
        folder.workspace(bot_id).rmdir()
    path = folder.last_words(bot_id)
    with contextlib.suppress(OSError, ValueError):
        left = json.loads(path.read_bytes())
        if isinstance(left, dict) and left.get("run") == run:
            return
    words = {
        "bot_id": bot_id,
        "run": run,
        "stopped_at": rfc3339(exit.at),
        "reason": f"{exit.reason} ({exit})",
        "interrupted_messages": list(interrupted),
        **dict.fromkeys(("answered", "failed", "interrupted", "uptime_s")),  # nobody knows any more
    }
    with contextlib.suppress(OSError):  # a full disk: the store knows all of it
        write_atomic(path, json.dumps(words).encode() + b"\n", sync=False)
