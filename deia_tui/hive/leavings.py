"""What a run leaves behind on disk: the frames nobody has committed yet, read once it ended, and then removed."""

import contextlib
from pathlib import Path

from deia_tui.core.errors import StoreError
from deia_tui.core.frames import Frame, decode
from deia_tui.engine.protocol import Engine
from deia_tui.folder import Folder


def read_spool(path: Path) -> list[Frame]:
    """The frames a bot left behind; a torn last line is what it had not finished saying. Raises StoreError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:  # out of descriptors: they are not lost, only out of reach
        raise StoreError(f"Cannot read {path} ({error.strerror}).") from error
    return [frame for line in lines if line and (frame := decode(line)) is not None]


def forget_run(folder: Folder, engine: Engine, bot_id: str, run: int) -> None:
    """All of this run is committed. Its files go first: after a crash in between, its end is told again."""
    for pattern in (f"{bot_id}.{run}.*", f".{bot_id}.{run}.*"):  # with half-written ones
        for file in folder.spools.glob(pattern):
            with contextlib.suppress(OSError):
                file.unlink()
    engine.forget(bot_id, run)
