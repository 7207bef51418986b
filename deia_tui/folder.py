"""Where everything of a hive lies on disk, and how to write there without anybody ever seeing half a file."""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from deia_tui.core.errors import ConfigError
from deia_tui.mounts import file_system, is_shared

_THEIRS = ("run/work", "hive/tasks", "hive/controls", "hive/heartbeats")
"""Where bots and people put things of their own: neither the modes nor the links in there are our business."""
_MOST_LOOKED_AT = 20_000
"""Files and folders; a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The `.deia/` folder of a hive; `root` is the (absolute) folder that holds it."""

    root: Path

    @property
    def deia(self) -> Path:
        return self.root / ".deia"

    @property
    def hive_toml(self) -> Path:
        return self.deia / "hive.toml"

    @property
    def prices(self) -> Path:
        return self.deia / "prices.toml"

    @property
    def templates(self) -> Path:
        return self.deia / "templates"

    @property
    def state_db(self) -> Path:
        return self.deia / "state.db"

    @property
    def samples_db(self) -> Path:
        return self.deia / "samples.db"

    @property
    def registry(self) -> Path:
        return self.deia / "hive" / "registry.json"

    @property
    def status_board(self) -> Path:
        return self.deia / "bot-status-board.json"

    @property
    def responses(self) -> Path:
        return self.deia / "hive" / "responses"

    @property
    def tasks(self) -> Path:
        """Work as files: `*.md` for anyone, `{bot}/*.md` for one bot."""
        return self.deia / "hive" / "tasks"

    @property
    def controls(self) -> Path:
        """`{bot}-PAUSE` keeps a bot from new tasks while it exists."""
        return self.deia / "hive" / "controls"

    @property
    def heartbeats(self) -> Path:
        return self.deia / "hive" / "heartbeats"

    def heartbeat(self, bot_id: str) -> Path:
        return self.heartbeats / f"{bot_id}.yaml"

    def last_words(self, bot_id: str) -> Path:
        """What a bot that was stopped had done, and was interrupted in."""
        return self.responses / f"{bot_id}-shutdown-state.json"

    @property
    def logs(self) -> Path:
        return self.deia / "bot-logs"

    @property
    def run(self) -> Path:
        return self.deia / "run"

    @property
    def runs(self) -> Path:
        """Records of runs: `ID.RUN.json` while it lives, `ID.RUN.exit.json` once it ended."""
        return self.run / "bots"

    @property
    def spools(self) -> Path:
        """Frames no supervisor has committed yet: `ID.RUN.jsonl`."""
        return self.run / "spool"

    @property
    def backups(self) -> Path:
        """Verified copies of the hive's state: `state-YYYYMMDD-HHMMSS.db` (UTC)."""
        return self.run / "backups"

    def run_record(self, bot_id: str, run: int) -> Path:
        return self.runs / f"{bot_id}.{run}.json"

    def exit_record(self, bot_id: str, run: int) -> Path:
        return self.runs / f"{bot_id}.{run}.exit.json"

    def own_exit_record(self, bot_id: str, run: int) -> Path:
        """Written by the bot itself: all there is when its host died before it."""
        return self.runs / f"{bot_id}.{run}.end.json"

    def spool(self, bot_id: str, run: int) -> Path:
        return self.spools / f"{bot_id}.{run}.jsonl"

    def workspace(self, bot_id: str) -> Path:
        return self.run / "work" / bot_id

    def output_log(self, bot_id: str) -> Path:
        """What a bot and its agent wrote to stdout and stderr."""
        return self.logs / f"{bot_id}-output.log"

    def create(self) -> None:
        """Make the folders, and close to others what is open to them; ConfigError when that is not allowed here."""
        self._refuse_unspeakable_path()
        try:
            self._refuse_shared_disk()
            for path in (self.deia, self.run):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
                _close_to_others(path, path.lstat())
            self._tighten()
            ours = (self.templates, self.registry.parent, self.responses, self.logs, self.runs, self.spools)
            for path in (*ours, self.tasks, self.controls, self.heartbeats):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self.deia, os.W_OK | os.X_OK):
                raise PermissionError(13, os.strerror(13))
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(
                f"Cannot write to {self.deia} ({reason}): choose another folder with --hive DIR."
            ) from error

    def _refuse_unspeakable_path(self) -> None:
        """Store, API and logs are UTF-8, and all of them name the folder."""
        try:
            str(self.root).encode()
        except UnicodeEncodeError:
            raise ConfigError(
                "The path of this folder is no UTF-8 text here: rename it, set a UTF-8 locale, "
                "or choose another folder with --hive DIR."
            ) from None

    def _refuse_shared_disk(self) -> None:
        kind = file_system(self.deia)
        if is_shared(kind):
            raise ConfigError(
                f"{self.root} is on {kind}, which other machines may share: locks and SQLite need a disk of this "
                "machine, choose another folder with --hive DIR."
            )

    def _tighten(self) -> None:
        """0700 and 0600 for what is ours, whatever an archive or a umask made of it; a link is refused, never followed.

        Nobody else gets past `.deia` by now: this is for the day its mode slips.
        """
        theirs = {str(self.deia / name) for name in _THEIRS}
        folders, looked_at = [str(self.deia)], 0
        while folders and looked_at < _MOST_LOOKED_AT:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    looked_at += 1
                    if entry.is_symlink() and self._is_only_read(Path(entry.path)):
                        continue
                    with contextlib.suppress(FileNotFoundError):  # a supervisor that runs removes its own
                        _close_to_others(entry.path, entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False) and entry.path not in theirs:
                        folders.append(entry.path)

    def _is_only_read(self, path: Path) -> bool:
        """Settings may be links to where somebody keeps them."""
        return path in (self.hive_toml, self.templates) or path.parent == self.templates


def _close_to_others(path: str | Path, info: os.stat_result) -> None:
    """Raises ConfigError for a link, or what belongs to somebody else."""
    if stat.S_ISLNK(info.st_mode) or info.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} is a link or belongs to another user: remove it, or choose another folder with --hive DIR."
        )
    if not info.st_mode & 0o077:
        return
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(info.st_mode) & 0o700)
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace `path` by `data` (0600): readers see the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def socket_path(folder: Path, name: str) -> tuple[str, int]:
    """An address for the unix socket `name` in `folder` that is short however deep the folder lies (limit: 107 bytes).

    Returns (path through an open directory, its file descriptor); close the descriptor once bound or connected.
    """
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{fd}/{name}", fd
